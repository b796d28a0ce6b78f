/**
 * One agent per till file. The lock is an operating-system lock that SQLite holds on an empty file beside it,
 * so that it vanishes with the process, kill -9 included, and needs no clean-up.
 */
import Database from 'better-sqlite3';
import { PayflowError } from '../../shared/errors.ts';
import { wrapSqliteError, type SqliteDatabase } from '../../shared/database/sqlite.ts';

export class AgentLock {
  readonly #db: SqliteDatabase;

  private constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /**
   * @param inUse what is wrong when another process, or another part of this one, holds it
   * @throws PayflowError TERMINAL_DB_IN_USE, or what `inUse` says
   */
  static take(file: string, inUse: () => PayflowError = () => tillInUse(file)): AgentLock {
    const lockFile = `${file}.sync-lock`;
    let db: SqliteDatabase | undefined;
    try {
      db = new Database(lockFile, { timeout: 0 });
      db.pragma('journal_mode = MEMORY');
      db.exec('BEGIN EXCLUSIVE');
      return new AgentLock(db);
    } catch (error) {
      db?.close();
      if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
        throw inUse();
      }
      throw wrapSqliteError(error, lockFile);
    }
  }

  release(): void {
    this.#db.close();
  }
}

function tillInUse(file: string): PayflowError {
  return new PayflowError('TERMINAL_DB_IN_USE', `another agent has ${file} open`);
}
