/**
 * Rows that a table had when it was captured for the first time, and of which nobody knows whether the centre has them too.
 * A row of the centre may be one of them, so it comes in only where that can be told; else the app would have two rows of
 * one thing, and nothing could tell which of them to take away.
 *
 *   sync_table.earlier | what is known of such rows      | a row of the centre that is new here        | a sweep offers
 *                      |                                 |                                             | unknown rows
 *   -------------------+---------------------------------+---------------------------------------------+---------------
 *   NULL               | not looked at                   | like 0                                      | no
 *   1                  | some are unknown                | is compared by the natural key; of a table  | no
 *                      |                                 | that goes up, and has none here, it waits   |
 *   2                  | an operator has said that none  | comes in                                    | no
 *                      | is the centre's, or bootstrap   |                                             |
 *                      | has run and could not offer all |                                             |
 *   0                  | all are known                   | comes in                                    | yes
 */
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { isPublished } from './captured-tables.ts';

export interface EarlierRows {
  /** Local name. */
  readonly table: string;
  /** Without a link, and never offered; a sale that is not cut yet is counted, too. */
  readonly rows: number;
  /** Whether rows of the centre that are new here wait for bootstrap. */
  readonly waits: boolean;
}

/** When a table is captured for the first time. */
export function noteEarlierRows(db: SqliteDatabase, { local }: BoundTable): void {
  const unknown = `SELECT 1 FROM ${quoteName(local.name)} AS source WHERE ${unknownSql(local)}`;
  db.prepare(`UPDATE sync_table SET earlier = EXISTS (${unknown}) WHERE name = ? AND earlier IS NULL`).run(
    local.name,
  );
}

/** More of its rows are known by now. */
export function noteEarlierAgain(db: SqliteDatabase, table: BoundTable): void {
  db.prepare('UPDATE sync_table SET earlier = NULL WHERE name = ? AND earlier = 1').run(table.local.name);
  noteEarlierRows(db, table);
}

/** They were offered: whatever is unknown from now on was made since. @param options.some are left nevertheless */
export function forgetEarlierRows(
  db: SqliteDatabase,
  table: string,
  { some }: { readonly some: boolean },
): void {
  db.prepare('UPDATE sync_table SET earlier = ? WHERE name = ?').run(some ? 2 : 0, table);
}

/** Whether what is unknown in it may be such a row. */
export function hasEarlierRows(db: SqliteDatabase, table: string): boolean {
  return db.prepare('SELECT 1 FROM sync_table WHERE name = ? AND earlier = 0').get(table) === undefined;
}

/**
 * Columns by which a row shows what it is. None where part of the natural key is a constant that the till lacks, as its
 * store: its rows don't show whether they are that row.
 */
export function naturalKeyHere({ mapping, columns }: BoundTable): readonly BoundColumn[] {
  const here = mapping.naturalKey.flatMap((local) => columns.find((column) => column.local === local) ?? []);
  return here.length === mapping.naturalKey.length ? here : [];
}

/** Tables of which no row that is new here comes in before bootstrap. */
export function awaitsBootstrap(db: SqliteDatabase, table: BoundTable): boolean {
  return isPublished(table) && naturalKeyHere(table).length === 0 && isOpen(db, table);
}

/** @returns tables that go up and have such rows, in the binding's order; counting goes through them */
export function earlierRows(db: SqliteDatabase, tables: Iterable<BoundTable>): EarlierRows[] {
  return [...tables]
    .filter((table) => isPublished(table) && isOpen(db, table))
    .map((table) => ({
      table: table.local.name,
      rows: countUnknown(db, table),
      waits: awaitsBootstrap(db, table),
    }));
}

function isOpen(db: SqliteDatabase, { local }: BoundTable): boolean {
  return db.prepare('SELECT 1 FROM sync_table WHERE name = ? AND earlier = 1').get(local.name) !== undefined;
}

function countUnknown(db: SqliteDatabase, { local }: BoundTable): number {
  const sql = `SELECT count(*) FROM ${quoteName(local.name)} AS source WHERE ${unknownSql(local)}`;
  return db.prepare<[], number>(sql).pluck().safeIntegers(false).get() ?? 0;
}

function unknownSql({ name, key }: BoundTable['local']): string {
  return `NOT EXISTS (SELECT 1 FROM ${quoteName(`sync_row_${name}`)} WHERE row_key = ${rowKeySql('source', key)})`;
}
