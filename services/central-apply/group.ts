/**
 * One group of records is one PostgreSQL transaction. Read it from top to bottom: progress is locked first, so
 * that everything after it happens once; it is written last, so that whoever reads it in the WAL has seen
 * everything before it.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Outcome } from '../shared/records/change-record.ts';
import { PayflowError } from '../shared/errors.ts';
import { inTransaction } from '../shared/database/postgres.ts';
import { isAnnouncement, type UnitRecord } from '../shared/records/unit-record.ts';
import { addRejected, admit, predecessorOf, type TerminalState } from './admission.ts';
import { highest, lowest, recogniseKnown } from './hand-over.ts';
import { keepHeld, removeHeld, saveHeld, type AcceptedRecord, type Held } from './held.ts';
import {
  fenceTerminals,
  lockProgress,
  noteOthers,
  recallHashes,
  saveConsumed,
  saveProgress,
  saveRefused,
  type Consumed,
  type OtherFile,
  type RefusedRecord,
} from './progress.ts';
import { applyUnits } from './rows/apply-units.ts';
import type { IncomingUnit, KnownChange } from './rows/change.ts';
import type { CentralModel } from './rows/model.ts';
import { Session } from './rows/sql.ts';
import { applyUnitByUnit, isRefusal } from './unit-by-unit.ts';

export interface Group {
  readonly records: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
  /** Held records that `records` were made of. */
  readonly heldIds: readonly string[];
  /** null for records that were held: they have been consumed long ago. */
  readonly consumed: Consumed | null;
}

export interface GroupResult {
  readonly units: number;
  readonly changes: number;
  readonly duplicateUnits: number;
  readonly heldRecords: number;
  readonly outcomes: ReadonlyMap<Outcome, number>;
  /** Terminals that may have held records to release now. */
  readonly withHeld: ReadonlySet<string>;
}

export interface GroupOptions {
  readonly pool: Pool;
  readonly model: CentralModel;
  readonly log: Logger;
}

/**
 * Applies a group, all together or, if PostgreSQL refuses a row, unit by unit.
 * @throws PayflowError; after DB_UNREACHABLE the group may or may not be applied, and is safe to repeat
 */
export async function applyGroup(group: Group, options: GroupOptions): Promise<GroupResult> {
  try {
    return await inTransaction(options.pool, (client) =>
      applyIn(new Session(client), group, options, 'together'),
    );
  } catch (error) {
    if (!isRefusal(error)) throw error;
    options.log.info({ err: error }, 'PostgreSQL refused a group; applying it unit by unit');
    return inTransaction(options.pool, (client) =>
      applyIn(new Session(client), group, options, 'unit by unit'),
    );
  }
}

async function applyIn(
  session: Session,
  group: Group,
  { model, log }: GroupOptions,
  mode: 'together' | 'unit by unit',
): Promise<GroupResult> {
  const admitted = await admitAll(session, group, model, log);
  const { units, states } = admitted;
  const applied = await (mode === 'together'
    ? applyUnits(session, model, units, { order: 'table' })
    : applyUnitByUnit(session, model, units));
  const again = units.map(({ terminal, known = [] }) => [terminal, refusedBefore(known)] as const);
  for (const [terminal, seqs] of [...applied.rejected, ...again]) {
    const state = states.get(terminal);
    if (state !== undefined) state.exceptions = addRejected(state.exceptions, seqs);
  }
  await settleHeld(session, group, admitted.held);
  await noteOthers(session, admitted.others);
  await fenceTerminals(session, admitted.fenced);
  if (group.consumed !== null) await saveRefused(session, group.consumed, group.refused);
  const moved = new Set(units.map(({ terminal }) => terminal));
  await saveProgress(
    session,
    [...states.values()].filter(({ terminal }) => moved.has(terminal)),
  );
  if (group.consumed !== null) await saveConsumed(session, group.consumed);
  return {
    units: units.length,
    changes: units.reduce((sum, { unit }) => sum + unit.changes.length, 0),
    duplicateUnits: admitted.duplicates,
    heldRecords: admitted.held.length,
    outcomes: applied.outcomes,
    withHeld: admitted.withHeld,
  };
}

