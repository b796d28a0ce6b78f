/**
 * What may be applied of a record, given how far its terminal has come. Pure: the uniqueness of every sale rests
 * on these few lines and on the progress row being locked while they run.
 *
 * Which file speaks, in the order in which it is asked (an announcement is a record with unit 0, in which a file
 * that does not go on by itself gives the name under which it would):
 *
 * | the till is          | the record is                              | it is held as | and            |
 * |----------------------|--------------------------------------------|---------------|----------------|
 * | retired, or the record lies behind the offset of its retirement | anything not applied yet | retired | |
 * | any                  | of a superseded incarnation                | superseded    |                |
 * | any                  | of one that was followed, applied then     | not at all    |                |
 * | any                  | of one that was followed, anything new     | fenced        | two files live: known as waiting, the till is fenced |
 * | any                  | an announcement of the current incarnation, or again of one that was followed | – | |
 * | any                  | an announcement after a superseded one     | –             | it is known as superseded |
 * | one that waits for a cause at the centre | an announcement after the current one | centre | behind what waits |
 * | fenced for a registration | an announcement after the current one | –             | it is known as waiting: it would send the same again |
 * | no other file waits  | an announcement after the current one      | –             | it goes on: the current one is followed |
 * | fenced               | another announcement                       | –             | it is known as waiting |
 * | in order             | another announcement                       | –             | known as waiting, the till is fenced |
 * | fenced               | any other                                  | fenced        |                |
 * | in order             | of another incarnation                     | fenced        | known as waiting, the till is fenced |
 * | in order             | of the current incarnation                 | gap, part or not at all, by its numbers and hashes |
 *
 * `followed` and `superseded` differ in who has said so: the file that went on from it, which may turn out to be one of
 * two, or an operator. A till that is fenced since a unit came with other contents may have one file only, put back
 * together with its agent file: while no other file is known it goes on as well. Not so where it was fenced for its
 * registration: the file would be fenced for the same unit again and again, under ever new names.
 */
import {
  isAnnouncement,
  namesPredecessor,
  type Unit,
  type UnitRecord,
} from '../shared/records/unit-record.ts';

export type TerminalStatus = 'registered' | 'enrolled' | 'fenced' | 'retired';

/**
 * What a till is fenced for. file: a unit is another file's; a file that has renounced its own numbers mends that.
 * registration: a unit names one that it can't have, and would do so under any other name as well.
 */
export type FenceCause = 'file' | 'registration';

/** One terminal's progress row and registration, as read under lock; moved on as units are admitted. */
export interface TerminalState {
  readonly terminal: string;
  /** Store by registration: a till that was moved still has sales of its old store to send. */
  readonly stores: ReadonlyMap<number, string>;
  /** Of the newest unit applied; 0: none yet. */
  registration: number;
  status: TerminalStatus;
  /** While it is fenced; absent: by an earlier version. */
  fencedFor?: FenceCause | undefined;
  /** It waits for a cause at the centre to end (holds.ts): what comes meanwhile goes behind what is held. */
  readonly waits?: boolean | undefined;
  /** So much of it is refused and undecided that no more is taken (exceptions.ts). */
  readonly refusedTooMuch?: boolean | undefined;
  readonly incarnation: string;
  lastUnit: number;
  lastSeq: number;
  chainHash: Buffer;
  /** Of earlier units, by number, as far as their evidence is kept and somebody asked. */
  readonly hashes: Map<number, Buffer>;
  /** JSON as in payflow_sync.progress. */
  exceptions: string;
  /** Changes up to this seq may have come in an earlier incarnation: hand-over.ts compares them. */
  readonly knownSeq: number;
  /** While it is being retired, and after: where in the up stream its service ends. */
  readonly retireOffset: number | null;
  /** Its other files, by incarnation. */
  readonly others: Map<string, OtherState>;
  /** Where those stood that were followed. */
  readonly left: ReadonlyMap<string, LeftAt>;
}

export type OtherState = 'superseded' | 'followed' | 'waiting';

export interface LeftAt {
  readonly lastUnit: number;
  /** Of its units, by number, as far as their evidence is kept and somebody asked. */
  readonly hashes: Map<number, Buffer>;
}

/** `centre`: behind a cause at the centre, or put aside unseen. */
export type HoldReason = 'gap' | 'part' | 'fenced' | 'superseded' | 'retired' | 'centre';

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
  /** The file goes on that announced itself, in place of the current one. */
  readonly goesOn?: boolean | undefined;
}

/** As it was before units were admitted that are not to be applied after all. */
export function rewind(state: TerminalState, before: TerminalState): void {
  Object.assign(state, before);
}

/**
 * A till whose agent does not say the number was never moved: only one that does is enrolled for another store
 * than its first.
 */
export const FIRST_REGISTRATION = 1;

