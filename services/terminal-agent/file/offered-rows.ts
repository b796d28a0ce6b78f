/** Enters what our triggers have not seen: rows that were there before, that are gone, or differ, without a word. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { NO_SUMS, type Sums } from '../up/entries.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { numbered } from './captured-tables.ts';
import { NOW_MS_SQL } from './key-triggers.ts';

export interface UnknownRow {
  readonly table: TillTable;
  readonly rowKey: SqliteValue;
  /** By its key in sync_row: a row that is kept. */
  readonly handle?: string | undefined;
  /** What nothing tells of it. */
  readonly op: 'r' | 'u' | 'd' | 'f';
  /** What was taken off it before it is offered: entered behind that. */
  readonly sums?: Sums | undefined;
}

/** Inside a transaction of ours. */
export function offerRows(db: SqliteDatabase, rows: readonly UnknownRow[]): void {
  const enter = db.prepare(
    `INSERT INTO sync_outbox (table_number, op, row_key, handle, at_ms, entry_id)
     VALUES (?, ?, ?, ?, ${NOW_MS_SQL}, random())`,
  );
  const add = db.prepare(
    'INSERT INTO sync_delta (seq, column_number, old_value, new_value) VALUES (?, ?, ?, ?)',
  );
  for (const { table, rowKey, handle, op, sums = NO_SUMS } of rows) {
    const { number, deltas } = numbered(db, table.bound);
    const entered = enter.run(number, op, rowKey, handle ?? null).lastInsertRowid;
    if (sums.size === 0) continue;
    const seq = op === 'u' ? entered : enter.run(number, 'u', rowKey, null).lastInsertRowid;
    for (const column of deltas) {
      const sum = sums.get(column.name);
      if (sum !== undefined) add.run(seq, column.number, '0', sum);
    }
  }
}
