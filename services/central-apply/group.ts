/**
 * One group of records is one PostgreSQL transaction. Read it from top to bottom: progress is locked first, so
 * that everything after it happens once; it is written last, so that whoever reads it in the WAL has seen
 * everything before it.
 */
import type { Logger } from 'pino';
import type { Outcome } from '../shared/records/change-record.ts';
import { PayflowError } from '../shared/errors.ts';
import { admit, rewind, type TerminalState } from './admission.ts';
import { heldAnnounced, letGoOn, otherFile, type Announced } from './announced.ts';
import type { Judgement } from './evidence-of-cause.ts';
import { addRejected, hasRejected, type RefusedSeq } from './exceptions.ts';
import { recogniseKnown } from './hand-over.ts';
import type { HeldSizes } from './held-bounds.ts';
import { keepHeld, removeHeld, saveHeld, type AcceptedRecord, type Held } from './held.ts';
import { endHolds, REFUSED_TOO_MUCH, saveHolds, type NewHold } from './holds.ts';
import {
  fenceTerminals,
  lockProgress,
  noteOthers,
  recallHashes,
  saveConsumed,
  saveProgress,
  saveRefused,
  type Consumed,
  type Fence,
  type OtherFile,
  type RefusedRecord,
} from './progress.ts';
import { applyUnits, type AppliedUnits, type ForeignChange } from './rows/apply-units.ts';
import type { IncomingUnit, KnownChange } from './rows/change.ts';
import type { CentralModel } from './rows/model.ts';
import type { Session } from './rows/sql.ts';
import { applyUnitByUnit, type UnitByUnit } from './unit-by-unit.ts';

export interface Group {
  readonly records: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
  /** Held records that `records` were made of. */
  readonly heldIds: readonly string[];
  /** null for records that were held: they have been consumed long ago. */
  readonly consumed: Consumed | null;
  /** Terminals whose records are put behind what is held of them, and tried in a transaction of their own. */
  readonly apart: ReadonlySet<string>;
}

export interface GroupResult {
  readonly units: number;
  readonly changes: number;
  readonly duplicateUnits: number;
  readonly heldRecords: number;
  readonly refusedRecords: number;
  readonly outcomes: ReadonlyMap<Outcome, number>;
  /** Changes that named rows of another store. */
  readonly foreign: readonly ForeignChange[];
  /** Terminals that may have held records to release now. */
  readonly withHeld: ReadonlySet<string>;
  /** Terminals that wait from now on. */
  readonly stopped: readonly NewHold[];
  /** Terminals of which PostgreSQL refused a part. */
  readonly refusedTills: readonly string[];
  /** Kinds of writes that went through. */
  readonly passed: ReadonlySet<string>;
}

/** How the units of a group are applied; see refusal-ladder.ts. */
export type Mode =
  | { readonly kind: 'together' }
  | { readonly kind: 'unit by unit'; readonly judgement: Judgement }
  /** Nothing is applied: every till is tried in a transaction of its own later. */
  | { readonly kind: 'aside' };

export interface GroupOptions {
  readonly model: CentralModel;
  readonly log: Logger;
  readonly mode: Mode;
  readonly sizes: HeldSizes;
}

const NOTHING: AppliedUnits = { outcomes: new Map(), rejected: new Map(), passed: new Set(), foreign: [] };

/** Everything of a group, inside its transaction. */
export async function applyIn(session: Session, group: Group, options: GroupOptions): Promise<GroupResult> {
  const { model, mode } = options;
  const admitted = await admitAll(session, group, options);
  const units = admitted.units.map(({ incoming }) => incoming);
  const { applied, stopped }: UnitByUnit =
    mode.kind === 'unit by unit'
      ? await applyUnitByUnit(units, { session, model, judgement: mode.judgement })
      : {
          applied:
            mode.kind === 'aside' ? NOTHING : await applyUnits(session, model, units, { order: 'table' }),
          stopped: new Map(),
        };
  const done = holdFrom(admitted, stopped);
  const again = done.map(({ terminal, known = [] }) => [terminal, refusedBefore(known)] as const);
  for (const [terminal, refused] of [...applied.rejected, ...again]) {
    const state = admitted.states.get(terminal);
    if (state !== undefined) state.exceptions = addRejected(state.exceptions, refused);
  }
  admitted.held.push(...heldAnnounced(admitted.announced, stopped));
  const overflow = await settleHeld(session, group, admitted.held, options.sizes);
  await noteOthers(session, admitted.others);
  await fenceTerminals(session, admitted.fenced);
  const refused = [...group.refused, ...overflow];
  if (group.consumed !== null) await saveRefused(session, group.consumed, refused);
  const moved = new Set(done.map(({ terminal }) => terminal));
  await saveProgress(
    session,
    [...admitted.states.values()].filter(({ terminal }) => moved.has(terminal)),
  );
  await letGoOn(session, admitted.announced, options.log);
  const waiting = [...stopped.values(), ...refusedTooMuch(admitted)];
  await saveHolds(session, waiting);
  if (group.heldIds.length > 0) await endHolds(session, released(group, waiting));
  if (group.consumed !== null) await saveConsumed(session, group.consumed);
  return {
    units: done.length,
    changes: done.reduce((sum, { unit }) => sum + unit.changes.length, 0),
    duplicateUnits: admitted.duplicates,
    heldRecords: admitted.held.length - overflow.length,
    refusedRecords: refused.length,
    outcomes: applied.outcomes,
    foreign: applied.foreign,
    withHeld: admitted.withHeld,
    stopped: waiting,
    refusedTills: mode.kind === 'unit by unit' ? [...applied.rejected.keys()] : [],
    passed: applied.passed,
  };
}

