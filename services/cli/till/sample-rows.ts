/** The newest rows of a till's tables, for parity. */
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { exactText } from '../../terminal-agent/till/exact-text.ts';
import { quoteName } from '../../terminal-agent/till/local-schema.ts';

const ROWS = 200;

/** @returns by local table; texts that are no UTF-8 as their bytes */
export function sampleRows(db: SqliteDatabase, tables: Iterable<LocalTable>): Map<string, SampleRow[]> {
  const samples = new Map<string, SampleRow[]>();
  const exact = exactText(db);
  for (const { name, columns, key, withoutRowid, notATable } of tables) {
    if (notATable !== undefined || columns.length === 0) continue;
    const newest = withoutRowid ? key.map((column) => `${quoteName(column)} DESC`).join(', ') : 'rowid DESC';
    const values = columns.map(({ name: column }) => textAsBytes(quoteName(column))).join(', ');
    const kinds = columns.map(({ name: column }) => `typeof(${quoteName(column)})`).join(', ');
    const rows = db
      .prepare<[], unknown[]>(
        `SELECT ${values}, ${kinds} FROM ${quoteName(name)} ORDER BY ${newest} LIMIT ${ROWS}`,
      )
      .raw()
      .safeIntegers()
      .all();
    samples.set(
      name,
      rows.map((row) =>
        Object.fromEntries(
          columns.map((column, at) => {
            const isText = row[columns.length + at] === 'text';
            return [column.name, isText ? exact(row[at]) : (row[at] as SqliteValue)];
          }),
        ),
      ),
    );
  }
  return samples;
}

function textAsBytes(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END`;
}
