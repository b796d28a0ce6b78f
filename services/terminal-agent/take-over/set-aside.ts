/**
 * A till whose triggers are those of the versions before: they are taken off, and their outbox is set aside, in the
 * transaction that puts the new ones in, so that the app never sells without any.
 */
import { inSavepoint, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { quoteName } from '../till/local-schema.ts';
import { removeTriggers } from '../till/sync-install.ts';
import { OLD_OUTBOX } from './old-outbox.ts';

/** Inside the caller's transaction. */
export function setAsideOld(db: SqliteDatabase): void {
  if (!hasColumn(db, 'sync_outbox', 'table_name')) return;
  inSavepoint(db, () => {
    removeTriggers(db);
    const highest = db.prepare<[], number | null>('SELECT max(seq) FROM sync_outbox').pluck().get() ?? 0;
    const evicted = ourTables(db, 'sync_evicted_');
    for (const name of evicted) db.exec(`DROP TABLE ${quoteName(name)}`);
    db.exec(`ALTER TABLE sync_outbox RENAME TO ${OLD_OUTBOX}`);
    for (const index of ['open', 'gone', 'moved']) db.exec(`DROP INDEX IF EXISTS sync_outbox_${index}`);
    for (const name of ourTables(db, 'sync_row_')) {
      for (const [column, type] of ADDED) {
        if (!hasColumn(db, name, column))
          db.exec(`ALTER TABLE ${quoteName(name)} ADD COLUMN ${column} ${type}`);
      }
    }
    db.exec(`CREATE INDEX sync_old_gone ON ${OLD_OUTBOX} (table_name, row_key) WHERE op IN ('d', 'k')`);
    db.prepare(`UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?`).run(highest, OLD_OUTBOX);
  });
}

const ADDED = [
  ['identity', 'TEXT'],
  ['refused', 'INTEGER NOT NULL DEFAULT 0'],
] as const;

/** Whether the old outbox waits to be taken over. */
export function hasOld(db: SqliteDatabase): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(OLD_OUTBOX) !== undefined;
}

/** All of it is in the new tables. */
export function dropOld(db: SqliteDatabase): void {
  for (const name of ourTables(db, 'sync_change_')) db.exec(`DROP TABLE ${quoteName(name)}`);
  db.exec(`DROP TABLE ${OLD_OUTBOX}; DROP TABLE IF EXISTS sync_identity`);
}

function ourTables(db: SqliteDatabase, prefix: string): string[] {
  return db
    .prepare<[number, string], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?`,
    )
    .pluck()
    .all(prefix.length, prefix);
}

function hasColumn(db: SqliteDatabase, table: string, column: string): boolean {
  return db.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?').get(table, column) !== undefined;
}