function refusedBefore(known: readonly KnownChange[]): number[] {
  return known.filter(({ outcome }) => outcome === 'rejected').map(({ seq }) => seq);
}

/** Records that were held and still are stay as they were stored; only the reason may be another. */
async function settleHeld(session: Session, { consumed, heldIds }: Group, held: readonly Held[]) {
  if (consumed !== null) return saveHeld(session, held);
  const [first] = held;
  return first === undefined ? removeHeld(session, heldIds) : keepHeld(session, heldIds, first.reason);
}

interface Admitted {
  readonly states: ReadonlyMap<string, TerminalState>;
  readonly units: readonly IncomingUnit[];
  readonly held: readonly Held[];
  /** Why, by terminal. */
  readonly fenced: ReadonlyMap<string, string>;
  readonly others: readonly OtherFile[];
  readonly duplicates: number;
  readonly withHeld: ReadonlySet<string>;
}

async function admitAll(
  session: Session,
  { records }: Group,
  model: CentralModel,
  log: Logger,
): Promise<Admitted> {
  const incarnations = new Map<string, string>();
  for (const { record } of records) {
    if (!incarnations.has(record.terminal)) incarnations.set(record.terminal, record.incarnation);
  }
  if (incarnations.size === 0) {
    const none = { units: [], held: [], others: [], duplicates: 0 };
    return { ...none, states: new Map(), fenced: new Map(), withHeld: new Set() };
  }
  const { states, withHeld, mappingVersion } = await lockProgress(session, incarnations);
  if (mappingVersion !== model.mappingVersion) throw new MappingChanged();
  await recallHashes(
    session,
    states,
    records.map(({ record }) => record),
  );
  const units: IncomingUnit[] = [];
  const held: Held[] = [];
  const fenced = new Map<string, string>();
  const others: OtherFile[] = [];
  let duplicates = 0;
  for (const accepted of records) {
    const { record, receivedAtMs, offset } = accepted;
    const state = states.get(record.terminal);
    if (state === undefined) continue;
    const admission = admit(state, record, offset);
    others.push(...otherFile(state, record));
    duplicates += admission.duplicates;
    const { terminal, storeId } = state;
    const trusted = record.databaseId === model.databaseId;
    for (const unit of admission.apply) {
      units.push({
        terminal,
        storeId,
        incarnation: record.incarnation,
        trusted,
        receivedAtMs,
        lentAuthority: false,
        unit,
      });
    }
    if (admission.hold !== null) held.push({ accepted, reason: admission.hold });
    if (admission.fence !== null) {
      fenced.set(terminal, admission.fence);
      log.error(
        { code: 'TERMINAL_FENCED', terminal },
        `terminal ${terminal} is fenced: ${admission.fence}. See \`payflow terminals show ${terminal}\`.`,
      );
    }
  }
  const withNew = held
    .filter(({ reason }) => reason === 'gap' || reason === 'part')
    .map((each) => each.accepted.record.terminal);
  return {
    states,
    units: await recogniseKnown(session, states, units),
    held,
    fenced,
    others,
    duplicates,
    withHeld: new Set([...withHeld, ...withNew]),
  };
}

function otherFile(state: TerminalState, record: UnitRecord): OtherFile[] {
  const { terminal, incarnation, units } = record;
  const known = state.others.get(incarnation);
  if (known === undefined) return [];
  const predecessor = isAnnouncement(record) ? predecessorOf(state, record) : null;
  return [
    {
      terminal,
      incarnation,
      state: known,
      predecessor,
      firstSeq: lowest(units.map(({ firstSeq }) => firstSeq)),
      lastSeq: highest(units.map(({ lastSeq }) => lastSeq)),
      lastUnit: highest(units.map(({ number }) => number)),
    },
  ];
}

/** Another mapping was published since the model was loaded: load it and apply the group under it. */
export class MappingChanged extends PayflowError {
  constructor() {
    super('DB_TRANSIENT', 'another mapping was published');
  }
}
