/**
 * The state of a row on a till, and all that may become of it. Pure: the one place that decides it.
 *
 *   L  the row now
 *   B  base: per column, what both sides last agreed on
 *   F  flight: what was cut into units and has not been settled, in order
 *   E  = B ⊕ F: what the row would be if the app had written nothing since the last cut
 *   Σ  what entries that are not cut say of delta columns
 *
 * Between two cuts of a row only the app writes it, so L = E ⊕ the app's changes. An image is written only to a row of
 * which nothing is uncut: then L = E, and what it shows next is E' alone. Nothing is ever merged.
 *
 *   event                     | B            | F          | L                   | leads to
 *   --------------------------+--------------+------------+---------------------+------------------------------------
 *   cut, L there, E not       | –            | + c L      | –                   | an insert; of a row that is linked or
 *                             |              |            |                     |   refused and gone: see `decideCut`
 *   cut, both there           | –            | + u L ⊖ E  | –                   | an update of what differs, `before` is
 *                             |              |            |                     |   E; of delta columns Σ
 *   cut, E there, L not       | –            | + d        | –                   | a delete
 *   cut, equal                | –            | –          | –                   | nothing; its entries are done
 *   cut, a column that B has  | –            | + u        | –                   | an update that only fills; NULL and
 *     not                     |              |            |                     |   what a delta column holds don't go up
 *   image, something uncut    | –            | –          | –                   | it waits
 *   image, L ≠ E, no entry    | –            | –          | –                   | a finding: an entry; it waits
 *   image                     | := image     | – answered | := E'               |
 *   image can't be written    | –            | –          | –                   | it waits, and so does what it answers
 *   the centre deleted it     | marked       | – answered | gone, where F = ∅   | else it stays until F is answered
 *   settled without an image  | – (an insert | – settled  | := E'               | (its image comes later, or was there
 *                             |  := c)       |            |                     |   before: compaction takes origins)
 *   the same, d of a row      | none         | – settled  | –                   | (its insert was refused: no image of
 *     without a link          |              |            |                     |   it ever comes)
 *   refused, an insert        | := c, marked | – c        | – (it stays)        | its next change offers all of it
 *                             |              |            |                     |   again, and says what it is itself
 *   an insert is answered     | as above     | – all that | as above            | (what the centre holds of a refused
 *                             |              |   was cut  |                     |   row is in the row offered again)
 *                             |              |   before it|                     |
 *   refused, another          | := image     | – answered | := E': the centre's |
 */
import { addDecimals, subtractDecimals } from '../../shared/values/decimal.ts';
import { isNothing, NO_SUMS, type Sums } from './entries.ts';

/** In the centre's form; of a reference, the row it means. */
export type Value = string | null;
export type Values = ReadonlyMap<string, Value>;

export interface Edit {
  /** undefined: it can't be said what the app saw. */
  readonly before: Value | undefined;
  readonly after: Value;
  /** Nobody has agreed on this column yet: it is taken where the centre has NULL, whatever the clocks say. */
  readonly fills?: true | undefined;
}

export interface Update {
  readonly edits: ReadonlyMap<string, Edit>;
  readonly sums: Sums;
}

/**
 * A change as it was cut. sums of d: what was taken off before it, which counts where the delete does not. latest: what it adds to an insert that was refused. An operator may get that one through
 * before this comes, and then this is an update.
 */
export type Cut =
  | { readonly op: 'c'; readonly values: Values; readonly latest?: Update | undefined }
  | ({ readonly op: 'u' } & Update)
  | { readonly op: 'd'; readonly sums: Sums };

export interface RowState {
  readonly base: Values | null;
  /** deleted: the centre has none any more, and B says what it was. refused: the centre has not taken its insert. */
  readonly mark: 'deleted' | 'refused' | null;
  readonly isLinked: boolean;
  readonly flight: readonly Cut[];
}

/** It only fills what is NULL at the centre. */
export function isFill(cut: Cut): boolean {
  return cut.op === 'u' && cut.edits.size > 0 && [...cut.edits.values()].every(({ fills }) => fills === true);
}

export interface ColumnRules {
  readonly isDelta: (column: string) => boolean;
  readonly isEqual: (column: string, a: Value, b: Value) => boolean;
}

/** E. */
export function expected({ base, mark, flight }: RowState): Values | null {
  let values: Values | null = base;
  for (const cut of flight) values = after(values, cut, mark === 'refused');
  return values;
}

function after(values: Values | null, cut: Cut, isRefused: boolean): Values | null {
  switch (cut.op) {
    case 'c':
      if (values === null || isRefused) return cut.values;
      // That there is a base says that the centre has taken the insert in.
      return cut.latest === undefined ? values : withUpdate(values, cut.latest);
    case 'd':
      return null;
    case 'u':
      return values === null ? null : withUpdate(values, cut);
  }
}

function withUpdate(values: Values, { edits, sums }: Update): Values {
  const changed = new Map(values);
  for (const [column, edit] of edits) changed.set(column, edit.after);
  // Of one that is in no image, what there is at the centre is not known.
  for (const [column, amount] of sums)
    if (changed.has(column)) changed.set(column, addDecimals(changed.get(column) ?? '0', amount));
  return changed;
}

