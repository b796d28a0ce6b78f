/** What a draft is made of: both catalogs, and rows of each table. */
import type { CentralColumn, CentralTable } from '../../shared/catalog/central-catalog.ts';
import type { LocalColumn, LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import type { ColumnOptions } from '../../shared/mapping/mapping.ts';

/** Values by column as `column::text` shows them. */
export type CentralRow = Readonly<Record<string, string | null>>;

export interface DraftFacts {
  readonly central: ReadonlyMap<string, CentralTable>;
  readonly centralRows: ReadonlyMap<string, readonly CentralRow[]>;
  readonly local: ReadonlyMap<string, LocalTable>;
  readonly localRows: ReadonlyMap<string, readonly SampleRow[]>;
}

/** A row that stands on both sides. */
export interface CommonRow {
  readonly local: SampleRow;
  readonly central: CentralRow;
}

/** Rows of both sides that are the same, and by which columns that was seen. */
export interface CommonRows {
  readonly rows: readonly CommonRow[];
  readonly by: { readonly local: string; readonly central: string } | null;
}

/** A local table and the central one that it is taken for. */
export interface TablePair {
  readonly local: LocalTable;
  readonly central: CentralTable;
  readonly localRows: readonly SampleRow[];
  readonly centralRows: readonly CentralRow[];
  readonly common: CommonRows;
  /** Why, where the names alone don't say it. */
  readonly why: string;
}

export interface ColumnPair {
  readonly local: LocalColumn;
  readonly central: CentralColumn;
  readonly form: ColumnOptions;
  /** Rows that both sides have say so. */
  readonly agrees: boolean;
  /** Why they are taken for one, and in this form; empty where both names and values say it. */
  readonly why: string;
}

/** Something that the draft says, and why; without a reason it is no guess. */
export interface Said<Value> {
  readonly value: Value;
  readonly why: string;
}
