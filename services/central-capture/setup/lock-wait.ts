/**
 * Setup needs locks that a forgotten session in a transaction may hold, and PostgreSQL begins a slot only when
 * every transaction that was writing has ended. It says nothing meanwhile; who runs setup has to be told.
 */
import type { Pool } from 'pg';
import { asPayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';

export interface LockWaitOptions {
  /** Asked on another connection than the one that waits. */
  readonly pool: Pool;
  /** PostgreSQL's process of the one that may wait. */
  readonly pid: number;
  readonly say: (text: string) => void;
}

const LOOK_EVERY_MS = 3_000;

/** Tells, until `work` has ended, which transactions it waits for. @throws whatever `work` throws */
export async function tellingWhatItWaitsFor<T>(work: Promise<T>, options: LockWaitOptions): Promise<T> {
  const ended = new AbortController();
  const telling = tell(ended.signal, options);
  try {
    return await work;
  } finally {
    ended.abort();
    await telling;
  }
}

async function tell(ended: AbortSignal, { pool, pid, say }: LockWaitOptions): Promise<void> {
  for (;;) {
    await sleep(LOOK_EVERY_MS, ended);
    if (ended.aborted) return;
    const inTheWay = await blocking(pool, pid);
    if (inTheWay !== null) say(inTheWay);
  }
}

/**
 * A transaction that was prepared (two-phase commit) has no process, and outlives its session and the server's restart;
 * one that nobody ends is waited for without end. Its locks are those of nobody, and one of them is that of its own number.
 */
async function prepared(pool: Pool, pid: number): Promise<string | null> {
  const { rows } = await pool.query<{ gid: string; owner: string; database: string; seconds: number }>(
    `SELECT p.gid, p.owner, p.database, extract(epoch FROM now() - p.prepared)::int AS seconds
       FROM pg_prepared_xacts p
       JOIN pg_locks AS own ON own.transactionid = p.transaction AND own.granted AND own.pid IS NULL
       JOIN pg_locks AS has ON has.virtualtransaction = own.virtualtransaction AND has.granted AND has.pid IS NULL
       JOIN pg_locks AS wants ON wants.pid = $1 AND NOT wants.granted AND wants.locktype = has.locktype
        AND wants.relation IS NOT DISTINCT FROM has.relation
        AND wants.transactionid IS NOT DISTINCT FROM has.transactionid
      ORDER BY p.prepared LIMIT 1`,
    [pid],
  );
  const [oldest] = rows;
  if (oldest === undefined) return null;
  const { gid, owner, database, seconds } = oldest;
  const name = `'${gid.replaceAll("'", "''")}'`;
  return (
    `waits for a prepared transaction to end: ${name} of ${owner} in ${database}, prepared ${seconds} s ago; ` +
    `COMMIT PREPARED ${name} or ROLLBACK PREPARED ${name} ends it`
  );
}

async function blocking(pool: Pool, pid: number): Promise<string | null> {
  try {
    const { rows } = await pool.query<{ pid: number; application: string; seconds: number }>(
      `SELECT pid, application_name AS application, extract(epoch FROM now() - xact_start)::int AS seconds
         FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY xact_start LIMIT 1`,
      [pid],
    );
    const [oldest] = rows;
    if (oldest === undefined) return await prepared(pool, pid);
    const { application, seconds } = oldest;
    return `waits for a transaction to end: process ${oldest.pid} (${application || 'unnamed'}), open for ${seconds} s`;
  } catch (error) {
    return `may wait for a transaction to end; which could not be looked up: ${asPayflowError(error).message}`;
  }
}
