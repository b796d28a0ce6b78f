/** Which tables have to be sent again after something happened to streams, and the wish for it. */
import type { Pool, PoolClient } from 'pg';
import { storeIdOfTopic, catalogTopic } from '../../shared/log/topics.ts';
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

/** The wish travels in the WAL like everybody else's. Tables that setup has not seen yet are left to it. */
export async function wantSeeding(
  client: Pool | PoolClient,
  epoch: number,
  tables: readonly string[],
): Promise<void> {
  await client.query(
    `UPDATE payflow_sync.seeding
     SET state = 'wanted', last_key = NULL, rows = 0, updated_at = clock_timestamp()
     WHERE epoch = $1 AND table_name = ANY ($2::text[])`,
    [epoch, tables],
  );
}