function refusedBefore(known: readonly KnownChange[]): RefusedSeq[] {
  return known.filter(({ outcome }) => outcome === 'rejected').map(({ seq }) => ({ seq, reason: null }));
}

/** Tills of which something new came although nobody has decided on what was refused. */
function refusedTooMuch({ states, held }: Admitted): NewHold[] {
  const behind = new Set(held.map(({ accepted, reason }) => reason === 'centre' && accepted.record.terminal));
  return [...states.values()]
    .filter((state) => state.refusedTooMuch && behind.has(state.terminal))
    .map(({ terminal }) => ({ terminal, state: 'centre', failure: REFUSED_TOO_MUCH }));
}

/** Takes back what was admitted of the tills that wait, and holds their records. @returns the units that were applied */
function holdFrom({ units, states, held }: Admitted, stopped: UnitByUnit['stopped']): IncomingUnit[] {
  const from = new Map([...stopped].map(([terminal, stop]) => [terminal, stop.from]));
  const waiting = new Set<string>();
  const kept = new Set(held.map(({ accepted }) => accepted));
  const done: IncomingUnit[] = [];
  for (const { incoming, accepted, before } of units) {
    const { terminal } = incoming;
    const state = states.get(terminal);
    if (incoming === from.get(terminal) && state !== undefined) {
      rewind(state, before);
      waiting.add(terminal);
    }
    if (!waiting.has(terminal)) {
      done.push(incoming);
      continue;
    }
    if (!kept.has(accepted)) held.push({ accepted, reason: 'centre' });
    kept.add(accepted);
  }
  return done;
}

/** Of the tills whose held records were tried, those that do not wait any longer. */
function released({ records }: Group, waiting: readonly NewHold[]): string[] {
  const stopped = new Set(waiting.map(({ terminal }) => terminal));
  return [...new Set(records.map(({ record }) => record.terminal))].filter((till) => !stopped.has(till));
}

/**
 * Records that were held and still are stay as they were stored; only the reason may be another.
 * @returns those that are too many to be kept
 */
async function settleHeld(
  session: Session,
  { consumed, heldIds }: Group,
  held: readonly Held[],
  sizes: HeldSizes,
): Promise<RefusedRecord[]> {
  if (consumed !== null) return saveHeld(session, held, sizes);
  const still = new Set(held.flatMap(({ accepted }) => accepted.heldIds ?? []));
  await removeHeld(
    session,
    heldIds.filter((id) => !still.has(id)),
  );
  await keepHeld(session, held);
  return [];
}

/** A unit that may be applied, and its terminal as it was before. */
interface AdmittedIn {
  readonly incoming: IncomingUnit;
  readonly accepted: AcceptedRecord;
  readonly before: TerminalState;
}

interface Admitted {
  readonly states: ReadonlyMap<string, TerminalState>;
  readonly units: readonly AdmittedIn[];
  readonly held: Held[];
  /** Why, by terminal. */
  readonly fenced: ReadonlyMap<string, Fence>;
  readonly others: readonly OtherFile[];
  /** Files that go on from now on, by terminal. */
  readonly announced: Announced;
  readonly duplicates: number;
  readonly withHeld: ReadonlySet<string>;
}

