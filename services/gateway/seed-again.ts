/** A table is seeded into the streams again: capture finds the wish in the WAL. */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { sleep } from '../shared/lifecycle.ts';
import { rows } from './database.ts';

/** As long as the largest tables take. */
const SEEDING_MS = 30 * 60_000;
const LOOK_MS = 200;
const EPOCH = `(SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch')`;

/**
 * A seeding that is wanted or under way is joined: its rows stand in the streams when it is done, and begun anew by each who
 * asks it would never be.
 * @param table as the mapping calls it at the centre
 * @throws PayflowError NOT_FOUND no such table is seeded
 */
export async function seedAgain(pool: Pool, table: string): Promise<void> {
  const known = await rows(
    pool,
    `SELECT FROM payflow_sync.seeding WHERE table_name = $1 AND epoch = ${EPOCH}`,
    [table],
  );
  if (known.length === 0) throw new PayflowError('NOT_FOUND', `no table ${table} is seeded into the streams`);
  await rows(
    pool,
    `UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL, rows = 0, updated_at = clock_timestamp()
      WHERE table_name = $1 AND epoch = ${EPOCH} AND state = 'done'`,
    [table],
  );
}

/** Until the rows of that table stand in the streams. @throws PayflowError SYNC_TIMEOUT capture has not done it */
export async function awaitSeeded(pool: Pool, table: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + SEEDING_MS;
  for (;;) {
    const open = await rows(
      pool,
      `SELECT FROM payflow_sync.seeding WHERE table_name = $1 AND epoch = ${EPOCH} AND state <> 'done'`,
      [table],
    );
    if (open.length === 0) return;
    if (signal.aborted || performance.now() > deadline)
      throw new PayflowError('SYNC_TIMEOUT', `${table} was not seeded into the streams again`);
    await sleep(LOOK_MS, signal);
  }
}
