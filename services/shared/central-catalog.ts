/** What pg_catalog says of the mapped tables. Read once at start and again when a Relation message differs. */
import type { Pool, PoolClient } from 'pg';

/** How a column's values are carried (see CentralValue in change-record.ts). */
export type CentralKind = 'boolean' | 'int' | 'bigint' | 'double' | 'bytes' | 'text';

export interface CentralColumn {
  readonly name: string;
  readonly kind: CentralKind;
  /** Type as `format_type` prints it: `numeric(12,2)`, `timestamp with time zone`, `text[]`. */
  readonly type: string;
  readonly typeOid: number;
  readonly isArray: boolean;
  readonly notNull: boolean;
  /** SQL of the default, without identity; null without one. */
  readonly defaultSql: string | null;
  /** `always` and `by default` identity columns. */
  readonly identity: 'always' | 'default' | null;
  /** GENERATED … STORED: can never be written. */
  readonly generated: boolean;
  /** May be stored out of line (TOAST). */
  readonly toastable: boolean;
}

export interface CentralForeignKey {
  readonly columns: readonly string[];
  /** Name as in the mapping. */
  readonly parent: string;
  readonly parentColumns: readonly string[];
}

export interface CentralTable {
  /** As in the mapping: schema-qualified unless in `public`. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly partitioned: boolean;
  readonly columns: readonly CentralColumn[];
  /** Primary key columns in key order; empty without one. */
  readonly key: readonly string[];
  readonly uniques: readonly (readonly string[])[];
  readonly foreignKeys: readonly CentralForeignKey[];
  readonly replicaIdentity: 'default' | 'full' | 'index' | 'nothing';
}

/**
 * @param names as in the mapping (`products`, `other.products`, `payflow_sync.link`)
 * @returns the tables that exist, by name
 */
export async function readCentralCatalog(
  _client: Pool | PoolClient,
  _names: readonly string[],
): Promise<Map<string, CentralTable>> {
  throw new Error('not written yet');
}
