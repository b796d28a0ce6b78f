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
  readonly storeId: string;
  status: TerminalStatus;
  readonly incarnation: string;
  lastUnit: number;
  lastSeq: number;
  chainHash: Buffer;
  /** Of earlier units, by number, as far as their evidence is kept and somebody asked. */
  readonly hashes: Map<number, Buffer>;
  /** JSON as in payflow_sync.progress. */
  exceptions: string;
}

export type HoldReason = 'gap' | 'part' | 'fenced';

export interface Admission {
  /** In order; the state stands behind the last of them already. */
  readonly apply: readonly Unit[];
  readonly duplicates: number;
  /** Why the record is to be kept; null when it is done with. */
  readonly hold: HoldReason | null;
  /** Why the terminal is to be fenced, in words; null when nothing is wrong. */
  readonly fence: string | null;
}

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
  const apply: Unit[] = [];
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
    apply.push(unit);
    state.lastUnit = unit.number;
    state.lastSeq = unit.lastSeq;
    state.chainHash = unit.hash;
    state.hashes.set(unit.number, unit.hash);
  }
  return { apply, duplicates, hold: null, fence: null };
}

function fenced(state: TerminalState, apply: readonly Unit[], duplicates: number, why: string): Admission {
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
