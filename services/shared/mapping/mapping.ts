/**
 * The mapping, parsed: which local table is which central table, and how their columns correspond. All names
 * are local names, except `central` and the values of `rename`. `mapping-parser.ts` makes these from YAML;
 * `table-binding.ts` joins them with the two catalogs.
 */
import type { Charset } from '../values/charset.ts';

export type Policy = 'last-writer-wins' | 'central-wins' | 'terminal-wins' | 'delta' | 'append-only';
export type ColumnFormat = 'iso' | 'sqlite' | 'local' | 'epoch_s' | 'epoch_ms' | 'julian' | 'date';
export type Direction = 'both' | 'push' | 'pull';
/** `auto`: soft where the central table has deleted_at or is_deleted, else hard. */
export type DeleteMode = 'auto' | 'soft' | 'hard' | 'deny' | 'ignore';

export type Scope =
  | { readonly kind: 'global' }
  /** The central row names its store in the (local name of the) column. */
  | { readonly kind: 'column'; readonly column: string }
  /** The row belongs to the store of the row that this reference column points to. */
  | { readonly kind: 'via'; readonly column: string };

/** What a local reference column holds: the parent's local key (default), its server_id or its local_id. */
export type ReferenceHolds = 'local_key' | 'server_id' | 'local_id';
export interface Reference {
  /** Local name of the parent table. */
  readonly table: string;
  readonly holds: ReferenceHolds;
  /** A till may not set it to a row of another store; otherwise that is applied and listed. */
  readonly withinStore: boolean;
}

export interface ColumnOptions {
  readonly policy?: Policy;
  readonly format?: ColumnFormat;
  /** IANA zone of `format: local`. */
  readonly zone?: string;
  /** The till holds an integer of 10^-n units, the centre a numeric: 1250 ↔ 12.50 for 2. */
  readonly minorUnits?: number;
  /** `push`: only head office changes it; what a till writes over it is put back. */
  readonly direction?: 'push';
  /** `empty: null`: the till's '' is the centre's NULL. */
  readonly emptyIsNull?: true;
  /** In which the app writes the column's texts; without it UTF-8. */
  readonly charset?: Charset;
}

/**
 * Whether the app's own triggers run on rows from the centre. `auto`: those that write nothing but virtual tables,
 * which are search indexes.
 */
export type AppTriggerMode = 'auto' | 'keep' | 'suspend';

/** A constant for a central column that the till lacks. */
export type SetValue =
  | { readonly kind: 'store' }
  | { readonly kind: 'terminal' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean };

export interface TableMapping {
  /** Local table name. */
  readonly local: string;
  /** Central table name; with schema where it is not in `public`. */
  readonly central: string;
  readonly scope: Scope;
  readonly direction: Direction;
  readonly delete: DeleteMode;
  readonly policy: Policy;
  /** `row`: any two edits of one row conflict. `column` (default of the product) comes with a later version. */
  readonly granularity: 'row' | 'column';
  /** Local columns that stay on the till. */
  readonly exclude: ReadonlySet<string>;
  /** Local column that may hold a UUID of the row. */
  readonly identity: string;
  /** Local column that shows the central id. */
  readonly link: string;
  /** Local name of the column whose value says when the row was last changed. */
  readonly timestamp: string;
  /** Local column → central column. */
  readonly rename: ReadonlyMap<string, string>;
  readonly columns: ReadonlyMap<string, ColumnOptions>;
  /** Central column → constant. */
  readonly set: ReadonlyMap<string, SetValue>;
  /** Local column → parent. */
  readonly references: ReadonlyMap<string, Reference>;
  /** Local columns. Empty: none. */
  readonly naturalKey: readonly string[];
  /** Local columns whose values nobody is shown; they travel and are applied like any other. */
  readonly sensitive: ReadonlySet<string>;
  readonly appTriggers: AppTriggerMode;
}

export interface Mapping {
  /** Counts up with every published change; 0 while unpublished. */
  readonly version: number;
  /** In parents-first order (a table comes after every table it references, nullable cycles aside). */
  readonly tables: readonly TableMapping[];
  /** The YAML text it came from; this is what is published and what tills parse again. */
  readonly source: string;
}

/** @returns the central column of a local one: its rename, else the same name. */
export function centralColumn(table: TableMapping, local: string): string {
  return table.rename.get(local) ?? local;
}

/** Columns that the agent itself keeps on the till where they exist. */
export const STATUS_COLUMNS = ['sync_status', 'sync_operation', 'last_sync_at'] as const;
