/** Enters what our triggers have not seen: rows that were there before, or that are gone without a word. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { numbered } from './captured-tables.ts';
import { NOW_MS_SQL } from './key-triggers.ts';

export interface UnknownRow {
  readonly table: TillTable;
  readonly rowKey: SqliteValue;
  /** It is gone, and nothing tells that; by its key in sync_row. */
  readonly handle?: string | undefined;
}

/** Inside a transaction of ours. */
export function offerRows(db: SqliteDatabase, rows: readonly UnknownRow[]): void {
  const enter = db.prepare(
    `INSERT INTO sync_outbox (table_number, op, row_key, handle, at_ms, entry_id)
     VALUES (?, ?, ?, ?, ${NOW_MS_SQL}, random())`,
  );
  for (const { table, rowKey, handle } of rows)
    enter.run(numbered(db, table.bound).number, handle === undefined ? 'r' : 'd', rowKey, handle ?? null);
}
