/** SQLite as we open it everywhere: one way to open, one way to run a transaction, errors with our codes. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import type { ErrorCode } from '../error-codes.ts';
import { PayflowError } from '../errors.ts';

export type SqliteDatabase = Database.Database;

/** A busy database is waited for inside SQLite only this long: better-sqlite3 blocks the whole process. */
const BUSY_TIMEOUT_MS = 250;

export interface OpenOptions {
  /** Without it a missing file is created. */
  readonly mustExist: boolean;
  readonly busyTimeoutMs?: number;
}

/**
 * Opens a database file that can be read and written.
 * @throws PayflowError TERMINAL_DB_MISSING, TERMINAL_DB_READ_ONLY, TERMINAL_DB_INVALID, TERMINAL_DB_BUSY
 */
export function openDatabase(file: string, options: OpenOptions): SqliteDatabase {
  if (options.mustExist) checkFile(file);
  const timeout = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
  let db: SqliteDatabase | undefined;
  try {
    db = new Database(file, { fileMustExist: options.mustExist, timeout });
    // The first read: only now does SQLite look whether this is a database at all.
    db.prepare('SELECT count(*) FROM sqlite_master').get();
    return db;
  } catch (error) {
    db?.close();
    throw wrapSqliteError(error, file);
  }
}

/** The real path of a file that must be there; two paths to one file are one file. */
export function realDatabasePath(file: string): string {
  checkFile(file);
  return realpathSync(file);
}

function checkFile(file: string): void {
  if (!existsSync(file)) throw new PayflowError('TERMINAL_DB_MISSING', `${file} does not exist`);
  if (!statSync(file).isFile()) throw new PayflowError('TERMINAL_DB_INVALID', `${file} is not a file`);
  for (const path of [file, dirname(realpathSync(file))]) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (cause) {
      throw new PayflowError('TERMINAL_DB_READ_ONLY', `${path} cannot be written`, { cause });
    }
  }
}

/**
 * Runs `body` as one write transaction. BEGIN IMMEDIATE: the lock is taken before anything is read, so that
 * what was read still holds when it is written, and a busy file is known before any work is done.
 */
export function inImmediate<T>(db: SqliteDatabase, body: () => T): T {
  return inTransaction(db, 'BEGIN IMMEDIATE', body);
}

/** Runs `body` on one read snapshot. */
export function inSnapshot<T>(db: SqliteDatabase, body: () => T): T {
  return inTransaction(db, 'BEGIN', body);
}

function inTransaction<T>(db: SqliteDatabase, begin: string, body: () => T): T {
  if (db.inTransaction) return body();
  try {
    db.exec(begin);
    const result = body();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw wrapSqliteError(error, db.name);
  }
}

const CODES: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ['SQLITE_BUSY', 'TERMINAL_DB_BUSY'],
  ['SQLITE_LOCKED', 'TERMINAL_DB_BUSY'],
  ['SQLITE_FULL', 'TERMINAL_DISK_FULL'],
  ['SQLITE_READONLY', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_CANTOPEN', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_PERM', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_NOTADB', 'TERMINAL_DB_INVALID'],
  ['SQLITE_CORRUPT', 'TERMINAL_DB_INVALID'],
  ['SQLITE_IOERR', 'TERMINAL_DB_IO'],
];

/** SQLite's own errors under our codes; anything else comes back as it is. */
export function wrapSqliteError(error: unknown, file: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const found = CODES.find(([prefix]) => error.code.startsWith(prefix));
  if (found === undefined) return error;
  return new PayflowError(found[1], `${file}: ${error.message}`, {
    cause: error,
    details: { sqlite: error.code },
  });
}
