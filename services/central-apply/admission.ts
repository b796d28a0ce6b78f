/**
 * What may be applied of a record, given how far its terminal has come. Pure: the uniqueness of every sale rests
 * on these few lines and on the progress row being locked while they run.
 */
import type { Unit, UnitRecord } from '../shared/records/unit-record.ts';
import { joined } from './exceptions.ts';

export type TerminalStatus = 'registered' | 'enrolled' | 'fenced' | 'retired';

/** One terminal's progress row and registration, as read under lock; moved on as units are admitted. */
export interface TerminalState {
  readonly terminal: string;
  /** Store by registration: a till that was moved still has sales of its old store to send. */
  readonly stores: ReadonlyMap<number, string>;
  /** Of the newest unit applied; 0: none yet. */
  registration: number;
  status: TerminalStatus;
  /** It waits for a cause at the centre to end (holds.ts): what comes meanwhile goes behind what is held. */
  readonly waits?: boolean | undefined;
  readonly incarnation: string;
  lastUnit: number;
  lastSeq: number;
  chainHash: Buffer;
  /** Of earlier units, by number, as far as their evidence is kept and somebody asked. */
  readonly hashes: Map<number, Buffer>;
  /** JSON as in payflow_sync.progress. */
  exceptions: string;
}

export type HoldReason = 'gap' | 'part' | 'fenced' | 'centre';

export interface AdmittedUnit {
  readonly unit: Unit;
  /** Of the registration under which it was cut. */
  readonly storeId: string;
  /** The terminal as it was before this one; see `rewind`. */
  readonly before: TerminalState;
}

export interface Admission {
  /** In order; the state stands behind the last of them already. */
  readonly apply: readonly AdmittedUnit[];
  readonly duplicates: number;
  /** Why the record is to be kept; null when it is done with. */
  readonly hold: HoldReason | null;
  /** Why the terminal is to be fenced, in words; null when nothing is wrong. */
  readonly fence: string | null;
}

/** As it was before units were admitted that are not to be applied after all. */
export function rewind(state: TerminalState, before: TerminalState): void {
  Object.assign(state, before);
}

/**
 * A till whose agent does not say the number was never moved: only one that does is enrolled for another store
 * than its first.
 */
const FIRST_REGISTRATION = 1;

/** Admits the units of one record and moves `state` on accordingly. */
export function admit(state: TerminalState, record: UnitRecord): Admission {
  if (state.status === 'fenced') return { apply: [], duplicates: 0, hold: 'fenced', fence: null };
  if (record.incarnation !== state.incarnation) {
    return fenced(
      state,
      [],
      0,
      `a record of incarnation ${record.incarnation} came, not ${state.incarnation}`,
    );
  }
  const apply: AdmittedUnit[] = [];
  let duplicates = 0;
  for (const unit of record.units) {
    if (unit.number <= state.lastUnit) {
      const known = unit.number === state.lastUnit ? state.chainHash : state.hashes.get(unit.number);
      if (known !== undefined && !unit.hash.equals(known)) {
        return fenced(state, apply, duplicates, `unit ${unit.number} came again with other contents`);
      }
      duplicates += 1;
      continue;
    }
    if (unit.number > state.lastUnit + 1) return { apply, duplicates, hold: 'gap', fence: null };
    if (!unit.previousHash.equals(state.chainHash)) {
      return fenced(state, apply, duplicates, `unit ${unit.number} does not follow unit ${state.lastUnit}`);
    }
    if (record.parts > 1) return { apply, duplicates, hold: 'part', fence: null };
    if (state.waits) return { apply, duplicates, hold: 'centre', fence: null };
    const { registration = FIRST_REGISTRATION } = unit;
    const storeId = state.stores.get(registration);
    if (registration < state.registration) {
      // What it sold in its old store it cut before it used the new registration; this is another file.
      const why = `unit ${unit.number} goes back to registration ${registration}, after ${state.registration}`;
      return fenced(state, apply, duplicates, why);
    }
    if (storeId === undefined) {
      const why = `unit ${unit.number} names registration ${registration}, which the centre does not know`;
      return fenced(state, apply, duplicates, why);
    }
    apply.push({ unit, storeId, before: { ...state } });
    state.registration = registration;
    state.lastUnit = unit.number;
    state.lastSeq = unit.lastSeq;
    state.chainHash = unit.hash;
    state.hashes.set(unit.number, unit.hash);
  }
  return { apply, duplicates, hold: null, fence: null };
}

function fenced(
  state: TerminalState,
  apply: readonly AdmittedUnit[],
  duplicates: number,
  why: string,
): Admission {
  state.status = 'fenced';
  return { apply, duplicates, hold: 'fenced', fence: why };
}

export type ExceptionKind = 'held' | 'rejected' | 'discarded';
/** reason: in words, where an operator gave one. */
export type ExceptionRange = readonly [
  firstSeq: number,
  lastSeq: number,
  kind: ExceptionKind,
  reason?: string,
];

/** Adds rejected seqs to the exceptions of a progress row: ascending, disjoint, neighbours joined. */
export function addRejected(exceptions: string, seqs: readonly number[]): string {
  if (seqs.length === 0) return exceptions;
  return JSON.stringify(
    joined([
      ...(JSON.parse(exceptions) as ExceptionRange[]),
      ...seqs.map((seq): ExceptionRange => [seq, seq, 'rejected']),
    ]),
  );
}
