/**
 * Some of our tables are gone from a file that had them: a tool that makes the schema as the app declares it drops what it
 * does not know. What they held is made good from what is left:
 *
 *   lost                   | made good by
 *   -----------------------+---------------------------------------------------------------------------------------
 *   sync_row_<table>       | the links that its rows show; of their columns nothing is agreed until the streams, read
 *                          |   again, say what the centre holds. Rows without a link may all be known there, so none
 *                          |   of them is offered
 *   sync_table             | the triggers, which say the numbers; entries under others are nobody's, and the sweep
 *                          |   finds what they were about
 *   sync_column            | the sweep: it enters what a row holds more or less
 *   any                    | the sweep of every table, since nobody knows for how long nothing was recorded; and the
 *                          |   streams: parked rows and what was not seen yet may have gone with it
 *   sync_outbox, sync_meta | the file does not prove any more that it is ours, see till/file-proof.ts
 */
import type { Logger } from 'pino';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import { Names } from '../../shared/catalog/same-name.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { getMeta, metaBefore, setMeta } from '../till/file-facts.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { keptTables } from '../till/recorded-names.ts';
import { ownTables } from './own-tables.ts';
import { markAllUnswept } from './unswept.ts';

/** In sync_meta: all of ours that were there, as JSON; a later version may bring others. */
const OWN_TABLES = 'own_tables';

/** In sync_meta: the streams are to be read from the beginning. */
export const READ_AGAIN = 'read_again';

/** Before any is made again. @returns their names */
export function lostTables(db: SqliteDatabase): string[] {
  const known = JSON.parse(metaBefore(db, OWN_TABLES) ?? '[]') as string[];
  const here = new Set(ownTables(db));
  return known.filter((name) => !here.has(name));
}

/** Behind their making. */
export function mendLost(db: SqliteDatabase, lost: readonly string[], log: Logger): void {
  if (lost.length === 0) return;
  if (lost.includes('sync_table')) recoverNumbers(db);
  if (lost.includes('sync_column')) db.exec('UPDATE sync_delta SET column_number = NULL');
  markAllUnswept(db, { deletes: false });
  setMeta(db, READ_AGAIN, '1');
  log.error(
    { tables: lost },
    `tables of ours are gone from ${db.name}, and made anew: every table is looked through, and the streams are read again; keep the app's schema tool off tables named sync_`,
  );
}

/** Behind the installation of all. */
export function noteOwnTables(db: SqliteDatabase): void {
  const names = JSON.stringify(ownTables(db));
  if (getMeta(db, OWN_TABLES) !== names) setMeta(db, OWN_TABLES, names);
}

/** Of a table that was recorded, and whose kept rows are gone: it was made again empty. */
export function linkAgain(db: SqliteDatabase, { local, linkColumn }: BoundTable): void {
  db.prepare('UPDATE sync_table SET earlier = NULL WHERE name = ?').run(local.name);
  // Without our facts nobody knows which centre the links are of.
  if (linkColumn === null || getMeta(db, 'terminal_id') === undefined) return;
  const link = `source.${quoteName(linkColumn)}`;
  // Apps show a uuid in capitals.
  const id = `CASE WHEN ${link} GLOB '*-*-*-*-*' THEN lower(${link}) ELSE CAST(${link} AS TEXT) END`;
  const key = rowKeySql('source', local.key);
  db.prepare(
    `INSERT INTO ${quoteName(`sync_row_${local.name}`)} (central_id, row_key, position, base)
      SELECT ${id} AS id, ${key} AS row_key, ?, '[]' FROM ${quoteName(local.name)} AS source
       WHERE ${link} IS NOT NULL AND ${key} IS NOT NULL GROUP BY id HAVING count(*) = 1`,
  ).run(encodePosition(ZERO_POSITION));
}

const INSERT_TRIGGER = 'sync_insert_';

function recoverNumbers(db: SqliteDatabase): void {
  const triggers = db
    .prepare<[string], { table: string; sql: string }>(
      `SELECT tbl_name AS "table", sql FROM sqlite_master
        WHERE type = 'trigger' AND substr(name, 1, ${INSERT_TRIGGER.length}) = ?`,
    )
    .all(INSERT_TRIGGER);
  const insert = db.prepare('INSERT OR IGNORE INTO sync_table (number, name) VALUES (?, ?)');
  // A table that is renamed takes its triggers along under their names.
  const recorded = new Names(keptTables(db));
  for (const { table, sql } of triggers) {
    const number = /INSERT INTO sync_outbox [^;]*?SELECT (\d+), 'c'/.exec(sql)?.[1];
    if (number !== undefined) insert.run(Number(number), recorded.of(table));
  }
  db.exec(`UPDATE sync_outbox SET table_number = NULL
    WHERE table_number NOT IN (SELECT number FROM sync_table)`);
}
