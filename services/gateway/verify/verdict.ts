/**
 * What a row that may differ is, from what both sides say of it. Pure: the one place that decides it. The first line that
 * fits counts.
 *
 *   the row                                                | is
 *   -------------------------------------------------------+-----------------------------------------------------------
 *   is on neither side; or on both, means the same, and is | equal
 *     the till's
 *   goes up only, and never was on this till               | equal: nothing would bring it here
 *   has changes of the till that the centre holds back     | known: held
 *   has changes of the till on their way, and at the last  | known: not settled
 *     look still, of a till that could not settle them     |
 *   has changes of the till on their way                   | moving
 *   is not as it was at the look before, or the centre may | moving: one side was read before a change and the other
 *     not have seen yet what the till has                  |   behind it
 *   waits on the till for another row, or was refused there| known: parked, with the reason
 *   was refused by the centre as it was inserted           | known: a dead letter
 *   is of a table that was written without our triggers    | known: to be looked through first
 *   belongs to no store at the centre                      | known: it travels to no till
 *   has no central id, in a table that only goes down      | by design: such rows stay on the till
 *   was deleted at the centre, and is one that the mapping | by design: deleted at the centre only
 *     lets outlive that on a till (kept, or marked)        |
 *   was deleted on the till, and the mapping ignores that  | by design: deleted on the till only
 *   differs at the centre only, in a table that only goes  | by design: the centre's edits do not come down
 *     up                                                   |
 *   anything else                                          | differs
 *
 * Two looks make a difference, and not one. The till reads its streams up to a position behind the centre's look, so what
 * it lacks is not under way; and the centre looks the second time once every transaction has ended that was open when it
 * was asked: so what the till had at the first look is not ahead of it either.
 *
 * The newer side is the one that has left what both had agreed on; where both have, or nobody knows, the row's own time
 * tells, and without one nothing does. Of a row that is gone from the till, and that nobody has said to be deleted, nobody
 * knows either: it may have been lost.
 */
import type { ComparedTable, RowFacts, RowPlace } from '../../shared/verify/questions.ts';

export type NewerSide = 'till' | 'centre' | 'unknown';
export type DifferenceKind = 'missing on till' | 'missing at centre' | 'different' | 'not of this store';
export type KnownReason =
  'held' | 'not settled' | 'parked' | 'dead letter' | 'not looked through' | 'no store';
export type DesignReason =
  'till only' | 'deleted at the centre only' | 'deleted on the till only' | 'goes up only';

export type Verdict =
  | { readonly kind: 'equal' }
  | { readonly kind: 'moving' }
  | { readonly kind: 'known'; readonly why: KnownReason }
  | { readonly kind: 'by design'; readonly why: DesignReason }
  | {
      readonly kind: 'differs';
      readonly how: DifferenceKind;
      /** Local names; empty where all of the row is there or not. */
      readonly columns: readonly string[];
      readonly newer: NewerSide;
    };

export interface RowSeen {
  readonly table: Pick<ComparedTable, 'direction'>;
  readonly centre: { readonly isHere: boolean; readonly place: RowPlace };
  readonly till: RowFacts;
  /** The till's signature of the row at the look before; undefined: this is the first. */
  readonly before: string | undefined;
  /** The centre has seen all that the till may have had at the look before. */
  readonly settled: boolean;
  /** It is the last look, and when the till was asked to settle its changes, it could not in its time. */
  readonly isStuck: boolean;
}

const EQUAL: Verdict = { kind: 'equal' };
const MOVING: Verdict = { kind: 'moving' };

export function verdictOf(seen: RowSeen): Verdict {
  const { table, centre, till, before, settled } = seen;
  const isHere = till.key !== null;
  if (isSame(seen)) return EQUAL;
  if (till.unsettled === 'held') return known('held');
  if (till.unsettled === 'on its way')
    return seen.isStuck && before === till.signature ? known('not settled') : MOVING;
  if (before !== till.signature || !settled) return MOVING;
  if (till.parked !== null) return known('parked');
  if (till.isRefused) return known('dead letter');
  if (till.isUnswept) return known('not looked through');
  if (centre.isHere && centre.place === 'none') return known('no store');
  if (till.id === null && table.direction === 'push') return byDesign('till only');
  if (isHere && !centre.isHere && till.isKept && till.outlivesDelete)
    return byDesign('deleted at the centre only');
  if (!isHere && centre.isHere && till.isPutAway) return byDesign('deleted on the till only');
  if (table.direction === 'pull' && isOfCentreOnly(till) && centre.isHere) return byDesign('goes up only');
  return {
    kind: 'differs',
    how: howOf(seen),
    columns: till.columns.map(({ column }) => column),
    newer: newerSide(seen),
  };
}

function isSame({ table, centre, till }: RowSeen): boolean {
  const isHere = till.key !== null;
  const isExpected = centre.isHere && centre.place === 'own';
  if (!isHere) return !isExpected || (table.direction === 'pull' && !till.isKept);
  return isExpected && till.id !== null && till.columns.length === 0;
}

function isOfCentreOnly({ columns }: RowFacts): boolean {
  return columns.length > 0 && columns.every(({ tillLeft }) => tillLeft === false);
}

function howOf({ centre, till }: RowSeen): DifferenceKind {
  if (till.key === null) return 'missing on till';
  if (!centre.isHere) return 'missing at centre';
  return centre.place === 'other' ? 'not of this store' : 'different';
}

function newerSide(seen: RowSeen): NewerSide {
  const { till } = seen;
  switch (howOf(seen)) {
    case 'missing on till':
      // Nobody has said that it was deleted: it may have been lost.
      return till.isKept ? 'unknown' : 'centre';
    case 'missing at centre':
      return till.isKept ? 'centre' : 'till';
    case 'not of this store':
      return 'centre';
    case 'different': {
      const tillLeft = till.columns.some((column) => column.tillLeft !== false);
      const centreLeft = till.columns.some((column) => column.centreLeft !== false);
      if (tillLeft !== centreLeft) return tillLeft ? 'till' : 'centre';
      return laterSide(till);
    }
  }
}

function laterSide({ tillMs, centreMs }: RowFacts): NewerSide {
  if (tillMs === null || centreMs === null || tillMs === centreMs) return 'unknown';
  return tillMs > centreMs ? 'till' : 'centre';
}

function known(why: KnownReason): Verdict {
  return { kind: 'known', why };
}

function byDesign(why: DesignReason): Verdict {
  return { kind: 'by design', why };
}
