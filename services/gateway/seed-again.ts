/** The wish that a table is seeded into the streams again; capture finds it in the WAL. */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { rows } from './database.ts';

/** @param table as the mapping calls it at the centre @throws PayflowError NOT_FOUND no such table is seeded */
export async function seedAgain(pool: Pool, table: string): Promise<void> {
  const wanted = await rows(
    pool,
    `UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL, rows = 0, updated_at = clock_timestamp()
      WHERE table_name = $1 AND epoch = (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch')
      RETURNING table_name`,
    [table],
  );
  if (wanted.length === 0)
    throw new PayflowError('NOT_FOUND', `no table ${table} is seeded into the streams`);
}
