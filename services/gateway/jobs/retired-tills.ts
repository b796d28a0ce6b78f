/**
 * Jobs wait for tills that are away, but not for one that was retired meanwhile: it never comes back. Retiring
 * is a row in PostgreSQL (the command needs no gateway), so the gateway looks for it.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep } from '../../shared/lifecycle.ts';
import { rows } from '../database.ts';
import { quietly } from '../quietly.ts';
import type { Jobs } from './jobs.ts';
import { retiredError } from './targets.ts';

export interface RetiredTillsOptions {
  readonly pool: Pool;
  readonly jobs: Pick<Jobs, 'waitedFor' | 'abandon'>;
  readonly log: Logger;
  readonly everyMs: number;
}

/** @returns the function that stops looking */
export function abandonRetired(options: RetiredTillsOptions): () => Promise<void> {
  const stop = new AbortController();
  const looking = lookUntil(stop.signal, options);
  return async () => {
    stop.abort();
    await looking;
  };
}

async function lookUntil(
  signal: AbortSignal,
  { pool, jobs, log, everyMs }: RetiredTillsOptions,
): Promise<void> {
  while (!signal.aborted) {
    await quietly(log, 'retired tills could not be looked up; trying again', () => look(pool, jobs));
    await sleep(everyMs, signal);
  }
}

async function look(pool: Pool, jobs: RetiredTillsOptions['jobs']): Promise<void> {
  if (jobs.waitedFor.length === 0) return;
  const retired = await rows<{ terminalId: string }>(
    pool,
    `SELECT terminal_id AS "terminalId" FROM payflow_sync.terminal
     WHERE (status = 'retired' OR retire_offset IS NOT NULL) AND terminal_id = ANY ($1)`,
    [jobs.waitedFor],
  );
  for (const { terminalId } of retired) jobs.abandon(terminalId, retiredError(terminalId));
}
