/** Whether a till file is of the version with value triggers, and how far it is taken over. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { getMeta } from '../till/file-facts.ts';

/** The outbox of that version, once it is set aside. */
export const OLD_OUTBOX = 'sync_old_outbox';

/** In sync_meta: what of it is in the new tables; gone once all is, and the agent file knows it. */
export const TAKE_OVER = 'take_over';

export interface TakenSoFar {
  /** Entries up to this one are in sync_taken, as far as they are not settled. */
  readonly readUpTo: number;
  /** All their rows are done. A table that comes back meanwhile is in its turn. */
  readonly done: readonly string[];
  /** Of this one those up to `after` are; empty: none has been begun. */
  readonly table: string;
  readonly after: string;
  /** The entry that was the newest when the first row was done. */
  readonly rowsSince: number;
  /** The new triggers are in. */
  readonly isSwitched: boolean;
}

export function takenSoFar(db: SqliteDatabase): TakenSoFar | undefined {
  const text = getMeta(db, TAKE_OVER);
  return text === undefined ? undefined : (JSON.parse(text) as TakenSoFar);
}

/** Its triggers are those of the version before. */
export function isOldFile(db: SqliteDatabase): boolean {
  return hasColumn(db, 'sync_outbox', 'table_name');
}

/** Its outbox, under whatever name. */
export function oldOutboxIn(db: SqliteDatabase): string {
  return hasTable(db, OLD_OUTBOX) ? OLD_OUTBOX : 'sync_outbox';
}

export function hasTable(db: SqliteDatabase, name: string): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`).get(name) !== undefined;
}

export function hasColumn(db: SqliteDatabase, table: string, column: string): boolean {
  return db.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?').get(table, column) !== undefined;
}