/** What the file has to show where nothing is uncut; `keep`: the row as it is, until the centre has answered. */
export function shown(state: RowState): Values | null | 'keep' {
  if (state.mark !== 'deleted') return expected(state);
  return state.flight.length === 0 ? null : 'keep';
}

export interface Uncut {
  /** The row as read, with all that its entries tell; null: it is gone. */
  readonly row: Values | null;
  /** Of its entries that are not cut. */
  readonly sums: Sums;
  /** Some of its entries are counted already, and what was seen before them can't be said. */
  readonly isBlind: boolean;
}

/** What goes up of a row that has entries; null: nothing. */
export function decideCut(state: RowState, { row, sums, isBlind }: Uncut, rules: ColumnRules): Cut | null {
  const before = expected(state);
  if (row === null) return before === null ? null : { op: 'd', sums: amountsOf(sums, rules) };
  if (before === null) {
    // One that was cut as gone and is back under its identity is a new insert of it; a linked one without a base was
    // never shown here, so nothing of it can have been changed.
    return state.isLinked && state.flight.length === 0 ? null : { op: 'c', values: row };
  }
  const edits = new Map<string, Edit>();
  for (const [column, value] of row) {
    if (rules.isDelta(column) || rules.isEqual(column, before.get(column) ?? null, value)) continue;
    edits.set(column, editOf(before, column, { value, isBlind }));
  }
  const amounts = amountsOf(sums, rules);
  if (edits.size === 0 && amounts.size === 0) return null;
  const latest = { edits, sums: amounts };
  const isOffered = state.mark !== 'refused' || state.flight.some(({ op }) => op === 'c');
  return isOffered ? { op: 'u', ...latest } : { op: 'c', values: row, latest };
}

function editOf(
  before: Values,
  column: string,
  { value, isBlind }: { readonly value: Value; readonly isBlind: boolean },
): Edit {
  if (isBlind) return { before: undefined, after: value };
  if (!before.has(column)) return { before: null, after: value, fills: true };
  return { before: before.get(column) ?? null, after: value };
}

function amountsOf(sums: Sums, { isDelta }: ColumnRules): Sums {
  return new Map([...sums].filter(([column, amount]) => isDelta(column) && !isNothing(amount)));
}

export type Judgement =
  | { readonly kind: 'clean' }
  /** Somebody wrote it and no entry says so: these amounts of delta columns, and whatever else differs. */
  | { readonly kind: 'found'; readonly op: 'u' | 'd'; readonly sums: Sums };

export interface Seen {
  readonly row: Values | null;
  /** What its uncut entries say; null: there are none. With some, other columns are compared when they are cut. */
  readonly uncut: Sums | null;
  /** Of a row that was never cut: what it was inserted with. It is cut as it is, and counted by its entries. */
  readonly inserted?: Sums | null | undefined;
}

/** Whether a row is as it should be. */
export function judge(state: RowState, { row, uncut, inserted }: Seen, rules: ColumnRules): Judgement {
  const should = (uncut === null ? shown(state) : expected(state)) ?? inserted ?? null;
  if (should === 'keep' || should === null) return { kind: 'clean' };
  if (row === null) return uncut === null ? found('d', NO_SUMS) : { kind: 'clean' };
  const sums = new Map<string, string>();
  let differs = false;
  for (const [column, value] of row) {
    // Nobody has agreed on it yet: what it holds is entered by itself, once for all rows.
    if (!should.has(column)) continue;
    const wanted = should.get(column) ?? null;
    if (rules.isDelta(column)) {
      const known = addDecimals(wanted ?? '0', uncut?.get(column) ?? '0');
      const rest = subtractDecimals(value ?? '0', known);
      if (!isNothing(rest)) sums.set(column, rest);
    } else if (uncut === null && !rules.isEqual(column, wanted, value)) differs = true;
  }
  return differs || sums.size > 0 ? found('u', sums) : { kind: 'clean' };
}

function found(op: 'u' | 'd', sums: Sums): Judgement {
  return { kind: 'found', op, sums };
}

/** B once a change is answered and no image came with it. */
export function settled(
  { base, mark, isLinked }: Omit<RowState, 'flight'>,
  cut: Cut,
  outcome: 'applied' | 'refused',
): Pick<RowState, 'base' | 'mark'> {
  if (cut.op === 'c') {
    if (outcome === 'refused') return { base: cut.values, mark: 'refused' };
    // What was inserted stands for its image until that comes.
    if (mark === 'refused') return { base: cut.values, mark: null };
    return { base: base ?? cut.values, mark };
  }
  return cut.op === 'd' && !isLinked ? { base: null, mark: null } : { base, mark };
}

/** Of a row's flight, in order: those that are answered. */
export function answeredOf<Change extends { readonly cut: Cut }>(
  flight: readonly Change[],
  isAnswered: (change: Change) => boolean,
): Change[] {
  const insert = flight.findLastIndex((change) => change.cut.op === 'c' && isAnswered(change));
  return flight.filter((change, at) => at < insert || isAnswered(change));
}
