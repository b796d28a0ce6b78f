/** What capture has to know of the centre before it starts. */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { parseMapping } from '../shared/mapping-parser.ts';
import type { Mapping } from '../shared/mapping.ts';
import { wrapPostgresError } from '../shared/postgres.ts';
import { formatPosition, parseLsn, type Lsn } from '../shared/position.ts';
import { slotName } from '../shared/slot-names.ts';
import { storeIdOfTopic } from '../shared/topics.ts';
import type { StreamWriter } from './stream-writer.ts';

export interface CentreState {
  readonly epoch: number;
  readonly mapping: Mapping;
  /** End of the server's WAL: nothing can stand later in a stream of this epoch. */
  readonly walEnd: Lsn;
  /** Stores of registered tills, and those that have a stream already. */
  readonly stores: readonly string[];
  /** Transactions that are in the WAL and wait for a synchronous standby before anybody sees them. */
  readonly committing: readonly number[];
}

/** @throws PayflowError DB_NOT_SET_UP, SLOT_LOST, MAPPING_INVALID */
export async function readCentreState(pool: Pool, prefix: string): Promise<CentreState> {
  try {
    await checkSetUp(pool, prefix);
    const { rows } = await pool.query<{ epoch: number; version: number; source: string; wal_end: string }>(
      `SELECT (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch') AS epoch,
              version, source, pg_current_wal_insert_lsn()::text AS wal_end FROM payflow_sync.mapping`,
    );
    const facts = rows[0];
    if (facts === undefined) throw new PayflowError('DB_NOT_SET_UP', 'no mapping is published');
    return {
      epoch: facts.epoch,
      mapping: parseMapping(facts.source, facts.version),
      walEnd: parseLsn(facts.wal_end),
      stores: await readStores(pool, prefix),
      committing: await readCommitting(pool),
    };
  } catch (error) {
    throw error instanceof PayflowError ? error : wrapPostgresError(error);
  }
}

/**
 * A stream that is ahead of the database belongs to another history: the database was restored. Going on
 * would take new changes for resent ones and write none of them.
 * @throws PayflowError SLOT_LOST
 */
export function checkTail(stream: StreamWriter, state: CentreState): void {
  const { epoch, lsn } = stream.newest;
  if (epoch < state.epoch || (epoch === state.epoch && lsn <= state.walEnd)) return;
  throw new PayflowError(
    'SLOT_LOST',
    `${stream.stream.topic} is at ${formatPosition(stream.newest)}, ahead of the database (epoch ${state.epoch})`,
  );
}

async function checkSetUp(pool: Pool, prefix: string): Promise<void> {
  const { rows } = await pool.query<{ schema: boolean; slot: boolean }>(
    `SELECT to_regclass('payflow_sync.mapping') IS NOT NULL AS schema,
            EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1) AS slot`,
    [slotName(prefix)],
  );
  if (rows[0]?.schema !== true) throw new PayflowError('DB_NOT_SET_UP', 'the schema payflow_sync is missing');
  if (!rows[0].slot) {
    throw new PayflowError('SLOT_LOST', `the replication slot ${slotName(prefix)} does not exist`);
  }
}

async function readStores(pool: Pool, prefix: string): Promise<string[]> {
  const { rows } = await pool.query<{ store_id: string | null; topic: string | null }>(
    `SELECT DISTINCT store_id, NULL::text AS topic FROM payflow_sync.terminal
     UNION SELECT NULL, topic FROM payflow_sync.stream`,
  );
  const stores = rows.map((row) => row.store_id ?? storeIdOfTopic(prefix, row.topic ?? ''));
  return [...new Set(stores.filter((store) => store !== undefined))];
}

async function readCommitting(pool: Pool): Promise<number[]> {
  const { rows } = await pool.query<{ xid: string }>(
    `SELECT backend_xid::text AS xid FROM pg_stat_activity
     WHERE wait_event = 'SyncRep' AND backend_xid IS NOT NULL`,
  );
  return rows.map((row) => Number(row.xid));
}
