/**
 * Runs sync jobs. Invariants:
 *
 * - A job is in PostgreSQL before its id is given to anyone, and every job that was open when the gateway
 *   stopped is taken up again at its next start. Flush and catch-up may be repeated harmlessly.
 * - One till does one thing at a time: its parts run in the order in which they were asked for.
 * - A part whose till is offline, or goes away while it runs, waits and runs when the till connects; it fails
 *   when the till is retired.
 * - Requests that wait for the same till and direction are answered by one run: whatever they ask for was there
 *   before it begins. So a till that was away for a week is not asked the same a hundred times over.
 *
 * What is in memory is the truth while the gateway runs; saving is repeated until PostgreSQL takes it.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { Backoff, sleep } from '../../shared/lifecycle.ts';
import type { Agents } from '../agents.ts';
import { shownError } from '../http/problem.ts';
import {
  isAtRest,
  isFinished,
  offlinePart,
  partIn,
  type Job,
  type JobPart,
  type SyncDirection,
} from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Markers } from './markers.ts';

/** How long a till may take for one flush or catch-up before the part fails. */
const PART_LIMIT_MS = 15 * 60_000;
/** The agent is told a little less, so that its own reason arrives before we stop waiting. */
const REPLY_MARGIN_MS = 5_000;

export interface JobTarget {
  readonly terminalId: string;
  readonly storeId: string;
  /** Why nothing is asked of it: its part has failed from the beginning. */
  readonly refusal?: PayflowError | undefined;
}

export type PartEvent = 'sync:progress' | 'sync:done' | 'sync:failed';

export interface JobsOptions {
  readonly store: JobStore;
  readonly agents: Agents;
  readonly markers: Pick<Markers, 'write'>;
  /** The store of a till, for jobs taken up again. @throws PayflowError TERMINAL_UNKNOWN */
  readonly storeOf: (terminalId: string) => Promise<string>;
  readonly log: Logger;
  readonly now?: () => Date;
  readonly partLimitMs?: number;
}

interface OpenJob {
  job: Job;
  /** The save in flight or waiting for its next try; one at a time. */
  saving: Promise<void> | undefined;
  dirty: boolean;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #open = new Map<string, OpenJob>();
  /** Ids of jobs with a part for this till that is not finished, in the order they were asked for. */
  readonly #queues = new Map<string, string[]>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #watchers = new Set<() => void>();
  readonly #partListeners: ((event: PartEvent, jobId: string, part: JobPart) => void)[] = [];
  readonly #stop = new AbortController();

