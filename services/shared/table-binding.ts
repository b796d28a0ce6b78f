/**
 * The mapping joined with a catalog: what a till, and what the centre, does with each table. Pure.
 *
 * Key rule: a single-column local key with INTEGER affinity is a number of the till's own (`surrogateKey`); it
 * never leaves the till, and the central id is made by the centre. Any other local key column is carried
 * like an ordinary column. (A surrogate key that `rename` or `references` names is carried too.)
 */
import type { CentralTable } from './central-catalog.ts';
import type { Affinity, LocalTable } from './local-catalog.ts';
import type { ColumnOptions, Mapping, Policy, Reference, TableMapping } from './mapping.ts';

export interface BoundColumn {
  readonly local: string;
  readonly central: string;
  readonly affinity: Affinity;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly policy: Policy;
  readonly options: ColumnOptions;
  readonly reference: Reference | null;
}

/** A mapped table on a till. */
export interface BoundTable {
  readonly mapping: TableMapping;
  readonly local: LocalTable;
  /** Mapped columns that exist locally, are not excluded, not the surrogate key and not generated. */
  readonly columns: readonly BoundColumn[];
  readonly surrogateKey: boolean;
  /** Local columns that exist, else null: where local_id, server_id, the timestamp are kept. */
  readonly identityColumn: string | null;
  readonly linkColumn: string | null;
  readonly timestampColumn: string | null;
  readonly statusColumns: readonly string[];
  /** Local column that marks a soft delete (`deleted_at` or `is_deleted`, or what is renamed to it), else null. */
  readonly softDeleteColumn: string | null;
}

export interface LocalBinding {
  /** Parents first, by local name. */
  readonly tables: ReadonlyMap<string, BoundTable>;
  readonly byCentral: ReadonlyMap<string, BoundTable>;
  /** Mapped tables that this till lacks. */
  readonly missing: readonly TableMapping[];
}

export function bindLocal(_mapping: Mapping, _catalog: ReadonlyMap<string, LocalTable>): LocalBinding {
  throw new Error('not written yet');
}

/** A mapped table at the centre. */
export interface BoundCentralTable {
  readonly mapping: TableMapping;
  readonly central: CentralTable;
  /** Central columns that tills get and send: existing, not excluded (under their local name), not generated. */
  readonly columns: readonly string[];
  readonly timestampColumn: string | null;
  readonly softDeleteColumn: string | null;
  /** Effective delete mode, `auto` resolved. */
  readonly delete: 'soft' | 'hard' | 'deny' | 'ignore';
}

export interface CentralBinding {
  /** Parents first, by central name. */
  readonly tables: ReadonlyMap<string, BoundCentralTable>;
  readonly byLocal: ReadonlyMap<string, BoundCentralTable>;
  /** Mapped tables that the centre lacks. */
  readonly missing: readonly TableMapping[];
}

export function bindCentral(_mapping: Mapping, _catalog: ReadonlyMap<string, CentralTable>): CentralBinding {
  throw new Error('not written yet');
}
