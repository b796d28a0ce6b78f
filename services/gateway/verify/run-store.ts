/** Runs of `verify` in payflow_sync.verify: what was asked, and what was found. */
import { z } from 'zod';
import type { Pool } from 'pg';
import type { ErrorCode } from '../../shared/error-codes.ts';
import { iso, rows } from '../database.ts';
import { tableFindingsSchema, type Summary } from './findings.ts';

export const VERIFY_STATES = ['waiting', 'running', 'done', 'failed'] as const;

const summarySchema = z.object({
  differs: z.number(),
  known: z.number(),
  byDesign: z.number(),
  moving: z.number(),
  notLookedAt: z.number(),
});

export const verifiedTillSchema = z.object({
  terminalId: z.string(),
  state: z.enum(VERIFY_STATES),
  summary: summarySchema.nullable(),
  tables: z.array(tableFindingsSchema),
  skipped: z
    .array(z.object({ table: z.string(), why: z.string() }))
    .describe('tables that were not compared'),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** While it runs. */
  progress: z.object({ table: z.string(), done: z.number(), of: z.number() }).nullable(),
});
export type VerifiedTill = z.output<typeof verifiedTillSchema>;

export const verifyRunSchema = z.object({
  runId: z.string(),
  state: z.enum([...VERIFY_STATES, 'partial']),
  table: z.string().nullable(),
  repair: z.boolean(),
  requestedBy: z.string(),
  requestedAt: z.string(),
  terminals: z.array(verifiedTillSchema),
});
export type VerifyRun = z.output<typeof verifyRunSchema>;

/** Newest result of a till. */
export interface LastVerified extends Summary {
  readonly terminalId: string;
  readonly runId: string;
  readonly finishedAt: string;
}

export interface OpenTill {
  readonly runId: string;
  readonly terminalId: string;
  readonly table: string | undefined;
  readonly repair: boolean;
  readonly requestedBy: string;
}

export type VerifyResult = Pick<VerifiedTill, 'tables' | 'skipped'> & { readonly summary: Summary };

interface StoredTill {
  readonly runId: string;
  readonly terminalId: string;
  readonly table: string;
  readonly repair: boolean;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly state: (typeof VERIFY_STATES)[number];
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly result: string | null;
  readonly error: string | null;
}

const COLUMNS = `run_id AS "runId", terminal_id AS "terminalId", table_name AS "table", repair, requested_by AS "requestedBy",
  ${iso('requested_at')} AS "requestedAt", state, ${iso('started_at')} AS "startedAt",
  ${iso('finished_at')} AS "finishedAt", result, error`;

