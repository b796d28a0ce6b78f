/**
 * What the triggers record of the app's writes: which row was touched and how, in the order of their seq. Values are
 * not in it, but for delta columns: no difference of two states can be split once a part of it is counted, so each
 * entry says what it took off. Pure.
 */
import { addDecimals, subtractDecimals } from '../../shared/values/decimal.ts';

/**
 * b: a row that an INSERT OR REPLACE or UPDATE OR REPLACE may take away. c, u, d: inserted, updated, deleted. k: its
 * key changed. r: it was there before our triggers were.
 */
export type EntryOp = 'b' | 'c' | 'u' | 'd' | 'k' | 'r';

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
  /** Of `k`; of `b` the key of the row that comes. */
  readonly keyBefore: string | null;
  readonly atMs: number;
  /** By column; delta columns that are the same before and after may be left out. */
  readonly deltas: ReadonlyMap<string, DeltaValues>;
}

/** What the app added to delta columns. */
export type Sums = ReadonlyMap<string, string>;

export const NO_SUMS: Sums = new Map();

/**
 * What entries of one row, in seq order, added to its delta columns since the first of them. An insert's own amounts
 * are in the row that it made; where it put a row in the place of itself (b c, b d c) they are a difference.
 * @param isCounted which of them count; the others are still needed to read them
 */
export function sumsOf(entries: readonly Entry[], isCounted: (entry: Entry) => boolean = () => true): Sums {
  let sums = NO_SUMS;
  let held: Entry['deltas'] | null = null;
  for (const entry of entries) {
    if (entry.op === 'b' || entry.op === 'd') {
      // A threat by the row's own key, and its end, tell what it held; one by another index does not.
      if (entry.deltas.size > 0) held = entry.deltas;
      continue;
    }
    if (isCounted(entry)) sums = addSums(sums, amounts(entry, held));
    held = null;
  }
  return sums;
}

function amounts({ op, deltas }: Entry, held: Entry['deltas'] | null): Sums {
  if (op !== 'c') return differenceOf(deltas);
  return held === null ? NO_SUMS : differenceOf(replaced(held, deltas));
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

function addSums(sums: Sums, more: Sums): Sums {
  const total = new Map(sums);
  for (const [column, amount] of more) total.set(column, addDecimals(total.get(column) ?? '0', amount));
  return total;
}

export function isNothing(amount: string): boolean {
  return /^-?0*(\.0*)?$/.test(amount);
}
