/**
 * What the triggers record of the app's writes: which row was touched and how, in the order of their seq. Values are
 * not in it, but for delta columns: no difference of two states can be split once a part of it is counted, so each
 * entry says what it took off. Pure.
 */
import { addDecimals, subtractDecimals } from '../../shared/values/decimal.ts';

/**
 * b: a row is there whose key the one that comes has. e: a row that stands in the way of one that comes, by another
 * unique index, or of one that gets its key: OR REPLACE takes it away without a word. c, u, d: inserted, updated,
 * deleted. k: its key changed. r: it was there before our triggers were. f: it holds something in a column that is in no
 * image of it.
 */
export type EntryOp = 'b' | 'e' | 'c' | 'u' | 'd' | 'k' | 'r' | 'f';

/** Of a row whose key is NULL. As many rows as like may have it, so that it names none. */
export const NO_KEY = 'null';

export interface DeltaValues {
  /** Decimal text; null: NULL, or no row. */
  readonly old: string | null;
  readonly new: string | null;
}

export interface Entry {
  readonly seq: number;
  /** Random: the same in every copy of the file, and of no other entry. */
  readonly id: string;
  readonly op: EntryOp;
  /** The local key as text; of `k` the new one. */
  readonly key: string;
  /** Of `k`; of `b` and `e` the key of the row that comes. */
  readonly keyBefore: string | null;
  readonly atMs: number;
  /**
   * Of an insert what the row holds when its entry is written: a trigger of the app's may have updated it. By column, in
   * the form that the row itself is read in, so that differences add up to what the row shows. Columns
   * that are the same before and after may be left out.
   */
  readonly deltas: ReadonlyMap<string, DeltaValues>;
}

/** What the app added to delta columns. */
export type Sums = ReadonlyMap<string, string>;

export const NO_SUMS: Sums = new Map();

/** What one entry added to delta columns. */
export interface Amounts {
  readonly entry: Entry;
  readonly sums: Sums;
}

/** What entries of one row, in seq order, added to its delta columns since the first of them. */
export function sumsOf(entries: readonly Entry[], isCounted: (entry: Entry) => boolean = () => true): Sums {
  return amountsOf(entries, isCounted).reduce((sums, { sums: more }) => addSums(sums, more), NO_SUMS);
}

/**
 * The same, entry by entry: what each added follows from the entries alone, whatever was cut of them before. An insert's own
 * amounts are in the row that it made; where it put a row in the place of itself (b c, e c, d c) they are the difference to
 * what that one held, with all that triggers wrote between.
 * @param isCounted which of them count; the others are still needed to read them
 */
export function amountsOf(
  entries: readonly Entry[],
  isCounted: (entry: Entry) => boolean = () => true,
): Amounts[] {
  const amounts: Amounts[] = [];
  let held: Entry['deltas'] | null = null;
  /** What came since it was held: of the row that goes, or of the one that came in its place. */
  let since: Amounts[] = [];
  for (const entry of entries) {
    if (entry.op === 'b' || entry.op === 'e' || entry.op === 'd') {
      if (entry.deltas.size === 0) continue;
      amounts.push(...since);
      since = [];
      held = entry.deltas;
    } else if (entry.op === 'r') {
      // What was taken off it before is in what is offered.
      amounts.length = 0;
      since = [];
      held = null;
    } else if (entry.op === 'c') {
      if (held === null || !isCounted(entry)) amounts.push(...since);
      else amounts.push({ entry, sums: differenceOf(replaced(held, entry.deltas)) });
      since = [];
      held = null;
    } else if (isCounted(entry) && entry.deltas.size > 0) {
      since.push({ entry, sums: differenceOf(entry.deltas) });
    }
  }
  return [...amounts, ...since].filter(({ sums }) => [...sums.values()].some((amount) => !isNothing(amount)));
}

/** What the row was inserted with, by its own entry; null: its first entry is no insert, or a finding's without amounts. */
export function insertedWith(entries: readonly Entry[]): Sums | null {
  const [first] = entries;
  if (first?.op !== 'c' || first.deltas.size === 0) return null;
  return new Map([...first.deltas].map(([column, values]) => [column, values.new ?? '0']));
}

function replaced(before: Entry['deltas'], after: Entry['deltas']): Entry['deltas'] {
  const columns = new Set([...before.keys(), ...after.keys()]);
  return new Map(
    [...columns].map((column) => [
      column,
      { old: before.get(column)?.old ?? null, new: after.get(column)?.new ?? null },
    ]),
  );
}

/** NULL counts as nothing. */
function differenceOf(deltas: Entry['deltas']): Sums {
  return new Map(
    [...deltas].map(([column, values]) => [column, subtractDecimals(values.new ?? '0', values.old ?? '0')]),
  );
}

export function addSums(sums: Sums, more: Sums): Sums {
  const total = new Map(sums);
  for (const [column, amount] of more) total.set(column, addDecimals(total.get(column) ?? '0', amount));
  return total;
}

export function isNothing(amount: string): boolean {
  return /^-?0*(\.0*)?$/.test(amount);
}
