/**
 * The SQL of chunks: rows of a table in key order, and their parents, in one snapshot whose transactions are known.
 * The tables are locked before the snapshot is taken: behind an ALTER that rewrites a table, an older snapshot finds
 * it empty.
 */
import type { ClientBase, Pool } from 'pg';
import { centralIdParts, type CentralId } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import { readError } from './read-error.ts';
import { inTransaction, postgresFacts } from '../../shared/database/postgres.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { quotedTable, quoteIdent } from '../setup/published-tables.ts';
import type { Route } from '../routing/routes.ts';
import { chunkRows, type RowsWanted } from './chunk-size.ts';
import { tupleOf } from '../wal/tuples.ts';
import type { ParentReading, ScopeCache } from '../routing/scope.ts';
import { parseSnapshot, type Snapshot } from './watermarks.ts';

export interface ReadChunk {
  readonly rows: readonly Tuple[];
  /** No row comes behind these. */
  readonly isLast: boolean;
  readonly snapshot: Snapshot;
  /** Of rows that find their store through a parent. */
  readonly parents: ParentReading;
}

/** What a chunk says of parents where no row has one. */
export const NO_PARENTS: ParentReading = {
  parent: '',
  ids: [],
  found: new Map(),
  snapshot: { xmin: 0, xmax: 0, inProgress: new Set() },
};

export interface ChunkReading {
  readonly pool: Pool;
  readonly route: Route;
  readonly selection: ChunkSelection;
  readonly cache: ScopeCache;
}

/** Rows behind a key, in key order; null: from the first one on. */
export type RowsFrom =
  | {
      readonly kind: 'after';
      readonly key: readonly string[] | null;
      /** A condition in SQL that narrows it. */
      readonly within?: string | undefined;
    }
  | {
      readonly kind: 'children';
      readonly column: string;
      readonly parentIds: readonly string[];
      readonly key: readonly string[] | null;
    };

/** Which rows: behind a key, or children of some rows, or named ones. */
export type ChunkSelection =
  | RowsFrom
  | {
      readonly kind: 'keys';
      readonly ids: readonly CentralId[];
      /** Only what names the row and its store is read; the rest is NULL. */
      readonly bare?: boolean | undefined;
    };

/** A chunk waits no longer than this for a table; it is tried again. */
const LOCK_TIMEOUT_MS = 2_000;
/** undefined_column, undefined_table */
const ALTERED: ReadonlySet<string> = new Set(['42703', '42P01']);

/** @throws PayflowError DB_TRANSIENT when the table was altered, or is locked for too long */
export async function readChunk(reading: ChunkReading): Promise<ReadChunk> {
  const { route, selection } = reading;
  if (selection.kind !== 'keys') {
    return read(reading, rowsFrom(route, selection));
  }
  try {
    return await read(reading, keysCondition(route, selection.ids, 'typed'));
  } catch (error) {
    if (!(error instanceof PayflowError) || error.code !== 'DB_REFUSED') throw error;
    // Keys from a time when the key was of another type are no values of the present one.
    return read(reading, keysCondition(route, selection.ids, 'as text'));
  }
}

async function read(reading: ChunkReading, wanted: RowsWanted): Promise<ReadChunk> {
  return unlessAltered(reading.route, () => readRows(reading, wanted));
}

/** @throws PayflowError DB_TRANSIENT when the table was altered: the next session knows its new shape */
async function unlessAltered<T>(route: Route, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!ALTERED.has(postgresFacts(error)?.sqlState ?? '')) throw readError(error, route.name);
    throw new PayflowError('DB_TRANSIENT', `${route.name} was altered while it was read`, { cause: error });
  }
}

function columnsOf({ route, selection }: ChunkReading): string[] {
  const isBare = selection.kind === 'keys' && selection.bare === true;
  return route.relation.columns.map(({ name }, index) => {
    const isNeeded = !isBare || index === route.scopeIndex || route.table.key.includes(name);
    return isNeeded ? quoteIdent(name) : 'NULL';
  });
}

