/** What a person must have put right before setup or capture can do anything. */
import type { Pool, PoolClient } from 'pg';
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { PayflowError } from '../../shared/errors.ts';
import { mappedScope } from '../../shared/mapping/mapped-scope.ts';
import { centralColumn, type Mapping } from '../../shared/mapping/mapping.ts';

type Queryable = Pool | PoolClient;

/** @throws PayflowError DB_WAL_LEVEL */
export async function requireLogicalWal(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ level: string }>(`SELECT current_setting('wal_level') AS level`);
  const level = rows[0]?.level ?? 'unknown';
  if (level !== 'logical') throw new PayflowError('DB_WAL_LEVEL', `wal_level is ${level}, not logical`);
}

/** @throws PayflowError DB_NO_REPLICATION */
export async function requireReplicationRight(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ may_replicate: boolean; role: string }>(`
    SELECT current_user::text AS role,
           coalesce((SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user), false)
             OR EXISTS (SELECT FROM pg_roles
                        WHERE rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'member'))
             AS may_replicate`);
  const [server] = rows;
  if (server?.may_replicate === true) return;
  throw new PayflowError('DB_NO_REPLICATION', `the role ${server?.role ?? ''} has no REPLICATION attribute`);
}

/**
 * A row without a key cannot be named in a stream.
 * @param names central names of mapped tables; those that do not exist are another check's concern
 * @throws PayflowError TABLE_NO_KEY naming all of them
 */
export function requireKeys(names: readonly string[], catalog: ReadonlyMap<string, CentralTable>): void {
  const keyless = names.filter((name) => catalog.get(name)?.key.length === 0);
  if (keyless.length === 0) return;
  throw new PayflowError('TABLE_NO_KEY', `no primary key: ${keyless.join(', ')}`, {
    details: { tables: keyless },
  });
}

/**
 * Without the column that names its store, no row of a table could be sent, and a seeding would take all of them
 * for gone.
 * @throws PayflowError MAPPING_INVALID naming the columns
 */
export function requireScopes(mapping: Mapping, catalog: ReadonlyMap<string, CentralTable>): void {
  const missing = mapping.tables.flatMap((table) => {
    const central = catalog.get(table.central);
    if (central === undefined || table.scope.kind === 'global') return [];
    const name = centralColumn(table, table.scope.column);
    return central.columns.some((column) => column.name === name) ? [] : [`${table.central}.${name}`];
  });
  if (missing.length > 0) {
    throw new PayflowError('MAPPING_INVALID', `scope: the centre has no column ${missing.join(', ')}`);
  }
  requireSingleParents(mapping, catalog);
}

/** One column holds one id: through a parent whose key is composite no row would find its store. */
function requireSingleParents(mapping: Mapping, catalog: ReadonlyMap<string, CentralTable>): void {
  const byLocal = new Map(mapping.tables.map((table) => [table.local, table]));
  const wrong = mapping.tables.flatMap((table) => {
    const scope = mappedScope(table, byLocal);
    if (scope.kind !== 'via' || !catalog.has(table.central)) return [];
    const key = catalog.get(scope.parent)?.key ?? [];
    const what = `${table.central}.${scope.column} leads to ${scope.parent}`;
    return key.length > 1 ? [`${what}, whose key is ${key.join(', ')}`] : [];
  });
  if (wrong.length === 0) return;
  throw new PayflowError('MAPPING_INVALID', `scope: ${wrong.join('; ')}: one column can't name its rows`);
}
