/**
 * Evidence is kept for RETENTION_DAYS and never asked before something is applied, so it may go by age alone; in
 * small portions, since every removed row is WAL that capture reads. What still waits for somebody never goes.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';

const HOUR_MS = 3_600_000;
const PORTION = 5_000;

interface Evidence {
  /** Kept for twice the horizon at least: a change may come that long after its till last saw the row. */
  readonly horizons?: number | undefined;
  readonly table: string;
  /** The column that its age counts from; a row without a value in it stays. */
  readonly since: string;
}

/** `decided_at` and `finished_at` are empty while a dead letter is open and an operation waits. */
const EVIDENCE: readonly Evidence[] = [
  { table: 'outcome', since: 'applied_at' },
  { table: 'conflict', since: 'decided_at' },
  { table: 'dead_letter', since: 'decided_at' },
  { table: 'refused_record', since: 'refused_at' },
  { table: 'operation', since: 'finished_at' },
  { table: 'row_version', since: 'written_at', horizons: 2 },
];

export interface RetentionOptions {
  readonly pool: Pool;
  readonly retentionDays: number;
  readonly log: Logger;
  readonly everyMs?: number;
  readonly onHealth?: (health: Health) => void;
}

export class Retention implements Service {
  readonly name = 'retention';
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth, everyMs = HOUR_MS } = this.#options;
    await supervise(signal, { log, ...(onHealth && { onHealth }), endures: 'everything' }, async (ready) => {
      const removed = await this.purge(signal);
      ready();
      if (removed > 0) log.info({ removed }, 'old evidence removed');
      await sleep(everyMs, signal);
    });
  }

  /** Removes what is older than the retention. @returns how many rows */
  async purge(signal?: AbortSignal): Promise<number> {
    let removed = 0;
    for (const evidence of EVIDENCE) removed += await this.#purgeTable(evidence, signal);
    return removed;
  }

  async #purgeTable({ table, since, horizons = 0 }: Evidence, signal?: AbortSignal): Promise<number> {
    const { pool, retentionDays } = this.#options;
    let removed = 0;
    for (;;) {
      const { rowCount } = await pool
        .query(
          `DELETE FROM payflow_sync.${table} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM payflow_sync.${table}
              WHERE ${since} < now() - make_interval(days => greatest($1,
                $3 * coalesce((SELECT horizon_days FROM payflow_sync.mapping), 0))) LIMIT $2))`,
          [retentionDays, PORTION, horizons],
        )
        .catch((error: unknown) => {
          throw wrapPostgresError(error);
        });
      removed += rowCount ?? 0;
      if ((rowCount ?? 0) < PORTION || signal?.aborted === true) return removed;
    }
  }
}
