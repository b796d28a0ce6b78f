/** Whether statements on a table of the app compile, with all the triggers that stand on it. */
import Database from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { quoteName } from './local-schema.ts';

/** @returns the error with which they would fail: a trigger names what is not there, a module is not ours, a limit */
export function compileProblem(db: SqliteDatabase, table: BoundTable): Error | undefined {
  const { local, columns, linkColumn, statusColumns } = table;
  const name = quoteName(local.name);
  const own = [linkColumn ?? [], ...statusColumns]
    .flat()
    .filter((column) => local.columns.some((each) => each.name === column && !each.generated));
  const written = new Set([...local.key, ...columns.map((column) => column.local), ...own]);
  const sets = [...written].map((column) => `${quoteName(column)} = ${quoteName(column)}`);
  try {
    db.prepare(`EXPLAIN INSERT INTO ${name} DEFAULT VALUES`).all();
    db.prepare(`EXPLAIN UPDATE ${name} SET ${sets.join(', ')}`).all();
    db.prepare(`EXPLAIN DELETE FROM ${name}`).all();
    return undefined;
  } catch (error) {
    if (isOfTable(error)) return error;
    throw error;
  }
}

const OF_TABLE: readonly string[] = ['SQLITE_ERROR', 'SQLITE_TOOBIG', 'SQLITE_CORRUPT_VTAB'];

/** What the table itself, or an index that its triggers fill, is to blame for: a limit of SQLite's above all. */
export function isOfTable(error: unknown): error is Error {
  return error instanceof Database.SqliteError && OF_TABLE.includes(error.code);
}
