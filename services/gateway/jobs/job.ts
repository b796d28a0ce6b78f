/**
 * A sync job, as stored and as `GET /api/v1/sync/:jobId` answers it, and the pure rules of its state. A job
 * has one part per till; each part is pull ↑, push ↓ or both, in that order, so that the push brings back
 * what the pull caused.
 */
import type { PullResult, PushResult } from '../../shared/agent-protocol.ts';
import type { ErrorCode } from '../../shared/error-codes.ts';

export const DIRECTIONS = ['pull', 'push', 'both'] as const;
export type SyncDirection = (typeof DIRECTIONS)[number];
export type PartState = 'waiting' | 'running' | 'done' | 'failed';
export type JobState = PartState | 'partial';

export interface JobPart {
  readonly terminalId: string;
  readonly state: PartState;
  readonly pull?: PullResult;
  readonly push?: PushResult;
  /** Why it failed, or (TERMINAL_OFFLINE) why it waits. */
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

export interface Job {
  readonly jobId: string;
  readonly direction: SyncDirection;
  readonly parts: readonly JobPart[];
  readonly startedAt: Date;
  /** null while the job is open. */
  readonly finishedAt: Date | null;
}

/** The JSON of REST, CLI and status. */
export interface JobView {
  readonly jobId: string;
  readonly direction: SyncDirection;
  readonly state: JobState;
  readonly terminals: readonly JobPart[];
  readonly startedAt: string;
  readonly durationMs: number;
}

/** Running while any part runs, waiting while any waits; else done, failed, or partial when they differ. */
export function jobState(parts: readonly JobPart[]): JobState {
  const has = (state: PartState) => parts.some((part) => part.state === state);
  if (has('running')) return 'running';
  if (has('waiting')) return 'waiting';
  if (!has('failed')) return 'done';
  return has('done') ? 'partial' : 'failed';
}

export function isFinished(parts: readonly JobPart[]): boolean {
  return parts.every((part) => part.state === 'done' || part.state === 'failed');
}

/** Nothing more happens soon: every part is finished, or waits for a till that is offline. */
export function isAtRest(parts: readonly JobPart[]): boolean {
  return parts.every(
    (part) => part.state === 'done' || part.state === 'failed' || part.error?.code === 'TERMINAL_OFFLINE',
  );
}

/** A till whose agent is away: the part waits and says so. */
export function offlinePart(part: JobPart): JobPart {
  return {
    ...part,
    state: 'waiting',
    error: { code: 'TERMINAL_OFFLINE', message: `terminal ${part.terminalId} is not connected` },
  };
}

/** The same part in another state, without an error of before. */
export function partIn(
  part: JobPart,
  state: PartState,
  results: Pick<JobPart, 'pull' | 'push'> = {},
): JobPart {
  const { terminalId, pull, push } = part;
  return { terminalId, state, ...(pull && { pull }), ...(push && { push }), ...results };
}

export function jobView(job: Job, now: Date): JobView {
  return {
    jobId: job.jobId,
    direction: job.direction,
    state: jobState(job.parts),
    terminals: job.parts,
    startedAt: job.startedAt.toISOString(),
    durationMs: Math.max(0, (job.finishedAt ?? now).getTime() - job.startedAt.getTime()),
  };
}
