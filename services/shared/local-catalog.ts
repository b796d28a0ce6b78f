/** What an SQLite file says of its tables. */
import type { Database } from 'better-sqlite3';

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
  readonly foreignKeys: readonly LocalForeignKey[];
  /** CREATE TRIGGER statements of the app's own triggers on this table (not ours, whose names start with sync_). */
  readonly appTriggers: readonly { readonly name: string; readonly sql: string }[];
}

/** Every ordinary table of the file except our own (`sync_…`) and SQLite's, by name. */
export function readLocalCatalog(_db: Database): Map<string, LocalTable> {
  throw new Error('not written yet');
}
