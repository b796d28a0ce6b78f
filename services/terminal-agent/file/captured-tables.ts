/** The numbers by which triggers name tables and delta columns. Given once, and never again to another. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { CapturedTable } from './key-triggers.ts';

/** Tables whose own edits go up; the others are recorded only to be put back. */
export function isPublished(table: BoundTable): boolean {
  return table.mapping.direction !== 'push';
}

export function isDelta({ mapping, columns }: BoundTable, column: string): boolean {
  return (columns.find(({ local }) => local === column)?.policy ?? mapping.policy) === 'delta';
}

/** Inside the caller's transaction. */
export function numbered(db: SqliteDatabase, table: BoundTable): CapturedTable {
  const { local, columns } = table;
  const number = numberOf(db, local.name);
  const deltas = isPublished(table) ? columns.filter((column) => column.policy === 'delta') : [];
  return {
    number,
    name: local.name,
    key: local.key,
    uniques: local.uniqueIndexes ?? local.uniques.map((unique) => ({ columns: unique })),
    deltas: deltas.map((column) => ({ number: columnNumber(db, number, column.local), name: column.local })),
  };
}

function numberOf(db: SqliteDatabase, name: string): number {
  db.prepare('INSERT OR IGNORE INTO sync_table (name) VALUES (?)').run(name);
  return db.prepare<[string], number>('SELECT number FROM sync_table WHERE name = ?').pluck().get(name) ?? 0;
}

function columnNumber(db: SqliteDatabase, table: number, name: string): number {
  db.prepare('INSERT OR IGNORE INTO sync_column (table_number, name) VALUES (?, ?)').run(table, name);
  const found = db.prepare<[number, string], number>(
    'SELECT number FROM sync_column WHERE table_number = ? AND name = ?',
  );
  return found.pluck().get(table, name) ?? 0;
}

export interface TableNames {
  readonly tables: ReadonlyMap<number, string>;
  readonly columns: ReadonlyMap<number, string>;
}

export function readNumbers(db: SqliteDatabase): TableNames {
  const read = (table: string) =>
    new Map(
      db.prepare<[], [number, string]>(`SELECT number, name FROM ${table}`).raw().safeIntegers(false).all(),
    );
  return { tables: read('sync_table'), columns: read('sync_column') };
}
