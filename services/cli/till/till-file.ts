/** A till's file on this machine, looked at without changing it. */
import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { PayflowError } from '../../shared/errors.ts';
import { wrapSqliteError, type SqliteDatabase } from '../../shared/database/sqlite.ts';

/** @throws PayflowError TERMINAL_DB_MISSING, TERMINAL_DB_INVALID */
export function withTillFile<T>(file: string, body: (db: SqliteDatabase) => T): T {
  if (!existsSync(file)) throw new PayflowError('TERMINAL_DB_MISSING', `${file} does not exist`);
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
