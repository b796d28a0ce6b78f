/** What an SQLite file says of its tables. */
import type { Database } from 'better-sqlite3';
import { readUniqueIndexes, type LocalUniqueIndex } from './unique-indexes.ts';
import { hasConflictClause, triggerHasConflictClause, writesOnlyVirtual } from './trigger-targets.ts';

export type Affinity = 'INTEGER' | 'REAL' | 'NUMERIC' | 'TEXT' | 'BLOB';

export interface LocalColumn {
  readonly name: string;
  /** As declared, may be empty. */
  readonly declaredType: string;
  /** By https://www.sqlite.org/datatype3.html §3.1. */
  readonly affinity: Affinity;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Generated columns can never be written. */
  readonly generated: boolean;
}

export interface LocalForeignKey {
  readonly columns: readonly string[];
  readonly parent: string;
  /** Empty: the parent's primary key. */
  readonly parentColumns: readonly string[];
}

export interface LocalTable {
  readonly name: string;
  readonly columns: readonly LocalColumn[];
  /** Primary key columns in key order; empty without one. */
  readonly key: readonly string[];
  /** The key is one INTEGER PRIMARY KEY column, an alias of the rowid. */
  readonly keyIsRowid: boolean;
  readonly withoutRowid: boolean;
  readonly uniques: readonly (readonly string[])[];
  /** All of them, as triggers ask them; not there in a table that was made up. */
  readonly uniqueIndexes?: readonly LocalUniqueIndex[] | undefined;
  readonly foreignKeys: readonly LocalForeignKey[];
  /** CREATE TRIGGER statements of the app's own triggers on this table (not ours, whose names start with sync_). */
  readonly appTriggers: readonly AppTrigger[];
  /** Its declaration says ON CONFLICT somewhere. */
  readonly conflictClause?: boolean | undefined;
  /** What stands under this name is none of these, and can't be synced: it has no columns here. */
  readonly notATable?: 'view' | 'virtual table' | undefined;
}

export interface AppTrigger {
  readonly name: string;
  readonly sql: string;
  /** It writes virtual tables and nothing else. */
  readonly fillsIndex: boolean;
  /** A statement of it says what happens to rows in its way (OR REPLACE …). */
  readonly conflictClause?: boolean | undefined;
}

const GENERATED_VIRTUAL = 2;
const GENERATED_STORED = 3;

/**
 * Every ordinary table of the file except our own (`sync_…`) and SQLite's, by name; views and virtual tables only so
 * far that somebody who maps one can be told so.
 */
export function readLocalCatalog(db: Database): Map<string, LocalTable> {
  const named = db
    .prepare<[], { name: string; type: string; sql: string }>(
      `SELECT name, type, coalesce(sql, '') AS sql FROM sqlite_master
        WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
          AND name NOT LIKE 'sync\\_%' ESCAPE '\\'
        ORDER BY name`,
    )
    .all();
  const ordinary = ordinaryTables(db);
  const triggers = readTriggers(db);
  const catalog = new Map<string, LocalTable>();
  for (const { name, type, sql } of named) {
    const withoutRowid = ordinary.get(name);
    if (withoutRowid !== undefined) {
      const appTriggers = triggers.get(name.toLowerCase()) ?? [];
      const conflictClause = hasConflictClause(sql);
      catalog.set(name, { ...readTable(db, name, withoutRowid), appTriggers, conflictClause });
    } else if (type === 'view') catalog.set(name, notATable(name, 'view'));
    else if (isVirtual(sql)) catalog.set(name, notATable(name, 'virtual table'));
  }
  return catalog;
}

/** Whether they are WITHOUT ROWID. What virtual tables keep their data in is none of them. */
function ordinaryTables(db: Database): Map<string, boolean> {
  const rows = db
    .prepare(`SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'`)
    .safeIntegers(false)
    .all() as { name: string; wr: number }[];
  return new Map(rows.map(({ name, wr }) => [name, wr === 1]));
}

function notATable(name: string, what: 'view' | 'virtual table'): LocalTable {
  const nothing = { columns: [], key: [], uniques: [], foreignKeys: [], appTriggers: [] };
  return { name, ...nothing, keyIsRowid: false, withoutRowid: false, notATable: what };
}

function isVirtual(sql: string): boolean {
  return /^\s*CREATE\s+VIRTUAL\s/i.test(sql);
}

