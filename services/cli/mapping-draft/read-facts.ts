/** Reads what a draft is made of: both catalogs, and of each table its first and its newest rows. */
import pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import { readCentralCatalog, type CentralTable } from '../../shared/catalog/central-catalog.ts';
import { readLocalCatalog, type LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import { inTransaction } from '../../shared/database/postgres.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { sampleTable } from '../till/sample-rows.ts';
import type { CentralRow, DraftFacts } from './facts.ts';
import { tellingText } from './common-rows.ts';

/** From either end of a table. */
const ROWS = 500;
/** A longer value tells no more about its column, and is left out. */
const VALUE_BYTES = 4_096;

export type TillFacts = Pick<DraftFacts, 'local' | 'localRows'>;
export type CentreFacts = Pick<DraftFacts, 'central' | 'centralRows'>;

export function readTillFacts(db: SqliteDatabase): TillFacts {
  const local = readLocalCatalog(db);
  const rows = (table: LocalTable): SampleRow[] =>
    table.notATable === undefined
      ? sampleTable(db, table, { columns: table.columns, rows: ROWS, ends: 'both' })
      : [];
  return { local, localRows: new Map([...local.values()].map((table) => [table.name, rows(table)])) };
}

/** Every table outside of ours and of the server's own; a partitioned one as a whole. */
const NAMES_SQL = `SELECT CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('information_schema', 'payflow_sync')
   AND n.nspname NOT LIKE 'pg\\_%' AND position('.' IN c.relname) = 0
   AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1`;

/** @throws PayflowError as the database's errors are classified */
export async function readCentreFacts(pool: Pool, till: TillFacts): Promise<CentreFacts> {
  return inTransaction(pool, async (client) => {
    await client.query('SET TRANSACTION READ ONLY');
    const { rows: names } = await client.query<{ name: string }>(NAMES_SQL);
    const central = await readCentralCatalog(
      client,
      names.map(({ name }) => name),
    );
    return { central, centralRows: await sampleCentre(client, central, till.localRows) };
  });
}

/**
 * @param localRows of the till's tables: rows of the centre that bear a code of theirs are read as well
 * @returns by central name
 */
export async function readCentralRows(
  pool: Pool,
  central: ReadonlyMap<string, CentralTable>,
  localRows: DraftFacts['localRows'],
): Promise<Map<string, readonly CentralRow[]>> {
  return inTransaction(pool, async (client) => {
    await client.query('SET TRANSACTION READ ONLY');
    return sampleCentre(client, central, localRows);
  });
}

async function sampleCentre(
  client: PoolClient,
  central: ReadonlyMap<string, CentralTable>,
  localRows: DraftFacts['localRows'],
): Promise<Map<string, readonly CentralRow[]>> {
  const wanted = tellingValues(localRows);
  const rows = new Map<string, readonly CentralRow[]>();
  for (const table of central.values()) rows.set(table.name, await centralSample(client, table, wanted));
  return rows;
}

/** What the till's rows are called: where an index of the centre leads to them, their rows are read as well. */
function tellingValues(localRows: DraftFacts['localRows']): string[] {
  const values = new Set<string>();
  for (const rows of localRows.values())
    for (const row of rows)
      for (const value of Object.values(row))
        if (typeof value === 'string' && value.length <= 64 && tellingText(value) !== null) values.add(value);
  return [...values].slice(0, MOST_VALUES);
}

const MOST_VALUES = 20_000;

async function centralSample(
  client: PoolClient,
  table: CentralTable,
  wanted: readonly string[],
): Promise<CentralRow[]> {
  if (table.key.length === 0 || table.columns.length === 0) return [];
  const from = `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.table)}`;
  const values = table.columns
    .map(
      ({ name }) =>
        `CASE WHEN octet_length(t.${pg.escapeIdentifier(name)}::text) <= ${VALUE_BYTES} THEN t.${pg.escapeIdentifier(name)}::text END AS ${pg.escapeIdentifier(name)}`,
    )
    .join(', ');
  const order = (way: string) =>
    table.key.map((column) => `${pg.escapeIdentifier(column)} ${way}`).join(', ');
  const key = table.key.map(pg.escapeIdentifier).join(', ');
  const first = `SELECT ${key} FROM ${from} ORDER BY ${order('ASC')} LIMIT ${ROWS}`;
  const newest = `SELECT ${key} FROM ${from} ORDER BY ${order('DESC')} LIMIT ${ROWS}`;
  const found = await client.query<CentralRow>(
    `SELECT ${values} FROM ${from} t JOIN ((${first}) UNION (${newest})) k USING (${key})`,
  );
  const rows = [...found.rows];
  const seen = new Set(rows.map((row) => keyText(table, row)));
  for (const [column, ...others] of table.uniques) {
    const isText = table.columns.some(
      ({ name, type }) => name === column && /^(?:text|character varying)/.test(type),
    );
    if (column === undefined || others.length > 0 || !isText || found.rows.length < ROWS) continue;
    const more = await client.query<CentralRow>(
      `SELECT ${values} FROM ${from} t WHERE t.${pg.escapeIdentifier(column)} = ANY ($1::text[]) LIMIT ${ROWS}`,
      [wanted],
    );
    for (const row of more.rows)
      if (!seen.has(keyText(table, row))) {
        seen.add(keyText(table, row));
        rows.push(row);
      }
  }
  return rows;
}

function keyText({ key }: CentralTable, row: CentralRow): string {
  return JSON.stringify(key.map((column) => row[column] ?? null));
}
