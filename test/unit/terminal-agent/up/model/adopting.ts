/** What the centre knew of a file before the file goes on under another name, as changes in flight. */
import {
  insertedWith,
  NO_SUMS,
  sumsOf,
  type Entry,
} from '../../../../../services/terminal-agent/up/entries.ts';
import { subtractDecimals } from '../../../../../services/shared/values/decimal.ts';
import type { Cut, Edit, Value, Values } from '../../../../../services/terminal-agent/up/row-state.ts';
import { DELTA, OTHERS, type Change } from './records.ts';
import { foldFile, keptOf, thingOf, type FoldedRow } from './kept-rows.ts';
import type { TillFile } from './till-file.ts';

/** Of one row: what the centre counted of its entries, and whether that is all. */
interface Counted {
  readonly isPartly: boolean;
  readonly isKnown: (entry: Entry) => boolean;
}

export function adoptedChanges(
  file: TillFile,
  known: ReadonlySet<string>,
): { readonly entries: string[]; readonly changes: Change[] } {
  const open = file.entries.filter(({ id }) => !file.done.has(id));
  const changes: Change[] = [];
  for (const row of foldFile(file)) {
    const isKnown = ({ id }: Entry) => known.has(id) && !file.done.has(id);
    const open = row.entries.filter(({ id }) => !file.done.has(id));
    // What was written while the triggers were away can't be told from what was counted.
    const isPartly = open.some(isKnown) && (file.hasUnseen || !open.every(isKnown));
    const cuts = cutsOf(file, row, { isPartly, isKnown });
    if (cuts.length === 0) continue;
    const entries = row.entries.filter(isKnown).map(({ id }) => id);
    const { identity } = row;
    const kept = keptOf(file, identity);
    kept.isBlind = isPartly;
    const names = { identity, id: kept.id, thing: thingOf(file, identity) };
    for (const cut of cuts) changes.push({ ...names, number: changes.length + 1, cut, entries, atMs: 0 });
  }
  return { entries: open.filter(({ id }) => known.has(id)).map(({ id }) => id), changes };
}

function cutsOf(
  file: TillFile,
  { identity, key, entries }: FoldedRow,
  { isPartly, isKnown }: Counted,
): Cut[] {
  const counted = entries.filter(isKnown);
  if (counted.length === 0) return [];
  const row = key === null ? undefined : file.rows.get(key);
  const base = file.kept.get(identity)?.base ?? null;
  if (row === undefined) {
    if (counted.at(-1)?.op === 'd') return [{ op: 'd', sums: NO_SUMS }];
    // The centre has it and has not heard of its end.
    return base === null ? [{ op: 'c', values: new Map() }] : [];
  }
  const sums = sumsOf(entries, isKnown);
  if (base === null) {
    const inserted: Cut = { op: 'c', values: insertOf(row, entries, isPartly) };
    // Apart from it: an image may come that has the one and not yet the other.
    return sums.size === 0 ? [inserted] : [inserted, { op: 'u', edits: new Map(), sums }];
  }
  const edits = new Map<string, Edit>();
  for (const column of isPartly ? [] : OTHERS) {
    const before = base.get(column) ?? null;
    const after = row.get(column) ?? null;
    if (before !== after) edits.set(column, { before, after });
  }
  return [{ op: 'u', edits, sums }];
}

/** Of columns that were perhaps changed since, nothing is said: all of them go up again. */
function insertOf(row: ReadonlyMap<string, Value>, entries: readonly Entry[], isPartly: boolean): Values {
  // By what entries say: the row may hold what no entry tells.
  const amount = insertedWith(entries)?.get(DELTA) ?? before(row, entries);
  return isPartly ? new Map([[DELTA, amount]]) : new Map([...row, [DELTA, amount]]);
}

function before(row: ReadonlyMap<string, Value>, entries: readonly Entry[]): string {
  return subtractDecimals(row.get(DELTA) ?? '0', sumsOf(entries).get(DELTA) ?? '0');
}
