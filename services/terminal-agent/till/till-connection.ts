/** The agent's own connection to payflow.db. */
import { openDatabase, type SqliteDatabase } from '../../shared/database/sqlite.ts';

/** A backlog writes into every index of a table: pages that do not fit are written over and over. */
const CACHE_KB = 16 * 1024;

export function openTillConnection(file: string): SqliteDatabase {
  const db = openDatabase(file, { mustExist: true });
  db.pragma('foreign_keys = OFF');
  // Not the library's default for a write-ahead log: what we publish must not be taken back by a power cut.
  db.pragma('synchronous = FULL');
  db.pragma(`cache_size = -${CACHE_KB}`);
  return db;
}
