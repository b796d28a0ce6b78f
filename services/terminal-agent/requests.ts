/** What can be asked of a running agent: flush (↑), catch up (↓), replay. Each waits for a state, never for an event. */
import type { PullCounts, PullResult, PushResult, ReplayResult } from '../shared/agent-protocol.ts';
import type { Outcome } from '../shared/records/change-record.ts';
import { PayflowError } from '../shared/errors.ts';
import type { EventLog, StreamRef } from '../shared/log/event-log.ts';
import { formatPosition, parseLsn, type Position } from '../shared/records/position.ts';
import type { TillApply } from './apply.ts';
import type { TillCapture } from './capture.ts';
import type { Publisher } from './publisher.ts';
import { newestOfRange, type ReplayRange } from './streams/replay-range.ts';
import type { Pulse, Valve } from './pulse.ts';
import { isHeld, tallyFlush, type FlushCounts, type FlushEntry, type FlushReport } from './settlement.ts';

export interface TillRequestsOptions {
  readonly apply: TillApply;
  readonly capture: TillCapture;
  readonly publisher: Publisher;
  readonly eventLog: EventLog;
  readonly topics: readonly string[];
  readonly applied: Pulse;
  readonly valve: Valve;
  readonly now: () => number;
}

const LOOK_MS = 250;

export interface ReplayRequest extends ReplayRange {
  readonly topic: string;
  /** Nothing is written, and counted as it would be. */
  readonly dryRun: boolean;
}

export class TillRequests {
  readonly #options: TillRequestsOptions;
  /**
   * Rows applied so far by table, as it was when the newest flush of a job began. To be settled a flush reads
   * the streams, which on a till that is otherwise at rest brings all that the job's catch-up is going to count.
   */
  #flushed: { readonly jobId: string; readonly applied: ReadonlyMap<string, number> } | undefined;

  constructor(options: TillRequestsOptions) {
    this.#options = options;
  }

