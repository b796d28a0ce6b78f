/** Jobs in payflow_sync.job. What is there survives the gateway; open jobs are taken up again at its start. */
import type { Pool } from 'pg';
import { firstRow, rows } from '../database.ts';
import { jobState, type Job, type JobPart, type SyncDirection } from './job.ts';

interface StoredJob {
  job_id: string;
  direction: SyncDirection;
  terminals: string;
  started_at: Date;
  finished_at: Date | null;
}

const COLUMNS = 'job_id, direction, terminals, started_at, finished_at';

function toJob(row: StoredJob): Job {
  return {
    jobId: row.job_id,
    direction: row.direction,
    parts: JSON.parse(row.terminals) as JobPart[],
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

export class JobStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async insert(job: Job): Promise<void> {
    await rows(
      this.#pool,
      `INSERT INTO payflow_sync.job (${COLUMNS}, state) VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        job.jobId,
        job.direction,
        JSON.stringify(job.parts),
        job.startedAt,
        job.finishedAt,
        jobState(job.parts),
      ],
    );
  }

  async update(job: Job): Promise<void> {
    await rows(
      this.#pool,
      'UPDATE payflow_sync.job SET terminals = $2, state = $3, finished_at = $4 WHERE job_id = $1',
      [job.jobId, JSON.stringify(job.parts), jobState(job.parts), job.finishedAt],
    );
  }

  async find(jobId: string): Promise<Job | undefined> {
    const row = await firstRow<StoredJob>(
      this.#pool,
      `SELECT ${COLUMNS} FROM payflow_sync.job WHERE job_id::text = $1`,
      [jobId],
    );
    return row === undefined ? undefined : toJob(row);
  }

  /** Oldest first. */
  async listOpen(): Promise<Job[]> {
    const stored = await rows<StoredJob>(
      this.#pool,
      `SELECT ${COLUMNS} FROM payflow_sync.job WHERE state IN ('waiting', 'running') ORDER BY started_at`,
    );
    return stored.map(toJob);
  }

  async removeFinishedBefore(days: number): Promise<void> {
    await rows(
      this.#pool,
      'DELETE FROM payflow_sync.job WHERE finished_at < now() - make_interval(days => $1)',
      [days],
    );
  }
}
