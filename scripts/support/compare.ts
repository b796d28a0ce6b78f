/**
 * An independent comparison of one till with the centre: nothing of the sync engine's own conversions, links
 * or hashes takes part. Both sides are read by plain SQL through the mapping file, brought to a neutral form
 * here, and held against each other row by row. It is what the demo, the fault runs and the benchmarks
 * believe; the engine never uses it.
 */
import Database from 'better-sqlite3';
import type { Pool } from 'pg';
import { centralColumn, type Mapping, type TableMapping } from '../../services/shared/mapping/mapping.ts';
import { centralForm, localForm, type Neutral } from './neutral-values.ts';

export interface Difference {
  readonly table: string;
  readonly kind: 'missing on till' | 'missing at centre' | 'not linked' | 'linked twice' | 'different';
  /** Central id, or the local key where there is none. */
  readonly row: string;
  readonly detail: string;
}

export interface Comparison {
  readonly terminalId: string;
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly differences: readonly Difference[];
}

export interface CompareOptions {
  readonly pool: Pool;
  readonly mapping: Mapping;
  readonly terminalId: string;
  readonly storeId: string;
  /** Path of the till's payflow.db. */
  readonly file: string;
}

interface CentralShape {
  readonly types: ReadonlyMap<string, string>;
  readonly key: readonly string[];
}

interface LocalShape {
  readonly columns: ReadonlySet<string>;
  readonly key: readonly string[];
  /** Column that numbers rows on this till only. */
  readonly surrogate: string | null;
}

type LocalValue = string | number | bigint | Buffer | null;
type LocalRow = Record<string, LocalValue | undefined>;

/** @returns every row on one side that is missing, extra or different on the other. */
export async function compareTill(options: CompareOptions): Promise<Comparison> {
  const db = new Database(options.file, { readonly: true });
  try {
    const tables: { table: string; rows: number }[] = [];
    const differences: Difference[] = [];
    for (const table of options.mapping.tables) {
      const local = localShape(db, table);
      const central = await centralShape(options.pool, table);
      if (local === null || central === null) continue;
      const found = await compareTable({ ...options, db, table, local, central });
      tables.push({ table: table.local, rows: found.rows });
      differences.push(...found.differences);
    }
    return { terminalId: options.terminalId, tables, differences };
  } finally {
    db.close();
  }
}

interface TableContext extends CompareOptions {
  readonly db: Database.Database;
  readonly table: TableMapping;
  readonly local: LocalShape;
  readonly central: CentralShape;
}

async function compareTable(context: TableContext): Promise<{ rows: number; differences: Difference[] }> {
  const { table } = context;
  const columns = comparedColumns(context);
  const centralRows = await readCentral(context, columns);
  const differences: Difference[] = [];
  const seen = new Set<string>();
  let rows = 0;
  for (const local of allRows(context.db, table.local)) {
    rows += 1;
    const id = linkOf(context, local);
    const name = context.local.key.map((column) => String(local[column])).join(',');
    if (id === null) {
      if (table.direction !== 'push') differences.push(problem(table, 'not linked', name, 'no central id'));
      continue;
    }
    if (seen.has(id)) differences.push(problem(table, 'linked twice', id, `local key ${name}`));
    seen.add(id);
    const central = centralRows.get(id);
    if (central === undefined) differences.push(problem(table, 'missing at centre', id, `local key ${name}`));
    else differences.push(...compareRow(context, columns, id, local, central));
  }
  if (table.direction !== 'pull') {
    for (const id of centralRows.keys()) {
      if (!seen.has(id)) differences.push(problem(table, 'missing on till', id, ''));
    }
  }
  return { rows, differences };
}

function comparedColumns({ table, local, central }: TableContext): { local: string; central: string }[] {
  return [...local.columns]
    .filter((name) => !table.exclude.has(name) && name !== local.surrogate && name !== table.link)
    .map((name) => ({ local: name, central: centralColumn(table, name) }))
    .filter((pair) => central.types.has(pair.central));
}

function compareRow(
  context: TableContext,
  columns: readonly { local: string; central: string }[],
  id: string,
  local: LocalRow,
  central: Record<string, string | null>,
): Difference[] {
  const { table } = context;
  return columns.flatMap((column) => {
    const type = context.central.types.get(column.central) ?? 'text';
    const options = table.columns.get(column.local) ?? {};
    const reference = table.references.get(column.local);
    const ours: Neutral =
      reference === undefined
        ? localForm(local[column.local], type, options)
        : referencedId(context, reference.table, reference.holds, local[column.local]);
    const theirs = centralForm(central[column.central] ?? null, type, options);
    if (ours === theirs) return [];
    return [
      problem(table, 'different', id, `${column.local}: till ${String(ours)}, centre ${String(theirs)}`),
    ];
  });
}

/** Read at once, because a row under comparison leads to look-ups on the same connection. */
function allRows(db: Database.Database, table: string): LocalRow[] {
  return db
    .prepare<[], LocalRow>(`SELECT * FROM ${quote(table)}`)
    .safeIntegers()
    .all();
}

