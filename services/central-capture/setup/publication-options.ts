/** What the publication publishes: everything, under the names of root tables. */
import type { PoolClient } from 'pg';

/** From this version on a full replica identity demands that stored generated columns are published. */
const GENERATED_COLUMNS_SINCE = 180_000;

export async function publicationOptions(client: PoolClient): Promise<string> {
  const { rows } = await client.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const options = `publish = 'insert, update, delete, truncate', publish_via_partition_root = true`;
  const generated = (rows[0]?.version ?? 0) >= GENERATED_COLUMNS_SINCE;
  return generated ? `${options}, publish_generated_columns = stored` : options;
}
