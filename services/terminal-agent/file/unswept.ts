/** Tables that were written without our triggers, or may have been: to be looked through before anything is written to them. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';

const NEWEST_ENTRY = `(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'sync_outbox')`;

export function markUnswept(db: SqliteDatabase, table: string): void {
  db.prepare(`INSERT OR IGNORE INTO sync_sweep (table_name, since) VALUES (?, ${NEWEST_ENTRY})`).run(table);
}

export function markSwept(db: SqliteDatabase, table: string): void {
  db.prepare('DELETE FROM sync_sweep WHERE table_name = ?').run(table);
}

/**
 * All that were ever captured.
 * @param options.deletes rows that are gone were deleted, however many they are
 * @returns how many
 */
export function markAllUnswept(db: SqliteDatabase, { deletes }: { readonly deletes: boolean }): number {
  // No agent has had the file yet, and at its first start it knows all of it.
  if (db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sync_sweep'`).get() === undefined) return 0;
  const mark = `INSERT OR REPLACE INTO sync_sweep (table_name, since, deletes)
    SELECT name, ${NEWEST_ENTRY}, ? FROM sync_table`;
  return db.prepare(mark).run(deletes ? 1 : 0).changes;
}

/** By table, whether rows that are gone were deleted however many they are. */
export function unsweptTables(db: SqliteDatabase): Map<string, boolean> {
  const rows = db
    .prepare<[], [string, bigint]>('SELECT table_name, deletes FROM sync_sweep')
    .raw()
    .safeIntegers()
    .all();
  return new Map(rows.map(([table, deletes]) => [table, deletes !== 0n]));
}

/** By table, the newest entry when it was marked: an insert after it may be what a rebuilt table is filled with. */
export function unsweptSince(db: SqliteDatabase): Map<string, number> {
  const rows = db
    .prepare<[], [string, bigint]>('SELECT table_name, since FROM sync_sweep')
    .raw()
    .safeIntegers()
    .all();
  return new Map(rows.map(([table, since]) => [table, Number(since)]));
}

/** When a table is captured for the first time: whether rows are in it of which nobody knows whether the centre has them. */
export function noteEarlierRows(db: SqliteDatabase, { local }: BoundTable): void {
  const unknown = `SELECT 1 FROM ${quoteName(local.name)} AS source WHERE NOT EXISTS (
    SELECT 1 FROM ${quoteName(`sync_row_${local.name}`)} WHERE row_key = ${rowKeySql('source', local.key)})`;
  db.prepare(`UPDATE sync_table SET earlier = EXISTS (${unknown}) WHERE name = ? AND earlier IS NULL`).run(
    local.name,
  );
}

/** More of its rows are known by now. */
export function noteEarlierAgain(db: SqliteDatabase, table: BoundTable): void {
  db.prepare('UPDATE sync_table SET earlier = NULL WHERE name = ? AND earlier = 1').run(table.local.name);
  noteEarlierRows(db, table);
}

/** They were offered: whatever is unknown from now on was made since. */
export function forgetEarlierRows(db: SqliteDatabase, table: string): void {
  db.prepare('UPDATE sync_table SET earlier = 0 WHERE name = ?').run(table);
}

export function hasEarlierRows(db: SqliteDatabase, table: string): boolean {
  return db.prepare('SELECT 1 FROM sync_table WHERE name = ? AND earlier = 0').get(table) === undefined;
}