/** Central id of a local row: its link column, else what the agent keeps for tables without one. */
function linkOf({ db, table, local }: TableContext, row: LocalRow): string | null {
  if (local.columns.has(table.link)) {
    const value = row[table.link];
    return value === null || value === undefined ? null : String(value);
  }
  const key = local.key.length === 1 ? row[local.key[0] ?? ''] : quotedKey(db, local.key, row);
  const found = db
    .prepare<[LocalValue | undefined], string>(
      `SELECT central_id FROM ${quote(`sync_row_${table.local}`)} WHERE row_key = ? AND deleted = 0`,
    )
    .pluck()
    .get(key);
  return found ?? null;
}

function quotedKey(db: Database.Database, key: readonly string[], row: LocalRow): string {
  return key.map((column) => String(db.prepare('SELECT quote(?)').pluck().get(row[column]))).join(',');
}

/** What a local reference means at the centre: the central id of the row it points to. */
function referencedId(
  context: TableContext,
  parentName: string,
  holds: string,
  value: LocalValue | undefined,
): Neutral {
  if (value === null || value === undefined) return null;
  if (holds === 'server_id') return String(value);
  const parent = context.mapping.tables.find((table) => table.local === parentName);
  const shape = parent === undefined ? null : localShape(context.db, parent);
  if (parent === undefined || shape === null) return `no table ${parentName}`;
  const column = holds === 'local_id' ? parent.identity : (shape.key[0] ?? 'rowid');
  const row = context.db
    .prepare(`SELECT * FROM ${quote(parentName)} WHERE ${quote(column)} = ?`)
    .safeIntegers()
    .get(value);
  if (row === undefined) return `no row ${String(value)} in ${parentName}`;
  return linkOf({ ...context, table: parent, local: shape }, row as LocalRow);
}

async function readCentral(
  context: TableContext,
  columns: readonly { central: string }[],
): Promise<Map<string, Record<string, string | null>>> {
  const { table, central, pool, mapping, storeId } = context;
  const names = [...new Set([...central.key, ...columns.map((column) => column.central)])];
  const select = names.map((name) => `${textOf(name, central.types.get(name) ?? 'text')} AS ${quote(name)}`);
  const where = scopeCondition(mapping, table, '$1');
  const parameters = where.includes('$1') ? [storeId] : [];
  const result = await pool.query<Record<string, string | null>>(
    `SELECT ${select.join(', ')} FROM ${qualified(table.central)} WHERE ${where}`,
    parameters,
  );
  return new Map(
    result.rows.map((row) => {
      const key = central.key.map((column) => row[column] ?? '');
      return [key.length === 1 ? (key[0] ?? '') : JSON.stringify(key), row];
    }),
  );
}

function scopeCondition(mapping: Mapping, table: TableMapping, store: string): string {
  const { scope } = table;
  if (scope.kind === 'global') return 'true';
  const column = quote(centralColumn(table, scope.column));
  if (scope.kind === 'column') return `${column}::text = ${store}`;
  const parentName = table.references.get(scope.column)?.table;
  const parent = mapping.tables.find((candidate) => candidate.local === parentName);
  if (parent === undefined) return 'false';
  return `${column} IN (SELECT id FROM ${qualified(parent.central)} WHERE ${scopeCondition(mapping, parent, store)})`;
}

function textOf(name: string, type: string): string {
  const column = quote(name);
  if (type.endsWith('[]')) return `array_to_json(${column})::text`;
  if (type === 'bytea') return `encode(${column}, 'hex')`;
  if (type.startsWith('timestamp')) return `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;
  return `${column}::text`;
}

async function centralShape(pool: Pool, table: TableMapping): Promise<CentralShape | null> {
  const columns = await pool.query<{ name: string; type: string; generated: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type, attgenerated AS generated
       FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [qualified(table.central)],
  );
  if (columns.rows.length === 0) return null;
  const key = await pool.query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY k.place`,
    [qualified(table.central)],
  );
  return {
    types: new Map(columns.rows.filter((row) => row.generated === '').map((row) => [row.name, row.type])),
    key: key.rows.map((row) => row.name),
  };
}

function localShape(db: Database.Database, table: TableMapping): LocalShape | null {
  const columns = db.pragma(`table_xinfo(${quote(table.local)})`) as {
    name: string;
    type: string;
    pk: number;
    hidden: number;
  }[];
  if (columns.length === 0) return null;
  const key = columns.filter((column) => column.pk > 0).sort((a, b) => a.pk - b.pk);
  const single = key.length === 1 ? key[0] : undefined;
  const carried =
    single !== undefined && (table.rename.has(single.name) || table.references.has(single.name));
  return {
    columns: new Set(columns.filter((column) => column.hidden === 0).map((column) => column.name)),
    key: key.map((column) => column.name),
    surrogate: single !== undefined && /INT/i.test(single.type) && !carried ? single.name : null,
  };
}

function problem(table: TableMapping, kind: Difference['kind'], row: string, detail: string): Difference {
  return { table: table.local, kind, row, detail };
}

function qualified(name: string): string {
  return name.split('.').map(quote).join('.');
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
