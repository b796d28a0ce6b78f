/**
 * Tables that were written without our triggers, or may have been: to be looked through before anything is written to them
 * (due). One of which rows have vanished stays known when it was looked through: whoever fills it again, at any later
 * time, fills it with the rows that it had.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { NEWEST_ENTRY_SQL } from './outbox-schema.ts';

/** What is known of an earlier time holds, and so does what an operator has said. */
const AGAIN = `ON CONFLICT (table_name) DO UPDATE SET
  due = 1, since = min(since, excluded.since), deletes = max(deletes, excluded.deletes)`;

export function markUnswept(db: SqliteDatabase, table: string): void {
  db.prepare(`INSERT INTO sync_sweep (table_name, since) VALUES (?, ${NEWEST_ENTRY_SQL}) ${AGAIN}`).run(
    table,
  );
}

/** @param vanished rows that are gone, and nobody has said that they were deleted */
export function markSwept(db: SqliteDatabase, table: string, vanished: number): void {
  if (vanished === 0) db.prepare('DELETE FROM sync_sweep WHERE table_name = ?').run(table);
  else
    db.prepare('UPDATE sync_sweep SET due = 0, deletes = 0, vanished = ? WHERE table_name = ?').run(
      vanished,
      table,
    );
}

/** Whatever has vanished is looked for again. */
export function markVanishedUnswept(db: SqliteDatabase): void {
  db.prepare('UPDATE sync_sweep SET due = 1 WHERE due = 0').run();
}

/**
 * All that were ever captured.
 * @param options.deletes rows that are gone were deleted, however many they are
 * @returns how many
 */
export function markAllUnswept(db: SqliteDatabase, { deletes }: { readonly deletes: boolean }): number {
  // No agent has had the file yet, and at its first start it knows all of it.
  if (db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sync_sweep'`).get() === undefined) return 0;
  const mark = `INSERT INTO sync_sweep (table_name, since, deletes)
    SELECT name, ${NEWEST_ENTRY_SQL}, ? FROM sync_table WHERE true ${AGAIN}`;
  return db.prepare(mark).run(deletes ? 1 : 0).changes;
}

/** Those that are due: by table, whether rows that are gone were deleted however many they are. */
export function unsweptTables(db: SqliteDatabase): Map<string, boolean> {
  const rows = db
    .prepare<[], [string, bigint]>('SELECT table_name, deletes FROM sync_sweep WHERE due = 1')
    .raw()
    .safeIntegers()
    .all();
  return new Map(rows.map(([table, deletes]) => [table, deletes !== 0n]));
}

/** By table, rows that were found gone when it was looked through last, and of which nobody has said why. */
export function vanishedRows(db: SqliteDatabase): Map<string, number> {
  const rows = db
    .prepare<[], [string, bigint]>('SELECT table_name, vanished FROM sync_sweep WHERE vanished > 0')
    .raw()
    .safeIntegers()
    .all();
  return new Map(rows.map(([table, vanished]) => [table, Number(vanished)]));
}

/**
 * By table, the newest entry when it was marked: an insert after it may be what a rebuilt table is filled with. Also of
 * those from which rows have vanished.
 */
export function unsweptSince(db: SqliteDatabase): Map<string, number> {
  const rows = db
    .prepare<[], [string, bigint]>('SELECT table_name, since FROM sync_sweep')
    .raw()
    .safeIntegers()
    .all();
  return new Map(rows.map(([table, since]) => [table, Number(since)]));
}
