/** Finished jobs, and comparisons, are kept for RETENTION_DAYS; they are looked through hourly, not only when the gateway starts. */
import type { Logger } from 'pino';
import { sleep } from '../../shared/lifecycle.ts';
import { quietly } from '../quietly.ts';
import type { JobStore } from './job-store.ts';

const HOUR_MS = 3_600_000;

export interface JobRetentionOptions {
  readonly stores: readonly Pick<JobStore, 'removeFinishedBefore'>[];
  readonly retentionDays: number;
  readonly log: Logger;
  readonly everyMs?: number | undefined;
}

/** @returns the function that stops it */
export function removeOldJobs(options: JobRetentionOptions): () => Promise<void> {
  const stop = new AbortController();
  const removing = removeUntil(stop.signal, options);
  return async () => {
    stop.abort();
    await removing;
  };
}

async function removeUntil(signal: AbortSignal, options: JobRetentionOptions): Promise<void> {
  const { stores, retentionDays, log, everyMs = HOUR_MS } = options;
  while (!signal.aborted) {
    await sleep(everyMs, signal);
    if (signal.aborted) return;
    await quietly(log, 'old jobs could not be removed; trying again in an hour', async () => {
      for (const store of stores) await store.removeFinishedBefore(retentionDays);
    });
  }
}
