/**
 * How many rows a chunk reads: as many as make CHUNK_BYTES, asked of the server before they are fetched. An average
 * would not do: a table may hold a million short rows and then some of a megabyte each, and all of a chunk is in
 * memory until it is sent.
 */
import type { ClientBase, Pool } from 'pg';
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { quotedTable, quoteIdent } from '../setup/published-tables.ts';
import type { Route } from '../routing/routes.ts';

export const CHUNK_BYTES = 2 << 20;
const MOST_ROWS = 2_000;
/** What a column of a fixed size takes as text, generously. */
const SHORT_BYTES = 24;
/** Up to here a stored value is taken for what it is; a larger one may be a compressed text of a hundred times its size. */
const SURELY_SHORT = 500;

/** Which rows are meant, in key order; `$n` in `where` are `values`. */
export interface RowsWanted {
  readonly where: string;
  readonly values: readonly unknown[];
}

/** @returns 1 at least: a row of any size has to be read */
export async function chunkRows(
  client: Pool | ClientBase,
  { table, relation }: Pick<Route, 'table' | 'relation'>,
  { where, values }: RowsWanted,
): Promise<number> {
  const names = new Set(relation.columns.map((column) => column.name));
  const columns = table.columns.filter((column) => names.has(column.name));
  const limit = `$${values.length + 1}`;
  const bytes = `$${values.length + 2}`;
  const { rows } = await client.query<{ found: number; fitting: number }>(
    `SELECT count(*)::int AS found, (count(*) FILTER (WHERE total <= ${bytes}::bigint))::int AS fitting
       FROM (SELECT sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total
               FROM (SELECT (${columns.map(sizeSql).join(' + ')})::bigint AS size
                       FROM ${quotedTable(table)} WHERE ${where}
                      ORDER BY ${table.key.map(quoteIdent).join(', ')} LIMIT ${limit}) AS sized) AS summed`,
    [...values, MOST_ROWS, CHUNK_BYTES],
  );
  const { found = 0, fitting = 0 } = rows[0] ?? {};
  return fitting < found ? Math.max(1, fitting) : MOST_ROWS;
}

/** octet_length knows the size of a text or a bytea without fetching what is stored out of line, or unpacking it. */
function sizeSql(column: CentralColumn): string {
  const name = quoteIdent(column.name);
  if (!column.toastable) return String(SHORT_BYTES);
  if (!column.isArray && /^(text|character)/.test(column.type)) return `coalesce(octet_length(${name}), 0)`;
  // Two digits a byte.
  if (column.type === 'bytea') return `coalesce(octet_length(${name}) * 2, 0)`;
  return `coalesce(CASE WHEN pg_column_size(${name}) <= ${SURELY_SHORT} THEN pg_column_size(${name})
                        ELSE octet_length(${name}::text) END, 0)`;
}
