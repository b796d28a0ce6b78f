/**
 * Runs comparisons. Each till of a run is stored before its id is given to anyone; what a gateway left unfinished is begun
 * anew at its next start: a comparison only reads, and a repair may be repeated. A till is compared once at a time, and some tills at once.
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { Backoff, sleep } from '../../shared/lifecycle.ts';
import type { Agents } from '../agents.ts';
import { shownError } from '../http/problem.ts';
import type { JobTarget } from '../jobs/jobs.ts';
import type { Markers } from '../jobs/markers.ts';
import { Comparison, type TableProgress } from './comparison.ts';
import { summaryOf, type Summary } from './findings.ts';
import { VerifyStore, type OpenTill, type VerifyResult, type VerifyRun } from './run-store.ts';

const AT_ONCE = 4;
const ELSEWHERE_LOOK_MS = 1_000;

export type VerifyEvent = 'verify:progress' | 'verify:done' | 'verify:failed';

export interface VerifyNews {
  readonly runId: string;
  readonly terminalId: string;
  /** Local name, where only one was asked for. */
  readonly table?: string | undefined;
  readonly progress?: TableProgress | undefined;
  readonly summary?: Summary | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

export interface VerifyRunsOptions {
  readonly pool: Pool;
  readonly agents: Agents;
  readonly markers: Pick<Markers, 'write'>;
  /** @throws PayflowError TERMINAL_UNKNOWN, TERMINAL_FENCED, TERMINAL_RETIRED */
  readonly targetOf: (terminalId: string) => Promise<JobTarget>;
  readonly log: Logger;
}

export class VerifyRuns {
  readonly #options: VerifyRunsOptions;
  readonly #store: VerifyStore;
  readonly #waiting: OpenTill[] = [];
  /** What was asked for, by run, of runs none of which has begun. */
  readonly #notBegun = new Map<string, string>();
  readonly #running = new Map<string, { readonly till: OpenTill; progress: TableProgress | null }>();
  readonly #listeners: ((event: VerifyEvent, news: VerifyNews) => void)[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #stop = new AbortController();

  constructor(options: VerifyRunsOptions) {
    this.#options = options;
    this.#store = new VerifyStore(options.pool);
  }

  onNews(listener: (event: VerifyEvent, news: VerifyNews) => void): void {
    this.#listeners.push(listener);
  }

  async resume(): Promise<void> {
    const open = await this.#store.listOpen();
    this.#waiting.push(...open.filter((till) => !this.#isHere(till)));
    this.#work();
  }

