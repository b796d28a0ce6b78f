/**
 * Holds a till of the other shop against its centre. Rows are found by names that the testers gave them
 * (`tag`), values are read by PostgreSQL itself: links, hashes and conversions of the engine take no part.
 */
import Database from 'better-sqlite3';
import type { Pool, PoolClient } from 'pg';
import { kindOf, type Stored } from './kinds.ts';
import { TABLES, type Pointer, type Table } from './tables.ts';

type Row = Readonly<Record<string, string | null>>;

/** @returns what is missing, extra or different, in words; empty when both sides are equal */
export async function differences(pool: Pool, till: { file: string; store: string }): Promise<string[]> {
  const db = new Database(till.file, { readonly: true, timeout: 10_000 });
  const client = await pool.connect();
  try {
    await client.query(`SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET extra_float_digits = 1`);
    const found: string[] = [];
    for (const table of TABLES)
      found.push(...(await tableDifferences(table, { db, client, store: till.store })));
    return found;
  } finally {
    client.release();
    db.close();
  }
}

interface Sides {
  readonly db: Database.Database;
  readonly client: PoolClient;
  readonly store: string;
}

async function tableDifferences(table: Table, sides: Sides): Promise<string[]> {
  const here = await tillRows(table, sides);
  const there = await centralRows(table, sides);
  const found: string[] = [];
  for (const [name, row] of here.rows) {
    const other = there.get(name);
    if (other === undefined) {
      found.push(`${table.till} ${name}: only on the till`);
      continue;
    }
    for (const [column, value] of Object.entries(row))
      if (value !== other[column])
        found.push(`${table.till} ${name}.${column}: till ${shown(value)}, centre ${shown(other[column])}`);
  }
  if (here.doubled.length > 0) found.push(`${table.till}: doubled ${here.doubled.join(', ')}`);
  if (table.direction !== 'pull')
    for (const name of there.keys())
      if (!here.rows.has(name)) found.push(`${table.till} ${name}: only at the centre`);
  return found;
}

function shown(value: string | null | undefined): string {
  if (value === null || value === undefined) return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

async function centralRows(table: Table, { client, store }: Sides): Promise<Map<string, Row>> {
  const select = [
    `${table.centreName} AS "~name"`,
    ...table.columns.map(
      (column) => `${kindOf(column.kind).ofCentre(`r.${quote(column.centre)}`)} AS ${quote(column.till)}`,
    ),
    ...table.pointers.map((pointer) => `${pointedAtCentre(pointer)} AS ${quote(pointer.till)}`),
  ];
  const where = table.ofStore === null ? '' : ` WHERE ${table.ofStore}`;
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT ${select.join(', ')} FROM ${table.centre} r${where}`,
    table.ofStore === null ? [] : [store],
  );
  return new Map(rows.map(({ '~name': name, ...row }) => [name ?? '', row]));
}

function pointedAtCentre(pointer: Pointer): string {
  const parent = tableNamed(pointer.to);
  return `coalesce((SELECT ${parent.centreName.replaceAll('r.', 'p.')} FROM ${parent.centre} p
     WHERE p.${quote(pointer.centreKey)} = r.${quote(pointer.centre)}), r.${quote(pointer.centre)}::text)`;
}

async function tillRows(
  table: Table,
  { db, client }: Sides,
): Promise<{ rows: Map<string, Row>; doubled: string[] }> {
  const select = [
    `${table.tillName} AS "~name"`,
    ...table.columns.map((column) => `r.${quote(column.till)}`),
    ...table.pointers.map((pointer) => {
      const parent = tableNamed(pointer.to);
      return `coalesce((SELECT ${parent.tillName.replaceAll('r.', 'p.')} FROM ${quote(parent.till)} p
        WHERE p.${quote(pointer.tillKey)} = r.${quote(pointer.till)}), r.${quote(pointer.till)}) AS ${quote(pointer.till)}`;
    }),
  ];
  const raw = db
    .prepare<[], Record<string, Stored>>(`SELECT ${select.join(', ')} FROM ${quote(table.till)} r`)
    .safeIntegers()
    .all();
  const names = raw.map((row) => String(row['~name']));
  const columns = new Map<string, readonly (string | null)[]>();
  for (const column of table.columns)
    columns.set(
      column.till,
      await readByPostgres(
        client,
        raw.map((row) => textOf(row[column.till] ?? null)),
        kindOf(column.kind).ofTill,
      ),
    );
  for (const pointer of table.pointers)
    columns.set(
      pointer.till,
      raw.map((row) => textOf(row[pointer.till] ?? null)),
    );
  const rows = new Map(
    names.map((name, at) => [
      name,
      Object.fromEntries([...columns].map(([column, values]) => [column, values[at] ?? null])),
    ]),
  );
  return { rows, doubled: names.filter((name, at) => names.indexOf(name) !== at) };
}

async function readByPostgres(
  client: PoolClient,
  texts: readonly (string | null)[],
  read: (p: string) => string,
): Promise<readonly (string | null)[]> {
  const { rows } = await client.query<{ value: string | null }>(
    `SELECT ${read('v.p')} AS value FROM unnest($1::text[]) WITH ORDINALITY v (p, n) ORDER BY v.n`,
    [texts],
  );
  return rows.map(({ value }) => value);
}

function textOf(value: Stored): string | null {
  if (value === null) return null;
  return Buffer.isBuffer(value) ? value.toString('hex') : String(value);
}

function tableNamed(name: string): Table {
  const found = TABLES.find((table) => table.till === name);
  if (found === undefined) throw new Error(`no table ${name}`);
  return found;
}