  constructor(options: JobsOptions) {
    this.#options = options;
    options.agents.on({ connected: (terminalId) => this.#work(terminalId) });
  }

  onPart(listener: (event: PartEvent, jobId: string, part: JobPart) => void): void {
    this.#partListeners.push(listener);
  }

  /** Takes up the jobs that were open when the gateway last stopped. */
  async resume(): Promise<void> {
    for (const job of await this.#options.store.listOpen()) {
      const parts = job.parts.map((part) => (isFinished([part]) ? part : offlinePart(part)));
      this.#admit({ ...job, parts });
    }
  }

  /**
   * Stores a job and starts it. Where the very same job (direction and tills) waits and has not begun anywhere,
   * it covers this request too and is given instead: an impatient caller cannot fill the queue.
   */
  async create(direction: SyncDirection, targets: readonly JobTarget[]): Promise<Job> {
    const same = this.#waitingJob(direction, targets);
    if (same !== undefined) return same;
    const job: Job = {
      jobId: randomUUID(),
      direction,
      parts: targets.map((target) => this.#firstPart(target)),
      startedAt: this.#now(),
      finishedAt: targets.every(({ refusal }) => refusal !== undefined) ? this.#now() : null,
    };
    await this.#options.store.insert(job);
    if (job.finishedAt !== null) return job;
    this.#admit(job);
    return this.#open.get(job.jobId)?.job ?? job;
  }

  /** @throws PayflowError NOT_FOUND */
  async get(jobId: string): Promise<Job> {
    const job = this.#open.get(jobId)?.job ?? (await this.#options.store.find(jobId));
    if (job === undefined) throw new PayflowError('NOT_FOUND', `there is no job ${jobId}`);
    return job;
  }

  /** The job as it is once it is at rest (finished, or waiting for tills that are offline), or when time is up. */
  async waitForRest(jobId: string, timeoutMs: number): Promise<Job> {
    const timeUp = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal]);
    await new Promise<void>((resolve) => {
      const look = () => {
        const job = this.#open.get(jobId)?.job;
        if (job !== undefined && !isAtRest(job.parts) && !timeUp.aborted) return;
        this.#watchers.delete(look);
        timeUp.removeEventListener('abort', look);
        resolve();
      };
      this.#watchers.add(look);
      timeUp.addEventListener('abort', look);
      look();
    });
    return this.get(jobId);
  }

  /** Whether the till has parts that are not finished. */
  isBusy(terminalId: string): boolean {
    return this.#queues.has(terminalId);
  }

  /** Ids of the tills with parts that are not finished. */
  get waitedFor(): readonly string[] {
    return [...this.#queues.keys()];
  }

  /** Fails what waits for a till that will not come back; what runs ends with its connection and waits then. */
  abandon(terminalId: string, { code, message }: PayflowError): void {
    for (const jobId of [...(this.#queues.get(terminalId) ?? [])]) {
      const part = this.#part(jobId, terminalId);
      if (part?.state !== 'waiting') continue;
      this.#setPart(jobId, { ...partIn(part, 'failed'), error: { code, message } });
      this.#dequeueUnlessWaiting(jobId, terminalId);
    }
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Stops taking up parts; what runs is left to be repeated by the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([...this.#open.values()].flatMap(({ saving }) => saving ?? []));
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  #firstPart({ terminalId, refusal }: JobTarget): JobPart {
    if (refusal === undefined) return this.#waitingPart({ terminalId, state: 'waiting' });
    return { terminalId, state: 'failed', error: { code: refusal.code, message: refusal.message } };
  }

  #waitingPart(part: JobPart): JobPart {
    const online = this.#options.agents.get(part.terminalId) !== undefined;
    return online ? partIn(part, 'waiting') : offlinePart(part);
  }

  #waitingJob(direction: SyncDirection, targets: readonly JobTarget[]): Job | undefined {
    const wanted = new Set(targets.map(({ terminalId }) => terminalId));
    const [any = ''] = wanted;
    return (this.#queues.get(any) ?? [])
      .flatMap((jobId) => this.#open.get(jobId)?.job ?? [])
      .find(
        ({ direction: its, parts }) =>
          its === direction &&
          parts.length === wanted.size &&
          parts.every((part) => part.state === 'waiting' && wanted.has(part.terminalId)),
      );
  }

  #admit(job: Job): void {
    this.#open.set(job.jobId, { job, saving: undefined, dirty: false });
    const unfinished = job.parts.filter((part) => !isFinished([part]));
    for (const { terminalId } of unfinished) {
      const queue = this.#queues.get(terminalId);
      if (queue === undefined) this.#queues.set(terminalId, [job.jobId]);
      else queue.push(job.jobId);
    }
    for (const { terminalId } of unfinished) this.#work(terminalId);
  }

  /** Starts on a till's queue, unless its agent is away or already at it. */
  #work(terminalId: string): void {
    if (this.#busy.has(terminalId) || this.#stop.signal.aborted) return;
    if (this.#options.agents.get(terminalId) === undefined) return;
    const working = this.#drain(terminalId)
      .catch((error: unknown) => {
        this.#options.log.error({ err: error, terminalId }, 'a sync job stopped unexpectedly');
      })
      .finally(() => {
        this.#busy.delete(terminalId);
        // It may have reconnected, or been asked for more, while we were leaving.
        if ((this.#queues.get(terminalId)?.length ?? 0) > 0) this.#work(terminalId);
      });
    this.#busy.set(terminalId, working);
  }

  async #drain(terminalId: string): Promise<void> {
    const queue = this.#queues.get(terminalId) ?? [];
    this.#markWaiting(queue, terminalId);
    for (let jobId = queue[0]; jobId !== undefined; jobId = queue[0]) {
      if (this.#stop.signal.aborted || this.#options.agents.get(terminalId) === undefined) break;
      const covered = this.#coveredBy(jobId, terminalId);
      await this.#runPart(covered, terminalId);
      for (const each of covered) this.#dequeueUnlessWaiting(each, terminalId);
    }
    if (this.#options.agents.get(terminalId) === undefined) this.#markWaiting(queue, terminalId);
  }

  /** Parts that wait say why: the till is offline, or (without an error) it is busy with another part. */
  #markWaiting(queue: readonly string[], terminalId: string): void {
    for (const jobId of queue) {
      const part = this.#part(jobId, terminalId);
      if (part?.state === 'waiting') this.#setPart(jobId, this.#waitingPart(part));
    }
  }

  #part(jobId: string, terminalId: string): JobPart | undefined {
    return this.#open.get(jobId)?.job.parts.find((part) => part.terminalId === terminalId);
  }

  /** The job and those that wait for exactly what it is going to do; one that has begun covers no other. */
  #coveredBy(jobId: string, terminalId: string): string[] {
    const direction = this.#open.get(jobId)?.job.direction;
    const untouched = (id: string) => {
      const part = this.#part(id, terminalId);
      return part?.state === 'waiting' && part.pull === undefined;
    };
    const others = untouched(jobId) ? (this.#queues.get(terminalId) ?? []) : [];
    const alike = others.filter((id) => this.#open.get(id)?.job.direction === direction && untouched(id));
    return [...new Set([jobId, ...alike])];
  }

  #dequeueUnlessWaiting(jobId: string, terminalId: string): void {
    if (this.#part(jobId, terminalId)?.state === 'waiting') return;
    const queue = this.#queues.get(terminalId);
    const at = queue?.indexOf(jobId) ?? -1;
    if (at >= 0) queue?.splice(at, 1);
    if (queue?.length === 0) this.#queues.delete(terminalId);
  }

  /** @param jobIds jobs whose parts for this till are the same; the first gives its name to the requests */
  async #runPart(jobIds: readonly string[], terminalId: string): Promise<void> {
    const [jobId = ''] = jobIds;
    const before = this.#part(jobId, terminalId);
    const direction = this.#open.get(jobId)?.job.direction;
    if (before === undefined || direction === undefined) return;
    const show = (part: JobPart) => {
      for (const each of jobIds) this.#setPart(each, part);
      return part;
    };
    let part = show(partIn(before, 'running'));
    try {
      if (direction !== 'push' && part.pull === undefined) {
        part = partIn(part, 'running', { pull: await this.#flush(jobId, terminalId) });
        if (direction === 'both') show(part);
      }
      if (direction !== 'pull')
        part = partIn(part, 'running', { push: await this.#catchUp(jobId, terminalId) });
      show(partIn(part, 'done'));
    } catch (thrown) {
      const { code } = asPayflowError(thrown);
      if (code === 'TERMINAL_OFFLINE') {
        show(offlinePart(part));
        return;
      }
      this.#options.log.warn({ code, err: thrown, jobId, terminalId }, `sync of ${terminalId} failed`);
      show({ ...partIn(part, 'failed'), error: shownError(thrown) });
    }
  }

  #flush(jobId: string, terminalId: string) {
    const timeoutMs = this.#options.partLimitMs ?? PART_LIMIT_MS;
    const { agents } = this.#options;
    return agents.request(terminalId, 'sync:flush', { jobId, timeoutMs }, timeoutMs + REPLY_MARGIN_MS);
  }

  async #catchUp(jobId: string, terminalId: string) {
    const timeoutMs = this.#options.partLimitMs ?? PART_LIMIT_MS;
    const { agents, markers, storeOf } = this.#options;
    const lsn = await markers.write(await storeOf(terminalId));
    const request = { jobId, lsn, timeoutMs };
    return agents.request(terminalId, 'sync:catch-up', request, timeoutMs + REPLY_MARGIN_MS);
  }

  #setPart(jobId: string, part: JobPart): void {
    const open = this.#open.get(jobId);
    if (open === undefined) return;
    const parts = open.job.parts.map((old) => (old.terminalId === part.terminalId ? part : old));
    const finishedAt = isFinished(parts) ? this.#now() : null;
    open.job = { ...open.job, parts, finishedAt };
    open.dirty = true;
    open.saving ??= this.#save(open);
    const event =
      part.state === 'done' ? 'sync:done' : part.state === 'failed' ? 'sync:failed' : 'sync:progress';
    for (const listener of this.#partListeners) listener(event, jobId, part);
    for (const look of [...this.#watchers]) look();
  }

  /** Until PostgreSQL has the newest state; a finished job is forgotten here only then. */
  async #save(open: OpenJob): Promise<void> {
    const backoff = new Backoff();
    while (open.dirty) {
      open.dirty = false;
      try {
        await this.#options.store.update(open.job);
      } catch (thrown) {
        const error = asPayflowError(thrown);
        open.dirty = true;
        this.#options.log.warn(
          { code: error.code, err: error },
          'the state of a sync job could not be stored; trying again',
        );
        if (this.#stop.signal.aborted) return;
        await sleep(backoff.next(), this.#stop.signal);
      }
    }
    open.saving = undefined;
    if (open.job.finishedAt !== null) this.#open.delete(open.job.jobId);
  }
}