async function admitAll(session: Session, group: Group, options: GroupOptions): Promise<Admitted> {
  const { model, mode } = options;
  const held: Held[] = [];
  const records: AcceptedRecord[] = [];
  const isApart = (terminal: string) => mode.kind === 'aside' || group.apart.has(terminal);
  for (const accepted of group.records) {
    // Their progress is not even locked: a try of theirs may have it for as long as a statement takes.
    if (group.consumed !== null && isApart(accepted.record.terminal))
      held.push({ accepted, reason: 'centre' });
    else records.push(accepted);
  }
  const apart = held.map(({ accepted }) => accepted.record.terminal);
  const incarnations = new Map<string, string>();
  for (const { record } of records) {
    if (!incarnations.has(record.terminal)) incarnations.set(record.terminal, record.incarnation);
  }
  if (incarnations.size === 0) {
    const none = { units: [], others: [], announced: new Map(), duplicates: 0 };
    return { ...none, states: new Map(), held, fenced: new Map(), withHeld: new Set(apart) };
  }
  const { states, withHeld, mappingVersion } = await lockProgress(session, incarnations);
  if (mappingVersion !== model.mappingVersion) throw new MappingChanged();
  await recallHashes(
    session,
    states,
    records.map(({ record }) => record),
  );
  const admitted = admitRecords(records, { states, group, options });
  held.push(...admitted.held);
  const { units } = admitted;
  const unseen = await recogniseKnown(
    session,
    states,
    units.map(({ incoming }) => incoming),
    model,
  );
  const withNew = held.filter(isWaiting).map((each) => each.accepted.record.terminal);
  return {
    ...admitted,
    states,
    units: units.map((unit) => ({ ...unit, incoming: unseen.get(unit.incoming) ?? unit.incoming })),
    held,
    withHeld: new Set([...withHeld, ...withNew]),
  };
}

/** For a record, or for the centre, and not for an operator. */
function isWaiting({ reason }: Held): boolean {
  return reason === 'gap' || reason === 'part' || reason === 'centre';
}

interface ToAdmit {
  readonly states: ReadonlyMap<string, TerminalState>;
  readonly group: Group;
  readonly options: GroupOptions;
}

/** One record after the other, each as the ones before it left its terminal. */
function admitRecords(
  records: readonly AcceptedRecord[],
  { states, group, options: { model, mode, log } }: ToAdmit,
): Pick<Admitted, 'units' | 'held' | 'fenced' | 'others' | 'announced' | 'duplicates'> {
  const units: AdmittedIn[] = [];
  const held: Held[] = [];
  const fenced = new Map<string, Fence>();
  const others: OtherFile[] = [];
  const announced: Announced = new Map();
  let duplicates = 0;
  for (const accepted of records) {
    const { record, offset, cameAt } = accepted;
    const { terminal } = record;
    const state = states.get(terminal);
    if (state === undefined) continue;
    if (announced.has(terminal)) {
      // Its place is another one once that is written: it has its turn right behind.
      held.push({ accepted, reason: 'gap' });
      continue;
    }
    // What is tried now is what it waits with.
    if (group.consumed === null) Object.assign(state, { waits: false });
    const admission = admit(state, record, offset ?? cameAt ?? null);
    others.push(...otherFile(state, record));
    duplicates += admission.duplicates;
    if (admission.goesOn === true) announced.set(terminal, accepted);
    // Of one that was handed over, letters of its other files may be open.
    const openLetters = mode.kind === 'unit by unit' || hasRejected(state.exceptions) || state.knownSeq > 0;
    for (const { unit, storeId, before } of admission.apply) {
      units.push({
        incoming: { ...incomingUnit(accepted, { unit, storeId }, { model, group }), openLetters },
        accepted,
        before,
      });
    }
    if (admission.hold !== null) held.push({ accepted, reason: admission.hold });
    if (admission.fence !== null) {
      fenced.set(terminal, { why: admission.fence, cause: state.fencedFor ?? 'file' });
      log.error(
        { code: 'TERMINAL_FENCED', terminal },
        `terminal ${terminal} is fenced: ${admission.fence}. See \`payflow terminals show ${terminal}\`.`,
      );
    }
  }
  return { units, held, fenced, others, announced, duplicates };
}

function incomingUnit(
  { record, receivedAtMs, offset }: AcceptedRecord,
  { unit, storeId }: Pick<IncomingUnit, 'unit' | 'storeId'>,
  { model, group }: { readonly model: CentralModel; readonly group: Group },
): IncomingUnit {
  return {
    terminal: record.terminal,
    storeId,
    incarnation: record.incarnation,
    trusted: record.databaseId === model.databaseId,
    receivedAtMs,
    lentAuthority: false,
    mappingVersion: record.mappingVersion,
    source:
      offset === null || group.consumed === null
        ? undefined
        : { partition: group.consumed.partition, offset },
    unit,
  };
}

/** Another mapping was published since the model was loaded: load it and apply the group under it. */
export class MappingChanged extends PayflowError {
  constructor() {
    super('DB_TRANSIENT', 'another mapping was published');
  }
}
