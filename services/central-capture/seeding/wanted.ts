/** Which tables have to be sent again after something happened to streams, and the wish for it. */
import type { Pool, PoolClient } from 'pg';
import { storeIdOfTopic, catalogTopic } from '../../shared/log/topics.ts';
import { LINK_TABLE } from '../../shared/records/change-record.ts';
import type { TableScope } from '../routing/scope.ts';

/** The tables whose rows travel in any of these topics. Pure. */
export function tablesIn(
  topics: readonly string[],
  { prefix, scopes }: { readonly prefix: string; readonly scopes: ReadonlyMap<string, TableScope> },
): string[] {
  const isCatalog = topics.includes(catalogTopic(prefix));
  const isStore = topics.some((topic) => storeIdOfTopic(prefix, topic) !== undefined);
  return [...scopes].flatMap(([table, { kind }]) => {
    const travels = kind === 'every' ? isCatalog || isStore : kind === 'global' ? isCatalog : isStore;
    return travels ? [table] : [];
  });
}

export interface WishOptions {
  /** As the tables are sent from now on, by name; without it as before. */
  readonly columns?: ReadonlyMap<string, string> | undefined;
  /** Only of tables that were sent in another shape. */
  readonly onlyReshaped?: boolean | undefined;
}

/** Links are seeded again where the WAL has a gap, and nowhere else; so it has one for all that is wanted with them. */
export function isAfterGap(tables: readonly string[]): boolean {
  return tables.includes(LINK_TABLE);
}

/**
 * The wish travels in the WAL like everybody else's. Tables that setup has not seen yet are left to it.
 * @returns of which tables a seeding is wanted now
 */
export async function wantSeeding(
  client: Pool | PoolClient,
  epoch: number,
  tables: readonly string[],
  { columns, onlyReshaped = false }: WishOptions = {},
): Promise<string[]> {
  const { rows } = await client.query<{ table_name: string }>(
    `UPDATE payflow_sync.seeding AS s
     SET state = 'wanted', last_key = NULL, rows = 0, columns = coalesce(now.columns, s.columns),
         after_gap = s.after_gap OR $5, updated_at = clock_timestamp()
     FROM unnest($1::text[], $2::text[]) AS now (name, columns)
     WHERE s.table_name = now.name AND s.epoch = $3 AND (NOT $4 OR s.columns <> now.columns)
     RETURNING s.table_name`,
    [tables, tables.map((name) => columns?.get(name) ?? null), epoch, onlyReshaped, isAfterGap(tables)],
  );
  return rows.map((row) => row.table_name);
}
