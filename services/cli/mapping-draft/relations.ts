/** Which columns refer to another table's rows, and by what: its keys, its link or its identity. Pure. */
import type { CentralColumn, CentralTable } from '../../shared/catalog/central-catalog.ts';
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import type { ReferenceHolds } from '../../shared/mapping/mapping.ts';
import type { ColumnPair, Said, TablePair } from './facts.ts';
import { hasWord, nameLikeness, wordsOf } from './name-likeness.ts';
import type { Parents } from './parents.ts';
import { isIdentityName, isLinkName } from './sync-columns.ts';

export interface ReferenceSaid {
  /** Local name. */
  readonly table: string;
  readonly holds: ReferenceHolds;
}

/** Of the values, from which a name alone makes a reference. */
const CONTAINED = 0.9;
const NAMED = 0.9;
const ID_WORDS: readonly string[] = ['id', 'key', 'nr', 'no', 'fk', 'ref', 'local', 'server', 'uuid'];

/** @returns what the column refers to; null for a plain value */
export function referenceOf(
  table: TablePair,
  columns: ColumnPair,
  { parents, pairs }: { readonly parents: Parents; readonly pairs: readonly TablePair[] },
): Said<ReferenceSaid> | null {
  const { local, central } = columns;
  const here = parents.local(table, local.name);
  const there = parents.central(table, central.name);
  const declared = here ?? pairs.find((pair) => pair.central.name === there) ?? null;
  const parent = declared ?? namedParent(table, columns, pairs);
  if (parent === null || !canHold(central, parent.central)) return null;
  if (pointsBesideKey(table, local.name, parent) || parent.local.key.length !== 1) return null;
  const found = heldBy(table, columns, parent);
  if (declared === null && found.of > 0 && found.hits < CONTAINED * found.of) return null;
  const value = { table: parent.local.name, holds: found.holds };
  const onTill = parents.declared(table, local.name) !== null;
  // Declared on both sides, and it holds what a reference usually does.
  if (onTill && there !== null && found.holds === 'local_key') return { value, why: '' };
  const how = onTill ? 'declared on the till' : there !== null ? 'declared at the centre' : 'by its name';
  return { value, why: `${how}; ${found.told}` };
}

function namedParent(
  { local }: TablePair,
  columns: ColumnPair,
  pairs: readonly TablePair[],
): TablePair | null {
  const words = wordsOf(columns.local.name);
  const isId = words.length > 1 && hasWord(columns.local.name, ...ID_WORDS);
  if (!isId || typeShape(columns.central.type).family === 'text') return null;
  const name = words.filter((word) => !ID_WORDS.includes(word)).join('_');
  const likely = pairs
    .map((pair) => ({ pair, like: nameLikeness(name, pair.local.name) }))
    .filter(({ pair, like }) => like >= NAMED && pair.local.name !== local.name)
    .sort((a, b) => b.like - a.like);
  return likely[0]?.pair ?? null;
}

function canHold(column: CentralColumn, parent: CentralTable): boolean {
  const key = parent.columns.find(({ name }) => parent.key.length === 1 && name === parent.key[0]);
  if (key === undefined) return false;
  const [holds, given] = [typeShape(column.type).family, typeShape(key.type).family];
  const numbers: readonly string[] = ['integer', 'numeric'];
  const areNumbers = numbers.includes(holds) && numbers.includes(given);
  return holds === given || holds === 'text' || holds === 'char' || areNumbers;
}

/** A foreign key to another unique column than the key holds none of what a reference may hold. */
function pointsBesideKey({ local }: TablePair, column: string, { local: parent }: TablePair): boolean {
  const key = local.foreignKeys.find(({ columns }) => columns.length === 1 && columns[0] === column);
  const [to] = key?.parentColumns ?? [];
  return to !== undefined && to !== parent.key[0] && !isLinkName(to) && !isIdentityName(to);
}

interface Held {
  readonly holds: ReferenceHolds;
  readonly hits: number;
  readonly of: number;
  readonly told: string;
}

/**
 * Rows that stand on both sides decide: there the centre says which parent is meant. Without them the parent's column
 * in which most values are found, of equal ones the one that the name speaks of.
 */
function heldBy(table: TablePair, { local, central }: ColumnPair, parent: TablePair): Held {
  const places = placesOf(local.name, parent.local);
  const compared = places.map((place) => followed(table, { local, central }, { parent, place }));
  const followedBest = compared.reduce((a, b) => (b.hits > a.hits ? b : a), NOTHING);
  if (followedBest.hits >= 3) return followedBest;
  const values = distinct(table.localRows, local.name);
  const found = places.map(({ holds, column }): Held => {
    const known = distinct(parent.localRows, column);
    const hits = [...values].filter((value) => known.has(value)).length;
    return {
      holds,
      hits,
      of: values.size,
      told: `${hits} of ${values.size} sampled values are ${WORDS[holds]} of ${parent.local.name}`,
    };
  });
  const best = found.reduce((a, b) => (b.hits > a.hits ? b : a), found[0] ?? NOTHING);
  return best.of === 0 ? { ...best, told: 'no values to compare' } : best;
}

const NOTHING: Held = { holds: 'local_key', hits: 0, of: 0, told: '' };
const WORDS: Readonly<Record<ReferenceHolds, string>> = {
  local_key: 'keys',
  server_id: 'server ids',
  local_id: 'local ids',
};

interface Place {
  readonly holds: ReferenceHolds;
  readonly column: string;
}

function placesOf(name: string, { key, columns }: TablePair['local']): readonly Place[] {
  const link = columns.find((column) => isLinkName(column.name))?.name;
  const identity = columns.find((column) => isIdentityName(column.name) && column.name !== key[0])?.name;
  const places: readonly Place[] = [
    ...(key[0] === undefined ? [] : [{ holds: 'local_key' as const, column: key[0] }]),
    ...(link === undefined ? [] : [{ holds: 'server_id' as const, column: link }]),
    ...(identity === undefined ? [] : [{ holds: 'local_id' as const, column: identity }]),
  ];
  const speaksOf = ({ holds }: Place) =>
    (holds === 'server_id' && hasWord(name, 'server', 'remote', 'central')) ||
    (holds === 'local_id' && hasWord(name, 'local', 'uuid', 'guid'));
  return [...places.filter(speaksOf), ...places.filter((place) => !speaksOf(place))];
}

/** Does the parent that stands at this place have the central id that the centre's row names? */
function followed(
  { common }: TablePair,
  { local, central }: Pick<ColumnPair, 'local' | 'central'>,
  { parent, place }: { readonly parent: TablePair; readonly place: Place },
): Held {
  const [key = ''] = parent.central.key;
  const ids = new Map(
    parent.common.rows.map((row) => [String(row.local[place.column]), row.central[key] ?? null]),
  );
  const told = common.rows.filter(
    (row) => row.local[local.name] != null && ids.has(String(row.local[local.name])),
  );
  const hits = told.filter(
    (row) => ids.get(String(row.local[local.name])) === row.central[central.name],
  ).length;
  return {
    holds: place.holds,
    hits,
    of: told.length,
    told: `${hits} of ${told.length} sampled rows mean the same row of ${parent.local.name}`,
  };
}

function distinct(rows: readonly SampleRow[], column: string): Set<string> {
  return new Set(rows.flatMap((row) => (row[column] == null ? [] : [String(row[column])])));
}