/** In lower case. */
export function readVirtualTables(db: Database): Set<string> {
  const tables = db
    .prepare<[], { name: string; sql: string }>(
      `SELECT lower(name) AS name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL`,
    )
    .all();
  return new Set(tables.filter(({ sql }) => isVirtual(sql)).map(({ name }) => name));
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly dflt_value: string | null;
  readonly pk: number;
  readonly hidden: number;
}

function readTable(db: Database, name: string, withoutRowid: boolean): Omit<LocalTable, 'appTriggers'> {
  const rows = pragma<ColumnRow>(db, 'table_xinfo', name);
  const key = rows
    .filter(({ pk }) => pk > 0)
    .sort((a, b) => a.pk - b.pk)
    .map((row) => row.name);
  const indexes = pragma<{ name: string; unique: number; origin: string; partial: number }>(
    db,
    'index_list',
    name,
  );
  const uniques = indexes
    // One with a WHERE holds for some rows only.
    .filter((index) => index.unique === 1 && index.origin !== 'pk' && index.partial === 0)
    .map((index) => pragma<{ seqno: number; name: string | null }>(db, 'index_info', index.name))
    .map((columns) => columns.map((column) => column.name))
    // An index on an expression is a rule that can't be named by columns.
    .filter((columns): columns is string[] => columns.every((column) => column !== null));
  const columns = rows.map((row) => ({
    name: row.name,
    declaredType: row.type,
    affinity: affinityOf(row.type),
    notNull: row.notnull === 1,
    hasDefault: row.dflt_value !== null,
    generated: row.hidden === GENERATED_VIRTUAL || row.hidden === GENERATED_STORED,
  }));
  return {
    name,
    columns,
    key,
    // A key that is not the rowid has an index of its own (also the odd INTEGER PRIMARY KEY DESC).
    keyIsRowid: key.length === 1 && !withoutRowid && !indexes.some(({ origin }) => origin === 'pk'),
    withoutRowid,
    uniques,
    uniqueIndexes: readUniqueIndexes(db, name, columns),
    foreignKeys: readForeignKeys(db, name),
  };
}

function readForeignKeys(db: Database, table: string): LocalForeignKey[] {
  const rows = pragma<{ id: number; seq: number; table: string; from: string; to: string | null }>(
    db,
    'foreign_key_list',
    table,
  );
  const ids = [...new Set(rows.map(({ id }) => id))].sort((a, b) => b - a);
  return ids.map((id) => {
    const parts = rows.filter((row) => row.id === id).sort((a, b) => a.seq - b.seq);
    return {
      columns: parts.map(({ from }) => from),
      parent: parts[0]?.table ?? '',
      parentColumns: parts.flatMap(({ to }) => (to === null ? [] : [to])),
    };
  });
}

/** By table name in lower case: SQLite stores the name as the trigger's author wrote it. */
function readTriggers(db: Database): Map<string, AppTrigger[]> {
  const virtual = readVirtualTables(db);
  const rows = db
    .prepare(
      `SELECT name, tbl_name, sql FROM sqlite_master
        WHERE type = 'trigger' AND name NOT LIKE 'sync\\_%' ESCAPE '\\' ORDER BY rowid`,
    )
    .all() as { name: string; tbl_name: string; sql: string }[];
  const byTable = new Map<string, AppTrigger[]>();
  for (const { name, tbl_name, sql } of rows) {
    const list = byTable.get(tbl_name.toLowerCase()) ?? [];
    list.push({
      name,
      sql,
      fillsIndex: writesOnlyVirtual(sql, virtual),
      conflictClause: triggerHasConflictClause(sql),
    });
    byTable.set(tbl_name.toLowerCase(), list);
  }
  return byTable;
}

/** Pragmas as functions take the name as a value: any name is safe. */
function pragma<Row>(db: Database, pragmaName: string, argument: string): Row[] {
  return db.prepare(`SELECT * FROM pragma_${pragmaName}(?)`).safeIntegers(false).all(argument) as Row[];
}

/** The rules of https://www.sqlite.org/datatype3.html §3.1, in their order. */
export function affinityOf(declaredType: string): Affinity {
  const type = declaredType.toUpperCase();
  if (type.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(type)) return 'TEXT';
  if (type === '' || type.includes('BLOB')) return 'BLOB';
  if (/REAL|FLOA|DOUB/.test(type)) return 'REAL';
  return 'NUMERIC';
}
