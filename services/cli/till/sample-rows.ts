/** The newest rows of a till's tables, for parity: what goes up of them, and no more. */
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import { MAX_COLUMNS, type BoundTable, type LocalBinding } from '../../shared/catalog/table-binding.ts';
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
  const exact = exactText(db);
  for (const table of tables.values()) {
    const { columns, local } = table;
    if (columns.length === 0 || columns.length > MAX_COLUMNS) continue;
    const rows = db.prepare<[], unknown[]>(samplesSql(table)).raw().safeIntegers().all();
    samples.set(
      local.name,
      rows.map((row) =>
        Object.fromEntries(
          columns.map((column, at) => {
            const isText = row[columns.length + at] === 'text';
            const value = isText ? exact(row[at]) : (row[at] as SqliteValue);
            return [column.local, asSent(value, column.options.charset)];
          }),
        ),
      ),
    );
  }
  return samples;
}

function samplesSql({ columns, local: { name, key, withoutRowid } }: BoundTable): string {
  const newest = withoutRowid ? key.map((column) => `${quoteName(column)} DESC`).join(', ') : 'rowid DESC';
  const names = columns.map((column) => quoteName(column.local));
  const values = names.map(boundedSql).join(', ');
  const kinds = names.map((column) => `typeof(${column})`).join(', ');
  return `SELECT ${values}, ${kinds} FROM ${quoteName(name)} ORDER BY ${newest} LIMIT ${ROWS}`;
}

function boundedSql(column: string): string {
  const bytes = `CAST(${column} AS BLOB)`;
  return `CASE WHEN typeof(${column}) NOT IN ('text', 'blob') THEN ${column}
    WHEN length(${bytes}) <= ${VALUE_BYTES} THEN ${bytes} END`;
}
