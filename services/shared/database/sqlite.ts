/** SQLite as we open it everywhere: one way to open, one way to run a transaction, errors with our codes. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { PayflowError } from '../errors.ts';
import { sqliteErrorCode } from './sqlite-codes.ts';

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

/** Inside a transaction: what `body` did is undone where it fails, and the transaction can go on. */
export function inSavepoint<T>(db: SqliteDatabase, body: () => T): T {
  db.exec('SAVEPOINT payflow_part');
  try {
    const result = body();
    db.exec('RELEASE payflow_part');
    return result;
  } catch (error) {
    // RAISE(ROLLBACK) in a trigger ends the whole transaction, and the savepoint with it.
    if (db.inTransaction) db.exec('ROLLBACK TO payflow_part; RELEASE payflow_part');
    throw error;
  }
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

/** SQLite's own errors under our codes, and of which file; anything else comes back as it is. */
export function wrapSqliteError(error: unknown, file: string): unknown {
  const known = sqliteErrorCode(error);
  if (known === undefined || !(error instanceof Error)) return error;
  const { code, sqlite } = known;
  return new PayflowError(code, `${file}: ${error.message}`, { cause: error, details: { sqlite } });
}
