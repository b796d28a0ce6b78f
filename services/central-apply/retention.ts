/**
 * Evidence is kept for RETENTION_DAYS and goes by age alone; in small portions, since every removed row is WAL that
 * capture reads. What still waits for somebody never goes.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';
import { VERIFY_OPERATIONS } from '../shared/operations.ts';

const HOUR_MS = 3_600_000;
const PORTION = 5_000;

interface Evidence {
  readonly table: string;
  /** The column that its age counts from; a row without a value in it stays. */
  readonly since: string;
}

/** `decided_at` and `finished_at` are empty while a dead letter is open and an operation waits. */
const EVIDENCE: readonly Evidence[] = [
  { table: 'conflict', since: 'decided_at' },
  { table: 'dead_letter', since: 'decided_at' },
  { table: 'refused_record', since: 'refused_at' },
  { table: 'operation', since: 'finished_at' },
];

function deleteSql({ table, since }: Evidence): string {
  return `DELETE FROM payflow_sync.${table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM payflow_sync.${table} WHERE ${since} < now() - make_interval(days => $1) LIMIT $2))`;
}

/** What a restored file sends of that time is not known again: that is remembered, with the removal itself. */
const OUTCOMES = `
  WITH gone AS (${deleteSql({ table: 'outcome', since: 'applied_at' })} RETURNING terminal_id, applied_at),
  noted AS (
    INSERT INTO payflow_sync.forgotten AS f (terminal_id, until)
    SELECT terminal_id, max(applied_at) FROM gone GROUP BY terminal_id ORDER BY terminal_id
    ON CONFLICT (terminal_id) DO UPDATE SET until = greatest(f.until, excluded.until))
  SELECT count(*) AS gone FROM gone`;

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
    await this.#purgeQuestions();
    removed += await this.#purgeIn(OUTCOMES, signal);
    for (const evidence of EVIDENCE) removed += await this.#purgeTable(evidence, signal);
    return removed;
  }

  /** What `verify` asked is read at once, or never; it says nothing of what anybody did. */
  async #purgeQuestions(): Promise<void> {
    await this.#options.pool
      .query(
        `DELETE FROM payflow_sync.operation
          WHERE kind = ANY ($1) AND finished_at < now() - make_interval(hours => 1)`,
        [VERIFY_OPERATIONS],
      )
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
  }

  async #purgeTable(evidence: Evidence, signal?: AbortSignal): Promise<number> {
    const sql = `WITH gone AS (${deleteSql(evidence)} RETURNING 1) SELECT count(*) AS gone FROM gone`;
    return this.#purgeIn(sql, signal);
  }

  /** @param sql removes a portion and returns how many rows went */
  async #purgeIn(sql: string, signal?: AbortSignal): Promise<number> {
    const { pool, retentionDays } = this.#options;
    let removed = 0;
    for (;;) {
      const { rows } = await pool
        .query<{ gone: string }>(sql, [retentionDays, PORTION])
        .catch((error: unknown) => {
          throw wrapPostgresError(error);
        });
      const gone = Number(rows[0]?.gone ?? 0);
      removed += gone;
      if (gone < PORTION || signal?.aborted === true) return removed;
    }
  }
}