async function readRows(reading: ChunkReading, wanted: RowsWanted): Promise<ReadChunk> {
  const { pool, route, selection, cache } = reading;
  const order = route.table.key.map(quoteIdent).join(', ');
  const columns = columnsOf(reading).join(', ');
  const text = `SELECT ${columns} FROM ${quotedTable(route.table)} WHERE ${wanted.where} ORDER BY ${order}`;
  const locked = [quotedTable(route.table), ...cache.ancestorTables(route.name)].join(', ');
  const body = async (client: ClientBase): Promise<ReadChunk> => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.query(`LOCK TABLE ${locked} IN ACCESS SHARE MODE`);
    const snapshot = await client.query<{ text: string }>('SELECT pg_current_snapshot()::text AS text');
    const limit = selection.kind === 'keys' ? Infinity : await chunkRows(client, route, wanted);
    const { rows } = await client.query<(string | null)[]>({
      text: limit === Infinity ? text : `${text} LIMIT ${limit}`,
      values: [...wanted.values],
      rowMode: 'array',
      // Nothing is parsed: what PostgreSQL prints is what travels.
      types: { getTypeParser: () => (value: string) => value },
    });
    const tuples = rows.map((row) => tupleOf(row));
    return {
      rows: tuples,
      isLast: tuples.length < limit,
      snapshot: parseSnapshot(snapshot.rows[0]?.text ?? '0:0:'),
      parents: await readParents(client, reading, tuples),
    };
  };
  return inTransaction(pool, body, { lockTimeoutMs: LOCK_TIMEOUT_MS });
}

/** All at once: one by one they would cost a query a row. */
async function readParents(
  client: ClientBase,
  { route, cache }: ChunkReading,
  rows: readonly Tuple[],
): Promise<ParentReading> {
  if (route.scope.kind !== 'via') return NO_PARENTS;
  const ids = new Set(rows.flatMap((row) => row.text(route.scopeIndex) ?? []));
  return cache.read(route.scope.parent, [...ids], client);
}

/** The key's texts, as `after` wants them. */
export function keyTexts(route: Route, row: Tuple): string[] {
  return route.table.key.map((name) => {
    const index = route.relation.columns.findIndex((column) => column.name === name);
    return row.text(index) ?? '';
  });
}

function rowsFrom(route: Route, selection: RowsFrom): RowsWanted {
  const values: unknown[] = [];
  const terms: string[] = [];
  if (selection.kind === 'after' && selection.within !== undefined) terms.push(`(${selection.within})`);
  if (selection.kind === 'children') {
    values.push(selection.parentIds);
    terms.push(`${quoteIdent(selection.column)} = ANY ($${values.length})`);
  }
  if (selection.key !== null) {
    const names = route.table.key.map(quoteIdent).join(', ');
    const params = selection.key.map((text) => {
      values.push(text);
      return `$${values.length}`;
    });
    terms.push(`(${names}) > (${params.join(', ')})`);
  }
  return { where: terms.join(' AND ') || 'true', values };
}

function keysCondition(route: Route, ids: readonly CentralId[], form: 'typed' | 'as text'): RowsWanted {
  const { key, columns } = route.table;
  const parts = ids.flatMap((id) => keyParts(id, key.length));
  const arrays = key.map((name, index) => {
    const type = columns.find((column) => column.name === name)?.type ?? 'text';
    return {
      // As it is printed, like the keys in the streams: a cast to text drops the blanks of char(n), and spells
      // out yes and no.
      column: form === 'typed' ? quoteIdent(name) : `format('%s', ${quoteIdent(name)})`,
      sql: `$${index + 1}::${form === 'typed' ? type : 'text'}[]`,
      values: parts.map((part) => part[index] ?? null),
    };
  });
  const names = arrays.map((array) => array.column).join(', ');
  return {
    where: `(${names}) IN (SELECT * FROM unnest(${arrays.map((array) => array.sql).join(', ')}))`,
    values: arrays.map((array) => array.values),
  };
}

/** None for an id that was made when the key had another number of columns. */
function keyParts(id: CentralId, columns: number): string[][] {
  if (columns === 1) return [[id]];
  try {
    const parts = centralIdParts(id, columns);
    return Array.isArray(parts) && parts.length === columns ? [parts] : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
