/** Rows of a till's tables: for parity the newest, of what goes up and no more; for a draft both ends, of all columns. */
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import { MAX_COLUMNS, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { asSent, exactText } from '../../terminal-agent/till/exact-text.ts';
import { quoteName } from '../../terminal-agent/till/local-schema.ts';

const ROWS = 200;
/** A longer value is left out: two hundred pictures are more than parity may hold. */
const VALUE_BYTES = 64 * 1024;

/** @returns by local table; texts that are no UTF-8 as their bytes, what is too long as NULL */
export function sampleRows(db: SqliteDatabase, { tables }: LocalBinding): Map<string, SampleRow[]> {
  const samples = new Map<string, SampleRow[]>();
  for (const { local, columns } of tables.values()) {
    if (columns.length === 0 || columns.length > MAX_COLUMNS) continue;
    const named = columns.map((column) => ({ name: column.local, charset: column.options.charset }));
    samples.set(local.name, sampleTable(db, local, { columns: named, rows: ROWS, ends: 'newest' }));
  }
  return samples;
}

export interface WantedRows {
  readonly columns: readonly { readonly name: string; readonly charset?: string | undefined }[];
  /** From an end of the table. */
  readonly rows: number;
  readonly ends: 'newest' | 'both';
}

/** @returns the newest first, of small tables each row once; texts that are no UTF-8 as their bytes */
export function sampleTable(db: SqliteDatabase, table: LocalTable, wanted: WantedRows): SampleRow[] {
  const { columns } = wanted;
  const exact = exactText(db);
  const rows = db.prepare<[], unknown[]>(samplesSql(table, wanted)).raw().safeIntegers().all();
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name, charset }, at) => {
        const isText = row[columns.length + at] === 'text';
        const value = isText ? exact(row[at]) : (row[at] as SqliteValue);
        return [name, asSent(value, charset)];
      }),
    ),
  );
}

function samplesSql({ name, key, withoutRowid }: LocalTable, { columns, rows, ends }: WantedRows): string {
  const order = (way: string) =>
    withoutRowid ? key.map((column) => `${quoteName(column)} ${way}`).join(', ') : `rowid ${way}`;
  const names = columns.map((column) => quoteName(column.name));
  const values = names.map(boundedSql).join(', ');
  const kinds = names.map((column) => `typeof(${column})`).join(', ');
  const table = quoteName(name);
  const from = (way: string) =>
    `SELECT * FROM (SELECT ${values}, ${kinds} FROM ${table} ORDER BY ${order(way)} LIMIT ${rows})`;
  if (ends === 'newest') return from('DESC');
  // The first ones behind the newest: those of a table that has fewer than both together stand once.
  const oldest = `SELECT ${values}, ${kinds} FROM ${table} ORDER BY ${order('DESC')} LIMIT ${rows} OFFSET max(${rows}, (SELECT count(*) FROM ${table}) - ${rows})`;
  return `${from('DESC')} UNION ALL SELECT * FROM (${oldest})`;
}

function boundedSql(column: string): string {
  const bytes = `CAST(${column} AS BLOB)`;
  return `CASE WHEN typeof(${column}) NOT IN ('text', 'blob') THEN ${column}
    WHEN length(${bytes}) <= ${VALUE_BYTES} THEN ${bytes} END`;
}
