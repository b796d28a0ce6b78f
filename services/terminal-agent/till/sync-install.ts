/**
 * Puts our tables and triggers into payflow.db, or brings them up to date; changes nothing when they are as
 * they should be. Runs inside the caller's transaction, so that the app never sees half of it.
 */
import Database from 'better-sqlite3';
import type { Logger } from 'pino';
import { PayflowError } from '../../shared/errors.ts';
import { inSavepoint, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { MAX_COLUMNS, type BoundTable, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import { linkAgain, lostTables, mendLost, noteOwnTables } from '../file/lost-tables.ts';
import { noteEarlierRows } from '../file/earlier-rows.ts';
import { markUnswept, markVanishedUnswept } from '../file/unswept.ts';
import type { Trigger } from '../file/key-triggers.ts';
import { allTriggers, isOwnTrigger, triggersFor } from '../file/own-triggers.ts';
import {
  LOCAL_SCHEMA,
  quoteName,
  syncNameIndexSql,
  syncRowIndexSql,
  syncRowTableSql,
} from './local-schema.ts';
import { compileProblem, isOfTable } from './compile-check.ts';

/** On the app's tables, of the versions before. */
const UUID_INDEX = 'sync_uuid_';

/** A table without a key cannot be captured; parity lists it. One with nothing but its key can. */
export function isCapturable(table: BoundTable): boolean {
  return table.local.key.length > 0;
}

/**
 * @returns the mapped tables that could not be installed, and why: the others sync without them, and what an earlier
 * installation left of them stays
 */
export function installSync(
  db: SqliteDatabase,
  binding: LocalBinding,
  log: Logger,
): ReadonlyMap<string, string> {
  checkOwnTables(db);
  tellMissing(db, binding, log);
  const lost = lostTables(db);
  db.exec(LOCAL_SCHEMA);
  mendLost(db, lost, log);
  addFormerKeys(db);
  // Whoever changes the schema may have brought them back.
  markVanishedUnswept(db);
  const wanted = new Set<string>();
  const failed = new Map<string, string>();
  for (const table of binding.tables.values()) {
    const installed = installTable(db, table, log);
    if (Array.isArray(installed)) for (const { name } of installed) wanted.add(name);
    else {
      failed.set(table.local.name, installed);
      // What it was captured by goes on recording, as long as it fails no statement of the app.
      if (compileProblem(db, table) === undefined)
        for (const name of ownTriggersOf(db, table.local.name)) wanted.add(name);
    }
  }
  const stale = ownTriggers(db).filter((name) => !wanted.has(name));
  if (stale.length > 0) log.info({ triggers: stale }, 'triggers of tables that are no longer mapped removed');
  dropTriggers(db, stale);
  noteOwnTables(db);
  for (const [table, why] of failed) log.error({ table, why }, 'this table can not be synced on this till');
  return failed;
}

/** @returns its triggers; a text says why it can have none */
function installTable(db: SqliteDatabase, table: BoundTable, log: Logger): Trigger[] | string {
  const { length } = table.columns;
  // SQLite finds out only after seconds, with the file locked.
  if (length > MAX_COLUMNS) return `too many columns: ${length}, and ${MAX_COLUMNS} can be recorded`;
  try {
    return inSavepoint(db, () => {
      if (installRows(db, table.local.name) && wasCaptured(db, table)) linkAgain(db, table);
      if (!isCapturable(table)) {
        log.warn({ table: table.local.name }, 'table without a key is not captured');
        return [];
      }
      return installTriggers(db, table, log);
    });
  } catch (error) {
    const why = reasonOf(error);
    if (why === null) throw error;
    return why;
  }
}

function reasonOf(error: unknown): string | null {
  const cause = error instanceof PayflowError ? error.cause : error;
  return isOfTable(cause) ? cause.message : null;
}

/** Of files of the version before, also for tables that are away just now. */
function addFormerKeys(db: SqliteDatabase): void {
  const tables = db
    .prepare<[], string>(
      `SELECT m.name FROM sqlite_master m
        WHERE m.type = 'table' AND substr(m.name, 1, 9) = 'sync_row_'
          AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'former_key')`,
    )
    .pluck()
    .all();
  for (const table of tables) db.exec(`ALTER TABLE ${quoteName(table)} ADD COLUMN former_key`);
}

/** An index that an earlier version made under another name does as well. @returns whether they were not there */
function installRows(db: SqliteDatabase, table: string): boolean {
  const name = `sync_row_${table}`;
  const inTheWay = db
    .prepare<[string], string>(`SELECT tbl_name FROM sqlite_master WHERE type = 'index' AND name = ?`)
    .pluck()
    .get(name);
  if (inTheWay !== undefined) {
    db.exec(`DROP INDEX ${quoteName(name)}; ${syncRowIndexSql(inTheWay.slice('sync_row_'.length))}`);
  }
  const isNew = columnsOf(db, name).length === 0;
  db.exec(syncRowTableSql(table));
  const indexed = db
    .prepare<[string], number>(
      `SELECT count(*) FROM pragma_index_list(?) AS l JOIN pragma_index_info(l.name) AS i
        WHERE i.seqno = 0 AND i.name = 'row_key'`,
    )
    .pluck()
    .get(name);
  if (indexed === 0) db.exec(syncRowIndexSql(table));
  db.exec(syncNameIndexSql(table));
  return isNew;
}

/** Each time that tables and mapping are put together: at the start, and when one of them changed. */
function tellMissing(db: SqliteDatabase, { tables, missing }: LocalBinding, log: Logger): void {
  if (missing.length === 0) return;
  const what = db.prepare<[string], string>(
    `SELECT CASE type WHEN 'view' THEN 'view' ELSE 'virtual table' END FROM sqlite_master
      WHERE name = ? AND type IN ('table', 'view')`,
  );
  const found = missing.map(({ local }) => ({ local, what: what.pluck().get(local) }));
  for (const { local: table, what: kind } of found)
    if (kind !== undefined) log.warn({ table }, `mapped, but it is a ${kind}: none of its rows sync`);
  const names = found.flatMap(({ local, what: kind }) => (kind === undefined ? [local] : []));
  if (names.length === 0) return;
  if (tables.size > 0) log.info({ tables: names }, 'mapped tables that this till lacks are skipped');
  else log.warn({ tables: names }, `${db.name} has none of the mapped tables; is it the file of the app?`);
}

/** Another program's table under one of our names would make our triggers fail inside the app's statements. */
function checkOwnTables(db: SqliteDatabase): void {
  const model = new Database(':memory:');
  try {
    model.exec(LOCAL_SCHEMA);
    const tables = model
      .prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sync%'`)
      .pluck()
      .all();
    for (const table of tables) {
      const found = new Set(columnsOf(db, table));
      const missing = columnsOf(model, table).filter((column) => !found.has(column));
      if (found.size === 0 || missing.length === 0) continue;
      throw new PayflowError(
        'TERMINAL_DB_INVALID',
        `${db.name} has a table ${table} that is not ours (no column ${missing.join(', ')})`,
      );
    }
  } finally {
    model.close();
  }
}

/**
 * Takes our triggers and indexes off the app's tables; what was recorded stays. Inside the caller's transaction.
 * @returns the names of what was removed
 */
export function removeTriggers(db: SqliteDatabase): string[] {
  const triggers = ownTriggers(db);
  const indexes = db
    .prepare<[string], string>(
      `SELECT name FROM sqlite_master WHERE type = 'index' AND substr(name, 1, ${UUID_INDEX.length}) = ?`,
    )
    .pluck()
    .all(UUID_INDEX);
  dropTriggers(db, triggers);
  for (const name of indexes) db.exec(`DROP INDEX ${quoteName(name)}`);
  return [...triggers, ...indexes];
}

function wasCaptured(db: SqliteDatabase, { local }: BoundTable): boolean {
  return db.prepare('SELECT 1 FROM sync_table WHERE name = ?').get(local.name) !== undefined;
}

function installTriggers(db: SqliteDatabase, table: BoundTable, log: Logger): Trigger[] {
  const { name } = table.local;
  const isKnown = wasCaptured(db, table);
  const wanted = triggersFor(db, table);
  noteEarlierRows(db, table);
  const found = triggerRows(db, name);
  const areThere = areAllThere(found, wanted);
  if (areThere && areNewest(found)) return wanted;
  // While they were away, or others, the app may have written.
  if (isKnown && !areThere) markUnswept(db, name);
  const compiledBefore = compileProblem(db, table) === undefined;
  dropTriggers(db, ownTriggersOf(db, name));
  for (const trigger of wanted) db.exec(trigger.sql);
  const problem = compileProblem(db, table);
  // A trigger that does not compile would fail every statement of the app: never commit one.
  if (problem !== undefined && compiledBefore) {
    throw new PayflowError('INTERNAL', `triggers of ${table.local.name} do not compile`, { cause: problem });
  }
  log.info({ table: table.local.name }, 'triggers installed');
  return wanted;
}

/** Creates the triggers of a table again, so that they are the newest on it. */
export function recreateTriggers(db: SqliteDatabase, table: BoundTable): void {
  if (!isCapturable(table)) return;
  dropTriggers(db, ownTriggersOf(db, table.local.name));
  for (const trigger of triggersFor(db, table)) db.exec(trigger.sql);
}

function dropTriggers(db: SqliteDatabase, names: readonly string[]): void {
  for (const name of names) db.exec(`DROP TRIGGER IF EXISTS ${quoteName(name)}`);
}

/** As wanted, word for word. */
function areAllThere(found: readonly Trigger[], wanted: readonly Trigger[]): boolean {
  const own = new Map(found.filter(isOwnTrigger).map(({ name, sql }) => [name, sql]));
  return own.size === wanted.length && wanted.every(({ name, sql }) => own.get(name) === sql);
}

/** Than every trigger of the app. */
function areNewest(found: readonly Trigger[]): boolean {
  const firstOwn = found.findIndex(isOwnTrigger);
  const lastApp = found.findLastIndex((trigger) => !isOwnTrigger(trigger));
  return lastApp <= firstOwn;
}

/** Of ours, by name: what records a table. */
export function ownTriggersOf(db: SqliteDatabase, table: string): string[] {
  return triggerRows(db, table)
    .filter(isOwnTrigger)
    .map(({ name }) => name);
}

function triggerRows(db: SqliteDatabase, table: string): Trigger[] {
  return db
    .prepare<[string], Trigger>(
      `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`,
    )
    .all(table);
}

function ownTriggers(db: SqliteDatabase): string[] {
  return allTriggers(db)
    .filter(isOwnTrigger)
    .map(({ name }) => name);
}

function columnsOf(db: SqliteDatabase, table: string): string[] {
  return db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
}