/**
 * Admits the units of one record and moves `state` on accordingly.
 * @param offset of the record in the up stream; null for one that was held by an earlier version
 */
export function admit(state: TerminalState, record: UnitRecord, offset: number | null = null): Admission {
  const { retireOffset } = state;
  const isRetired = retireOffset === null ? state.status === 'retired' : (offset ?? -1) >= retireOffset;
  if (isRetired)
    return isApplied(state, record) ? { ...NOTHING, duplicates: record.units.length } : held('retired');
  if (state.others.get(record.incarnation) === 'superseded') return held('superseded');
  if (isAnnouncement(record)) return announced(state, record);
  if (state.others.get(record.incarnation) === 'followed') return ofFollowed(state, record);
  if (state.status === 'fenced') return held('fenced');
  if (record.incarnation !== state.incarnation) {
    state.others.set(record.incarnation, 'waiting');
    return fenced(
      state,
      [],
      0,
      `a record of incarnation ${record.incarnation} came, not ${state.incarnation}`,
    );
  }
  return admitCurrent(state, record);
}

function admitCurrent(state: TerminalState, record: UnitRecord): Admission {
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
    if (state.waits || state.refusedTooMuch) return { apply, duplicates, hold: 'centre', fence: null };
    const { registration = FIRST_REGISTRATION } = unit;
    const storeId = state.stores.get(registration);
    if (registration < state.registration) {
      // What it sold in its old store it cut before it used the new registration; this is another file.
      const why = `unit ${unit.number} goes back to registration ${registration}, after ${state.registration}`;
      return fenced(state, apply, duplicates, why, 'registration');
    }
    if (storeId === undefined) {
      const why = `unit ${unit.number} names registration ${registration}, which the centre does not know`;
      return fenced(state, apply, duplicates, why, 'registration');
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

/** Sent again, as tills do until they know: nothing of it is late. */
function isApplied({ incarnation, lastUnit }: TerminalState, record: UnitRecord): boolean {
  return record.incarnation === incarnation && record.units.every(({ number }) => number <= lastUnit);
}

function held(reason: HoldReason): Admission {
  return { apply: [], duplicates: 0, hold: reason, fence: null };
}

const NOTHING: Admission = { apply: [], duplicates: 0, hold: null, fence: null };

function announced(state: TerminalState, record: UnitRecord): Admission {
  const { incarnation } = record;
  const known = state.others.get(incarnation);
  if (incarnation === state.incarnation || known === 'followed') return NOTHING;
  const predecessor = predecessorOf(state, record);
  const isNext = predecessor === state.incarnation;
  if (known === undefined && predecessor !== null && state.others.get(predecessor) === 'superseded') {
    state.others.set(incarnation, 'superseded');
    return NOTHING;
  }
  const isOnly = ![...state.others].some(([name, other]) => other === 'waiting' && name !== incarnation);
  const isHopeless = state.status === 'fenced' && state.fencedFor === 'registration';
  if (isNext && isOnly && !isHopeless) {
    if (state.waits === true || state.refusedTooMuch === true) return held('centre');
    state.others.set(incarnation, 'waiting');
    return { ...NOTHING, goesOn: true };
  }
  state.others.set(incarnation, 'waiting');
  if (state.status === 'fenced') return NOTHING;
  state.status = 'fenced';
  state.fencedFor = 'file';
  const why = isNext ? 'while another one waits' : 'after one that is not the current one';
  return { ...NOTHING, fence: `a file announced itself as ${incarnation}, ${why}` };
}

/** What it sent before another file went on may come again; anything else shows that it lives. */
function ofFollowed(state: TerminalState, { incarnation, units }: UnitRecord): Admission {
  const left = state.left.get(incarnation);
  const isKnown = ({ number, hash }: Unit) => {
    if (left === undefined || number > left.lastUnit) return false;
    return left.hashes.get(number)?.equals(hash) ?? true;
  };
  if (units.every(isKnown)) return { ...NOTHING, duplicates: units.length };
  state.others.set(incarnation, 'waiting');
  if (state.status === 'fenced') return held('fenced');
  const why = `incarnation ${incarnation} sends on, though ${state.incarnation} has gone on from it: there are two files`;
  return fenced(state, [], 0, why);
}

/** The incarnation under which the announcing file sent before, as far as it is known here. */
export function predecessorOf(state: TerminalState, record: UnitRecord): string | null {
  const known = [state.incarnation, ...state.others.keys()];
  return known.find((incarnation) => namesPredecessor(record, incarnation)) ?? null;
}

function fenced(
  state: TerminalState,
  apply: readonly AdmittedUnit[],
  duplicates: number,
  why: string,
  cause: FenceCause = 'file',
): Admission {
  state.status = 'fenced';
  state.fencedFor = cause;
  return { apply, duplicates, hold: 'fenced', fence: why };
}
