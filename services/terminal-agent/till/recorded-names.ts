/** Under which names this file knows tables and columns; from then on they are called so (see local-names.ts). */
import { readLocalCatalog } from '../../shared/catalog/local-catalog.ts';
import type { RecordedNames } from '../../shared/catalog/local-names.ts';
import { bindLocal, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { CENTRE_COLUMNS, type KnownColumns } from '../file/centre-columns.ts';
import { BOUND_COLUMNS } from '../streams/bound-columns.ts';
import { metaBefore } from './file-facts.ts';

/** The mapping joined with the tables that are in the file now. */
export function bindFile(db: SqliteDatabase, mapping: Mapping): LocalBinding {
  return bindLocal(mapping, readLocalCatalog(db), recordedNames(db));
}

/** A file that no agent ever had knows none. */
function recordedNames(db: SqliteDatabase): RecordedNames {
  const numbered = isThere(db, 'sync_table') && isThere(db, 'sync_column') ? numberedNames(db) : [];
  const atCentre = JSON.parse(metaBefore(db, CENTRE_COLUMNS) ?? '{}') as Record<string, KnownColumns>;
  const bound = JSON.parse(metaBefore(db, BOUND_COLUMNS) ?? '[]') as string[];
  return {
    tables: [...new Set([...numbered.map(({ table }) => table), ...keptTables(db)])],
    columns: (table) => [
      ...numbered.flatMap((each) => (each.table === table && each.column !== null ? [each.column] : [])),
      ...(atCentre[table]?.columns ?? []),
      ...bound.filter((each) => each.startsWith(`${table}.`)).map((each) => each.slice(table.length + 1)),
    ],
  };
}

function numberedNames(db: SqliteDatabase): { table: string; column: string | null }[] {
  return db
    .prepare<[], { table: string; column: string | null }>(
      `SELECT t.name AS "table", c.name AS "column" FROM sync_table AS t
        LEFT JOIN sync_column AS c ON c.table_number = t.number ORDER BY t.number, c.number`,
    )
    .all();
}

const ROWS = 'sync_row_';

/** Tables of which rows are kept, whether they are here or not. */
export function keptTables(db: SqliteDatabase): string[] {
  return db
    .prepare<[number, string], string>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?`,
    )
    .pluck()
    .all(ROWS.length, ROWS)
    .map((name) => name.slice(ROWS.length));
}

function isThere(db: SqliteDatabase, table: string): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`).get(table) !== undefined;
}
