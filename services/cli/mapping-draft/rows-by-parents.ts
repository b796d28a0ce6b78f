/**
 * Which rows are the same where none of their own columns tells: lines of a sale, quantities of an article. Their parents
 * tell, where those are known to be the same, with what is left of a common key: line 2 of receipt 4711. Pure.
 */
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { CommonRow, TablePair } from './facts.ts';

const ENOUGH_ROWS = 3;

/** Columns of both sides that refer to one table, and what its rows are called at the centre by their keys on the till. */
interface ParentColumns {
  readonly local: string;
  readonly central: string;
  readonly idByKey: ReadonlyMap<string, string>;
}

/** @returns the pairs, those without rows in common with the ones that their parents show */
export function withRowsByParents(pairs: readonly TablePair[]): TablePair[] {
  const known = new Map(pairs.map((pair) => [pair.local.name, pair]));
  // A parent may get its rows by its own parents.
  for (let found = true; found;) {
    found = false;
    for (const pair of known.values()) {
      if (pair.common.rows.length > 0) continue;
      const rows = rowsByParents(pair, known);
      if (rows.length < ENOUGH_ROWS) continue;
      known.set(pair.local.name, { ...pair, common: { rows, by: null } });
      found = true;
    }
  }
  return [...known.values()];
}

function rowsByParents(pair: TablePair, known: ReadonlyMap<string, TablePair>): CommonRow[] {
  const parents = parentColumns(pair, known);
  if (parents.length === 0) return [];
  const rest = restOfKeys(pair, parents);
  const here = unique(pair.localRows, (row) => {
    const ids = parents.map(({ local, idByKey }) => idByKey.get(String(row[local])) ?? null);
    return [...ids, ...(rest === null ? [] : [text(row[rest.local])])];
  });
  const there = unique(pair.centralRows, (row) => [
    ...parents.map(({ central }) => row[central] ?? null),
    ...(rest === null ? [] : [text(row[rest.central])]),
  ]);
  return [...here].flatMap(([name, local]) => {
    const central = there.get(name);
    return local === null || central == null ? [] : [{ local, central }];
  });
}

function parentColumns(
  { local, central }: TablePair,
  known: ReadonlyMap<string, TablePair>,
): ParentColumns[] {
  return local.foreignKeys.flatMap(({ columns, parent }) => {
    const [column, ...others] = columns;
    const target = known.get(parent);
    const [key] = target?.local.key ?? [];
    const [centralKey] = target?.central.key ?? [];
    const there = central.foreignKeys.filter(
      (foreign) => foreign.parent === target?.central.name && foreign.columns.length === 1,
    );
    const [name] = there[0]?.columns ?? [];
    // Of two columns that refer to one table it is not known which is which.
    const isOne =
      there.length === 1 && local.foreignKeys.filter((other) => other.parent === parent).length === 1;
    if (!isOne || column === undefined || others.length > 0) return [];
    if (target === undefined || key === undefined || centralKey === undefined || name === undefined)
      return [];
    const ids = target.common.rows.flatMap((row): [string, string][] => {
      const id = row.central[centralKey];
      return id == null ? [] : [[String(row.local[key]), id]];
    });
    return ids.length === 0 ? [] : [{ local: column, central: name, idByKey: new Map(ids) }];
  });
}

/** The one column of each key that refers to nothing. */
export function restOfKeys(
  { local, central }: TablePair,
  taken: readonly { readonly local: string; readonly central: string }[],
): { readonly local: string; readonly central: string } | null {
  if (local.key.length < 2 || central.key.length < 2) return null;
  const [here, ...moreHere] = local.key.filter((name) => !taken.some((pair) => pair.local === name));
  const [there, ...moreThere] = central.key.filter((name) => !taken.some((pair) => pair.central === name));
  if (here === undefined || there === undefined || moreHere.length + moreThere.length > 0) return null;
  return { local: here, central: there };
}

/** @returns by what is told of a row; null for what is told of several, and nothing of rows with a gap */
function unique<Row>(
  rows: readonly Row[],
  tell: (row: Row) => readonly (string | null)[],
): Map<string, Row | null> {
  const found = new Map<string, Row | null>();
  for (const row of rows) {
    const told = tell(row);
    if (told.includes(null)) continue;
    const name = JSON.stringify(told);
    found.set(name, found.has(name) ? null : row);
  }
  return found;
}

function text(value: SqliteValue | undefined): string | null {
  return value == null || Buffer.isBuffer(value) ? null : String(value);
}
