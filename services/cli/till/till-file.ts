/** A till's file on this machine: looked at without changing it, or changed while no agent has it. */
import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { PayflowError } from '../../shared/errors.ts';
import {
  inImmediate,
  openDatabase,
  realDatabasePath,
  wrapSqliteError,
  type SqliteDatabase,
} from '../../shared/database/sqlite.ts';
import { AgentLock } from '../../terminal-agent/till/agent-lock.ts';

/** @throws PayflowError TERMINAL_DB_MISSING, TERMINAL_DB_INVALID */
export function withTillFile<T>(file: string, body: (db: SqliteDatabase) => T): T {
  if (!existsSync(file)) throw new PayflowError('TERMINAL_DB_MISSING', `${file} does not exist`);
  if (!statSync(file).isFile()) throw new PayflowError('TERMINAL_DB_INVALID', `${file} is not a file`);
  let db: SqliteDatabase | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    return body(db);
  } catch (error) {
    throw wrapSqliteError(error, file);
  } finally {
    db?.close();
  }
}

/**
 * Runs `body` as one write transaction.
 * @throws PayflowError TERMINAL_DB_IN_USE while an agent has it, TERMINAL_DB_MISSING, _READ_ONLY, _INVALID, _BUSY
 */
export function changeTillFile<T>(file: string, body: (db: SqliteDatabase) => T): T {
  const path = realDatabasePath(file);
  const lock = AgentLock.take(path);
  let db: SqliteDatabase | undefined;
  try {
    const opened = openDatabase(path, { mustExist: true, busyTimeoutMs: BUSY_TIMEOUT_MS });
    db = opened;
    return inImmediate(opened, () => body(opened));
  } finally {
    db?.close();
    lock.release();
  }
}

/**
 * Runs `body` as one write transaction, also while an agent has the file.
 * @throws PayflowError TERMINAL_DB_MISSING, _READ_ONLY, _INVALID, _BUSY
 */
export function besideAgent<T>(file: string, body: (db: SqliteDatabase) => T): T {
  const db = openDatabase(realDatabasePath(file), { mustExist: true, busyTimeoutMs: BUSY_TIMEOUT_MS });
  try {
    return inImmediate(db, () => body(db));
  } finally {
    db.close();
  }
}

/** A person waits for it, and the app may be in the middle of a sale. */
const BUSY_TIMEOUT_MS = 10_000;
