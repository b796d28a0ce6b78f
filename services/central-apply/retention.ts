/**
 * Outcome rows are evidence, kept for RETENTION_DAYS and never asked before something is applied, so they
 * may go by age alone; in small portions, since every removed row is WAL that capture reads.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';

const HOUR_MS = 3_600_000;
const PORTION = 5_000;

export interface OutcomeRetentionOptions {
  readonly pool: Pool;
  readonly retentionDays: number;
  readonly log: Logger;
  readonly everyMs?: number;
  readonly onHealth?: (health: Health) => void;
}

export class OutcomeRetention implements Service {
  readonly name = 'outcome-retention';
  readonly #options: OutcomeRetentionOptions;

  constructor(options: OutcomeRetentionOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth, everyMs = HOUR_MS } = this.#options;
    await supervise(signal, { log, ...(onHealth && { onHealth }), endures: 'everything' }, async (ready) => {
      const removed = await this.purge(signal);
      ready();
      if (removed > 0) log.info({ removed }, 'old outcomes removed');
      await sleep(everyMs, signal);
    });
  }

  /** One step: removes what is older than the retention. @returns how many rows */
  async purge(signal?: AbortSignal): Promise<number> {
    const { pool, retentionDays } = this.#options;
    let removed = 0;
    for (;;) {
      const { rowCount } = await pool
        .query(
          `DELETE FROM payflow_sync.outcome WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM payflow_sync.outcome
              WHERE applied_at < now() - make_interval(days => $1) LIMIT $2))`,
          [retentionDays, PORTION],
        )
        .catch((error: unknown) => {
          throw wrapPostgresError(error);
        });
      removed += rowCount ?? 0;
      if ((rowCount ?? 0) < PORTION || signal?.aborted === true) return removed;
    }
  }
}
