/**
 * Takes the triggers of the version before off, and sets their outbox aside, in the transaction that puts the new ones in, so
 * that the app never sells without any. What it holds is removed once the agent file has what it needs of it.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { quoteName, syncNameIndexSql } from '../till/local-schema.ts';
import { removeTriggers } from '../till/sync-install.ts';
import { hasColumn, isOldFile, OLD_OUTBOX } from './old-file.ts';

/** Inside the caller's transaction. */
export function setAsideOld(db: SqliteDatabase): void {
  if (!isOldFile(db)) return;
  removeTriggers(db);
  for (const name of ourTables(db, 'sync_evicted_')) db.exec(`DROP TABLE ${quoteName(name)}`);
  // A view or trigger of the app that is broken is no reason to fail.
  db.pragma('legacy_alter_table = ON');
  db.exec(`ALTER TABLE sync_outbox RENAME TO ${OLD_OUTBOX}`);
  db.pragma('legacy_alter_table = OFF');
}

const ADDED = [
  ['identity', 'TEXT'],
  ['refused', 'INTEGER NOT NULL DEFAULT 0'],
  ['former_key', ''],
] as const;

/** The rows' table as this version has it: nothing of the old triggers names these columns. */
export function addRowColumns(db: SqliteDatabase, table: string): void {
  const name = `sync_row_${table}`;
  for (const [column, type] of ADDED) {
    if (!hasColumn(db, name, column)) db.exec(`ALTER TABLE ${quoteName(name)} ADD COLUMN ${column} ${type}`);
  }
  // Now, and not in the switch: there is least to read.
  db.exec(syncNameIndexSql(table));
}

/** Tables of the old triggers that are left, the outbox last: it says that there are any. */
export function oldTables(db: SqliteDatabase): string[] {
  const changes = ourTables(db, 'sync_change_');
  return [...changes, ...['sync_identity', OLD_OUTBOX].flatMap((name) => ourTables(db, name))];
}

export function ourTables(db: SqliteDatabase, prefix: string): string[] {
  return db
    .prepare<[number, string], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?`,
    )
    .pluck()
    .all(prefix.length, prefix);
}