  /**
   * Publishes all that is in the outbox now and waits until each entry is settled or an exception.
   * @throws PayflowError SYNC_TIMEOUT (it goes on by itself), TERMINAL_FENCED, TERMINAL_RETIRED
   */
  async flush(timeoutMs: number, jobId?: string): Promise<FlushReport> {
    this.#requireGoodStanding();
    const { apply, capture, publisher, valve } = this.#options;
    if (jobId !== undefined) this.#flushed = { jobId, applied: new Map(apply.applied) };
    return valve.while(async () => {
      await this.#until(timeoutMs, 'rows are not known that sales refer to', () => {
        this.#requireGoodStanding();
        return !capture.firstImages.areAwaited();
      });
      const unit = capture.cutAll();
      const open = apply.unsettled();
      if (unit !== undefined) publisher.flush(unit.number);
      const last = open.at(-1)?.seq ?? 0;
      await this.#until(timeoutMs, 'changes are not settled', () => {
        this.#requireGoodStanding();
        const left = apply.unsettled(last);
        return left.every(({ seq }) => isHeld(apply.progress, seq));
      });
      return tallyFlush(outcomesOf(open, apply.flight.outcomes(open[0]?.seq ?? 0, last)), apply.progress);
    });
  }

  /** Waits until all is applied that stands in both streams. @throws PayflowError SYNC_TIMEOUT */
  async readToEnd(timeoutMs: number): Promise<void> {
    const { apply, capture, valve } = this.#options;
    await valve.while(() =>
      this.#until(timeoutMs, 'the streams are not read', () => {
        this.#requireGoodStanding();
        return apply.isRead && !capture.firstImages.areAwaited();
      }),
    );
  }

  /** The same, and what came in since the flush of the same job. @throws PayflowError SYNC_TIMEOUT */
  async catchUp({
    lsn,
    timeoutMs,
    jobId,
  }: {
    lsn: string;
    timeoutMs: number;
    jobId?: string;
  }): Promise<PushResult> {
    const { apply } = this.#options;
    const flushed = this.#flushed;
    const before = flushed?.jobId === jobId && flushed ? flushed.applied : new Map(apply.applied);
    await this.reached({ lsn, timeoutMs });
    const tables: Record<string, number> = {};
    for (const [table, rows] of apply.applied) {
      const added = rows - (before.get(table) ?? 0);
      if (added > 0) tables[table] = added;
    }
    const applied = Object.values(tables).reduce((sum, rows) => sum + rows, 0);
    return { applied, position: formatPosition(lowest(this.#positions())), tables };
  }

  /** Waits until both streams are applied up to a position of the centre's WAL. @throws PayflowError SYNC_TIMEOUT */
  async reached({ lsn, timeoutMs }: { lsn: string; timeoutMs: number }): Promise<void> {
    const { apply, topics, valve } = this.#options;
    const wanted = parseLsn(lsn);
    await valve.while(async () => {
      if (apply.standing.current.kind === 'retired') this.#requireGoodStanding();
      await this.#until(
        timeoutMs,
        `the streams are not applied up to ${lsn}`,
        () =>
          // A stream that is read again from the beginning has been there once, but not with all of its rows.
          topics.every((topic) => apply.checkpoints.reach(topic).caughtUp) &&
          this.#positions().every((position) => position.lsn >= wanted),
      );
    });
  }

  #positions(): Position[] {
    const { apply, topics } = this.#options;
    return topics.map((topic) => apply.checkpoints.stream(topic).position);
  }

  /** Applies the newest record of every key in the range again. @throws PayflowError NOT_FOUND */
  async replay({ topic, dryRun, ...range }: ReplayRequest): Promise<ReplayResult> {
    const { topics, apply, eventLog } = this.#options;
    if (!topics.includes(topic))
      throw new PayflowError('NOT_FOUND', `this till does not read a stream ${topic}`);
    const counts = { read: 0, applied: 0, skipped: 0 };
    const stream: StreamRef = { topic, partition: 0 };
    for await (const { read, newest } of newestOfRange(eventLog, stream, range)) {
      const { applied, skipped } = await apply.replay(topic, newest, { dryRun });
      counts.read += read;
      counts.applied += applied;
      counts.skipped += skipped;
    }
    return { ...counts, dryRun };
  }

  /** Nothing of a fenced or retired till would ever be settled: better said at once. */
  #requireGoodStanding(): void {
    const { refusal } = this.#options.apply.standing;
    if (refusal !== undefined) throw refusal;
  }

  async #until(timeoutMs: number, missing: string, reached: () => boolean): Promise<void> {
    const { applied, now } = this.#options;
    const deadline = now() + timeoutMs;
    while (!reached()) {
      const leftMs = deadline - now();
      if (leftMs <= 0) throw new PayflowError('SYNC_TIMEOUT', `after ${timeoutMs} ms ${missing}`);
      await applied.wait(Math.min(LOOK_MS, leftMs));
    }
  }
}

function* outcomesOf(
  open: readonly { readonly seq: number; readonly table: string }[],
  outcomes: ReadonlyMap<number, Outcome>,
): Iterable<FlushEntry> {
  for (const { seq, table } of open) yield { seq, table, outcome: outcomes.get(seq) ?? null };
}

function lowest(positions: readonly Position[]): Position {
  return positions.reduce((low, each) => (each.lsn < low.lsn ? each : low));
}

/** As the gateway shows it: a repeated change was applied before; one whose row is gone from here had no effect. */
export function pullResult({ tables, ...total }: FlushReport): PullResult {
  const byTable = Object.entries(tables).map(([table, counts]) => [table, pullCounts(counts)] as const);
  return { ...pullCounts(total), tables: Object.fromEntries(byTable) };
}

function pullCounts(counts: FlushCounts): PullCounts {
  return {
    published: counts.published,
    applied: counts.applied + counts.duplicate,
    merged: counts.merged,
    lost: counts.lost + counts.gone,
    rejected: counts.rejected + counts.discarded,
    held: counts.held,
  };
}
