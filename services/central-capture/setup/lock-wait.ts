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

async function blocking(pool: Pool, pid: number): Promise<string | null> {
  try {
    const { rows } = await pool.query<{ pid: number; application: string; seconds: number }>(
      `SELECT pid, application_name AS application, extract(epoch FROM now() - xact_start)::int AS seconds
         FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY xact_start LIMIT 1`,
      [pid],
    );
    const [oldest] = rows;
    if (oldest === undefined) return null;
    const { application, seconds } = oldest;
    return `waits for a transaction to end: process ${oldest.pid} (${application || 'unnamed'}), open for ${seconds} s`;
  } catch (error) {
    return `may wait for a transaction to end; which could not be looked up: ${asPayflowError(error).message}`;
  }
}
