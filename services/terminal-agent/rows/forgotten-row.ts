/** The agent itself deletes a till row for good: what the delete trigger, silent then, does for the app. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName } from '../till/local-schema.ts';

/**
 * A UUID or key that comes again is a new row.
 * @param uuid what its identity column holds
 */
export function forgetRow(
  db: SqliteDatabase,
  table: BoundTable,
  { rowKey, uuid }: { readonly rowKey: SqliteValue; readonly uuid: string | null },
): void {
  const name = table.local.name;
  const kept = db
    .prepare<[string, SqliteValue], string>(
      'SELECT identity FROM sync_identity WHERE table_name = ? AND row_key = ?',
    )
    .pluck()
    .get(name, rowKey);
  db.prepare('DELETE FROM sync_identity WHERE table_name = ? AND row_key = ?').run(name, rowKey);
  db.prepare(`UPDATE ${quoteName(`sync_row_${name}`)} SET row_key = NULL WHERE row_key = ?`).run(rowKey);
  // A row kept under another name never answered to its UUID, which may name a living row.
  const identity = kept ?? uuid;
  if (identity !== null) {
    db.prepare('INSERT OR IGNORE INTO sync_retired (table_name, identity) VALUES (?, ?)').run(name, identity);
  }
}