export class VerifyStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async insert(tills: readonly OpenTill[]): Promise<void> {
    for (const { runId, terminalId, table, repair, requestedBy } of tills)
      await rows(
        this.#pool,
        `INSERT INTO payflow_sync.verify (run_id, terminal_id, table_name, repair, requested_by) VALUES ($1, $2, $3, $4, $5)`,
        [runId, terminalId, table ?? '', repair, requestedBy],
      );
  }

  async started({ runId, terminalId }: OpenTill): Promise<void> {
    await rows(
      this.#pool,
      `UPDATE payflow_sync.verify SET state = 'running', started_at = clock_timestamp()
        WHERE run_id = $1 AND terminal_id = $2`,
      [runId, terminalId],
    );
  }

  async finished(
    { runId, terminalId }: OpenTill,
    outcome: { readonly result: VerifyResult } | { readonly error: { code: ErrorCode; message: string } },
  ): Promise<void> {
    const result = 'result' in outcome ? JSON.stringify(outcome.result) : null;
    const error = 'error' in outcome ? JSON.stringify(outcome.error) : null;
    await rows(
      this.#pool,
      `UPDATE payflow_sync.verify SET state = $3, result = $4, error = $5, finished_at = clock_timestamp()
        WHERE run_id = $1 AND terminal_id = $2`,
      [runId, terminalId, error === null ? 'done' : 'failed', withoutZero(result), withoutZero(error)],
    );
  }

  /** Those that a gateway left unfinished, oldest first. */
  async listOpen(): Promise<OpenTill[]> {
    const found = await rows<StoredTill>(
      this.#pool,
      `SELECT ${COLUMNS} FROM payflow_sync.verify WHERE state IN ('waiting', 'running') ORDER BY requested_at`,
    );
    return found.map(({ runId, terminalId, table, repair, requestedBy }) => ({
      runId,
      terminalId,
      table: table === '' ? undefined : table,
      repair,
      requestedBy,
    }));
  }

  async find(runId: string): Promise<VerifyRun | undefined> {
    const found = await rows<StoredTill>(
      this.#pool,
      `SELECT ${COLUMNS} FROM payflow_sync.verify WHERE run_id::text = $1 ORDER BY terminal_id`,
      [runId],
    );
    const [first] = found;
    if (first === undefined) return undefined;
    const terminals = found.map(toTill);
    const { table, repair, requestedBy, requestedAt } = first;
    return {
      runId: first.runId,
      state: runState(terminals),
      table: table === '' ? null : table,
      repair,
      requestedBy,
      requestedAt,
      terminals,
    };
  }

  async removeFinishedBefore(days: number): Promise<void> {
    await rows(
      this.#pool,
      'DELETE FROM payflow_sync.verify WHERE finished_at < now() - make_interval(days => $1)',
      [days],
    );
  }
}

/** The newest comparison of all tables of a till that could be done; by till. */
export async function lastVerified(pool: Pool): Promise<Map<string, LastVerified>> {
  const found = await rows<LastVerified>(
    pool,
    `SELECT t.terminal_id AS "terminalId", v.* FROM payflow_sync.terminal t CROSS JOIN LATERAL (
       SELECT run_id AS "runId", ${iso('finished_at')} AS "finishedAt",
              (result::json #>> '{summary,differs}')::int AS differs,
              (result::json #>> '{summary,known}')::int AS known,
              (result::json #>> '{summary,byDesign}')::int AS "byDesign",
              (result::json #>> '{summary,moving}')::int AS moving,
              (result::json #>> '{summary,notLookedAt}')::int AS "notLookedAt"
         FROM payflow_sync.verify v
        WHERE v.terminal_id = t.terminal_id AND v.state = 'done' AND v.table_name = ''
        ORDER BY v.finished_at DESC LIMIT 1) v`,
  );
  return new Map(found.map((each) => [each.terminalId, each]));
}

/** Of the newest runs. */
export async function newestRuns(pool: Pool, limit: number): Promise<string[]> {
  const found = await rows<{ runId: string }>(
    pool,
    `SELECT run_id AS "runId" FROM payflow_sync.verify GROUP BY run_id ORDER BY max(requested_at) DESC, run_id LIMIT $1`,
    [limit],
  );
  return found.map(({ runId }) => runId);
}

function toTill({ terminalId, state, startedAt, finishedAt, result, error }: StoredTill): VerifiedTill {
  const found = result === null ? null : (JSON.parse(result) as VerifyResult);
  return {
    terminalId,
    state,
    summary: found?.summary ?? null,
    tables: found?.tables ?? [],
    skipped: found?.skipped ?? [],
    startedAt,
    finishedAt,
    error: error === null ? null : (JSON.parse(error) as { code: string; message: string }),
    progress: null,
  };
}

export function runState(tills: readonly Pick<VerifiedTill, 'state'>[]): VerifyRun['state'] {
  const has = (state: VerifiedTill['state']) => tills.some((till) => till.state === state);
  if (has('running')) return 'running';
  if (has('waiting')) return 'waiting';
  if (!has('failed')) return 'done';
  return has('done') ? 'partial' : 'failed';
}

/** PostgreSQL's texts hold no zero character; a till's key may. */
function withoutZero(json: string | null): string | null {
  return json?.replaceAll('\\u0000', '') ?? null;
}