  /**
   * Where the very same run waits and none of it has begun, it covers this request too: an impatient caller cannot fill
   * the queue.
   * @param options.table local name; without it all
   * @returns the run's id
   */
  async create(
    targets: readonly JobTarget[],
    {
      table,
      repair = false,
      by,
    }: { readonly table?: string | undefined; readonly repair?: boolean; readonly by: string },
  ): Promise<string> {
    const wish = JSON.stringify([table ?? null, repair, targets.map(({ terminalId }) => terminalId).sort()]);
    const same = [...this.#notBegun].find(([, each]) => each === wish);
    if (same !== undefined) return same[0];
    const runId = randomUUID();
    const tills = targets.map(({ terminalId }): OpenTill => ({
      runId,
      terminalId,
      table,
      repair,
      requestedBy: by,
    }));
    await this.#store.insert(tills);
    this.#waiting.push(...tills);
    this.#notBegun.set(runId, wish);
    this.#work();
    return runId;
  }

  /** @throws PayflowError NOT_FOUND */
  async get(runId: string): Promise<VerifyRun> {
    const run = await this.#store.find(runId);
    if (run === undefined) throw new PayflowError('NOT_FOUND', `there is no comparison ${runId}`);
    const terminals = run.terminals.map((till) => {
      const running = this.#running.get(till.terminalId);
      return running?.till.runId === runId ? { ...till, progress: running.progress } : till;
    });
    return { ...run, terminals };
  }

  /** The run once it is finished, or when time is up. */
  async waitFor(runId: string, timeoutMs: number): Promise<VerifyRun> {
    const timeUp = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal]);
    for (;;) {
      await this.#ended(runId, timeUp);
      const run = await this.get(runId);
      if ((run.state !== 'waiting' && run.state !== 'running') || timeUp.aborted) return run;
      // It is another gateway's.
      await sleep(ELSEWHERE_LOOK_MS, timeUp);
    }
  }

  /** Until none of it runs here. */
  async #ended(runId: string, timeUp: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.#isOpen(runId) && !timeUp.aborted) return;
        this.#watchers.delete(look);
        timeUp.removeEventListener('abort', look);
        resolve();
      };
      this.#watchers.add(look);
      timeUp.addEventListener('abort', look);
      look();
    });
  }

  isBusy(terminalId: string): boolean {
    return this.#running.has(terminalId) || this.#waiting.some((till) => till.terminalId === terminalId);
  }

  /** What runs is begun anew by the next start. */
  stop(): void {
    this.#stop.abort();
  }

  #isHere({ runId, terminalId }: OpenTill): boolean {
    return [...this.#waiting, ...[...this.#running.values()].map(({ till }) => till)].some(
      (till) => till.runId === runId && till.terminalId === terminalId,
    );
  }

  #isOpen(runId: string): boolean {
    return (
      this.#waiting.some((till) => till.runId === runId) ||
      [...this.#running.values()].some(({ till }) => till.runId === runId)
    );
  }

  #work(): void {
    while (!this.#stop.signal.aborted && this.#running.size < AT_ONCE) {
      const at = this.#waiting.findIndex(({ terminalId }) => !this.#running.has(terminalId));
      const [till] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (till === undefined) return;
      this.#notBegun.delete(till.runId);
      this.#running.set(till.terminalId, { till, progress: null });
      void this.#run(till).finally(() => {
        this.#running.delete(till.terminalId);
        for (const look of [...this.#watchers]) look();
        this.#work();
      });
    }
  }

  async #run(till: OpenTill): Promise<void> {
    const { log } = this.#options;
    const { runId, terminalId, table } = till;
    try {
      await this.#store.started(till);
      const result = await this.#compare(till);
      if (!(await this.#save(till, { result }))) return;
      const { summary } = result;
      const level = summary.differs > 0 ? 'warn' : 'info';
      log[level]({ runId, terminalId, ...summary }, `${terminalId} was compared with the centre`);
      this.#tell('verify:done', { runId, terminalId, table, summary });
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      const error = asPayflowError(thrown);
      log.warn({ code: error.code, err: error, runId, terminalId }, `${terminalId} could not be compared`);
      const shown = shownError(thrown);
      if (await this.#save(till, { error: shown }))
        this.#tell('verify:failed', { runId, terminalId, table, error: shown });
    }
  }

  async #compare(till: OpenTill): Promise<VerifyResult> {
    const { pool, agents, markers, targetOf } = this.#options;
    const { runId, terminalId, table, repair, requestedBy: by } = till;
    const comparison = new Comparison({
      pool,
      agents,
      markers,
      target: await targetOf(terminalId),
      by,
      runId,
      signal: this.#stop.signal,
      onTable: (progress) => {
        const running = this.#running.get(terminalId);
        if (running !== undefined) running.progress = progress;
        this.#tell('verify:progress', { runId, terminalId, table, progress });
      },
    });
    const { tables, skipped } = await comparison.run({ only: table, repairs: repair });
    return { tables: [...tables], skipped: [...skipped], summary: summaryOf(tables) };
  }

  /** Until PostgreSQL takes it. @returns false: the gateway stops */
  async #save(till: OpenTill, outcome: Parameters<VerifyStore['finished']>[1]): Promise<boolean> {
    const backoff = new Backoff();
    while (!this.#stop.signal.aborted) {
      try {
        await this.#store.finished(till, outcome);
        return true;
      } catch (thrown) {
        const error = asPayflowError(thrown);
        this.#options.log.warn(
          { code: error.code, err: error },
          'what was compared could not be stored; trying again',
        );
        await sleep(backoff.next(), this.#stop.signal);
      }
    }
    return false;
  }

  #tell(event: VerifyEvent, news: VerifyNews): void {
    for (const listener of this.#listeners) listener(event, news);
  }
}
