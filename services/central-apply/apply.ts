/**
 * The up stream into PostgreSQL; the same shape as the till's apply: where was I → read on → apply a batch, in
 * one transaction with where I am now.
 *
 * Central-apply is the only writer on behalf of terminals. What makes each sale count once is not this loop but
 * the terminal's progress row, locked in every group (group.ts); the loop may read any record any number of times.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Outcome } from '../shared/records/change-record.ts';
import { asPayflowError } from '../shared/errors.ts';
import { runAll, supervise, type Health } from '../shared/lifecycle.ts';
import type { EventLog, StoredRecord, StreamRef } from '../shared/log/event-log.ts';
import { connect } from '../shared/database/postgres.ts';
import { streamName, upStream } from '../shared/log/topics.ts';
import { oneAhead } from './ahead.ts';
import { GroupApplier } from './apply-group.ts';
import { splitIntoGroups } from './batches.ts';
import { Passes } from './evidence-of-cause.ts';
import type { Group, GroupResult } from './group.ts';
import { readReleasable, terminalsWithHeld } from './releasable.ts';
import { Intake, type Taken } from './intake.ts';
import { readConsumed } from './progress.ts';
import { convertAhead } from './rows/convert.ts';
import { Session } from './rows/sql.ts';
import { Waiting } from './waiting.ts';

export interface CentralApplyOptions {
  readonly pool: Pool;
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly log: Logger;
  /** Told at each change, with the partition. */
  readonly onHealth?: (partition: number, health: Health) => void;
  /** Told after each committed group, with how long it took. */
  readonly onApplied?: (result: GroupResult, seconds: number) => void;
  /** Told of all tills that wait for a cause at the centre, whenever that is looked at. */
  readonly onWaiting?: (terminals: readonly string[]) => void;
}

/** What a call of `applyRecords` did, over its groups. */
export interface ApplyResult {
  units: number;
  changes: number;
  duplicateUnits: number;
  heldRecords: number;
  refusedRecords: number;
  readonly outcomes: Map<Outcome, number>;
}

interface TakenBatch {
  readonly records: readonly StoredRecord[];
  /** What the intake said of each of them. */
  readonly taken: readonly Taken[];
}

/** Ahead of each partition: enough for the next group while one is applied, and little times many partitions. */
const PREFETCH_BYTES = 512 * 1024;

export class CentralApply {
  readonly #options: CentralApplyOptions;
  readonly #intake: Intake;
  readonly #waiting: Waiting;
  readonly #groups: GroupApplier;
  readonly #streamIds = new Map<number, string | null>();

  constructor(options: CentralApplyOptions) {
    this.#options = options;
    const { pool, log, onWaiting } = options;
    this.#intake = new Intake({ pool, log });
    this.#waiting = new Waiting({ pool, log, onWaiting });
    this.#groups = new GroupApplier({
      pool,
      log,
      passes: new Passes(),
      awaited: () => this.#waiting.awaited,
    });
  }

  /**
   * Reads and applies a partition until the signal is aborted, and tries its tills that wait. No error of it ends
   * the process: it is unready with the error's code, and tries again.
   */
  async readPartition(partition: number, signal: AbortSignal): Promise<void> {
    const { log, onHealth } = this.#options;
    const report = (health: Health) => onHealth?.(partition, health);
    await supervise(signal, { log, onHealth: report, endures: 'everything' }, async (ready) => {
      await this.#releaseAllHeld(partition);
      await runAll(
        [
          { name: 'reader', run: (stop) => this.#read(partition, stop, ready) },
          {
            name: 'tills that wait',
            run: (stop) => this.#waiting.tryAll(partition, stop, (terminal) => this.#try(terminal)),
          },
        ],
        signal,
      );
    });
  }

  async #read(partition: number, signal: AbortSignal, ready: () => void): Promise<void> {
    const { log, eventLog, prefix } = this.#options;
    const stream = upStream(prefix, partition);
    const from = await this.resumeOffset(partition);
    log.debug({ stream: streamName(stream), from }, 'reading');
    ready();
    try {
      const taken = oneAhead({
        source: (stop) =>
          eventLog.read(stream, { from, signal: stop, prefetchBytes: PREFETCH_BYTES, unreadable: 'pass' }),
        work: (records) => this.#take(records),
        signal,
      });
      for await (const batch of taken) {
        await this.#applyTaken(partition, batch);
        ready();
      }
    } catch (error) {
      // Retention passed us by, or the stream was made anew: resumeOffset finds the place again.
      if (asPayflowError(error).code !== 'LOG_OFFSET_OUT_OF_RANGE') throw error;
      log.warn({ stream: streamName(stream), from }, 'the wanted offset is gone; reading from the first');
    }
  }

  /** The offset to read on from: the consumed one, unless the stream no longer holds it or is another one. */
  async resumeOffset(partition: number): Promise<number> {
    const { eventLog, pool, prefix } = this.#options;
    const stream = upStream(prefix, partition);
    const { first, end } = await eventLog.offsets(stream);
    const streamId = (await eventLog.streamId(stream)) ?? null;
    const client = await connect(pool);
    try {
      const consumed = await readConsumed(new Session(client), stream.topic, partition);
      this.#streamIds.set(partition, streamId ?? consumed?.streamId ?? null);
      if (consumed === null || consumed.nextOffset < first || consumed.nextOffset > end) return first;
      const other = streamId !== null && consumed.streamId !== null && streamId !== consumed.streamId;
      return other ? first : consumed.nextOffset;
    } finally {
      client.release();
    }
  }

  /**
   * One step: applies records of a partition, in transactions of a bounded size, each with the offset behind
   * its last record, and waits until it is known what becomes of parts that were refused. Harmless to repeat, in
   * whole or in part.
   */
  async applyRecords(partition: number, records: readonly StoredRecord[]): Promise<ApplyResult> {
    const { result, tills } = await this.#applyTaken(partition, await this.#take(records));
    for (const terminal of tills) {
      await this.#waiting.untilJudged(terminal, () => this.#release(terminal, result));
    }
    return result;
  }

  /** One step: tries a till that waits now, whenever its time is. */
  async tryWaiting(terminal: string): Promise<void> {
    await this.#release(terminal, null);
  }

  /**
   * All that needs neither locks nor what was applied before: signatures, decoding, conversion of values. Done
   * for the next records while PostgreSQL works on these.
   */
  async #take(records: readonly StoredRecord[]): Promise<TakenBatch> {
    const taken = await this.#intake.take(records);
    const { model } = this.#groups;
    if (model !== null) {
      const units = taken.flatMap((each) => (each.kind === 'accepted' ? each.accepted.record.units : []));
      await convertAhead(model, units);
    }
    return { records, taken };
  }

  async #applyTaken(
    partition: number,
    { records, taken }: TakenBatch,
  ): Promise<{ result: ApplyResult; tills: ReadonlySet<string> }> {
    const result: ApplyResult = {
      units: 0,
      changes: 0,
      duplicateUnits: 0,
      heldRecords: 0,
      refusedRecords: 0,
      outcomes: new Map(),
    };
    const stream = upStream(this.#options.prefix, partition);
    const tills = new Set<string>();
    for (const slice of splitIntoGroups(records, taken)) {
      for (const { record } of slice.accepted) tills.add(record.terminal);
      const done = await this.#apply(this.#groupOf(stream, slice));
      count(result, done);
      for (const terminal of done.withHeld) {
        if (!this.#waiting.isApart(terminal)) await this.#release(terminal, result);
      }
    }
    return { result, tills };
  }

  #groupOf(stream: StreamRef, slice: ReturnType<typeof splitIntoGroups>[number]): Group {
    const streamId = this.#streamIds.get(stream.partition) ?? null;
    return {
      records: slice.accepted,
      refused: slice.refused,
      heldIds: [],
      consumed: { ...stream, nextOffset: slice.lastOffset + 1, streamId },
      apart: this.#waiting.apart,
    };
  }

  async #releaseAllHeld(partition: number): Promise<void> {
    await this.#waiting.look();
    const client = await connect(this.#options.pool);
    let terminals: string[];
    try {
      terminals = await terminalsWithHeld(new Session(client), partition);
    } finally {
      client.release();
    }
    // Those that wait are tried when their time comes.
    for (const terminal of terminals)
      if (!this.#waiting.isApart(terminal)) await this.#release(terminal, null);
  }

  /** A terminal's chain goes on at another place: what was held behind it may be applied now. */
  async release(terminal: string): Promise<void> {
    // One that waits for a cause goes on by itself; whoever is apart for another reason is asked about by nobody else.
    if (!this.#waiting.isHeld(terminal)) await this.#release(terminal, null);
  }

  /**
   * Of a till that is apart because parts of it were refused one group: it may send for ever, and others wait for their
   * turn. One that waits for a cause goes on with all it has, since nothing brings it back here once that ends.
   */
  async #try(terminal: string): Promise<void> {
    await this.#release(terminal, null, this.#waiting.isHeld(terminal) ? Infinity : 1);
  }

  /** Applies held records of a terminal for as long as the next one is there. */
  async #release(terminal: string, result: ApplyResult | null, mostGroups = Infinity): Promise<void> {
    let tried = '';
    for (let groups = 0; groups < mostGroups;) {
      const stored = this.#waiting.storedFor(terminal);
      const { records, heldIds } = await readReleasable(this.#options.pool, terminal);
      // A gap inside a record waits for its next unit, and looking again would change nothing.
      if (records.length === 0 || tried === heldIds.join()) {
        if (groups === 0) this.#waiting.lookedInVain(terminal);
        return this.#nothingNext(terminal, stored);
      }
      const group: Group = { records, refused: [], heldIds, consumed: null, apart: new Set() };
      const done = await this.#apply(group);
      if (result !== null) count(result, done);
      if (done.stopped.length > 0) return;
      if (done.units > 0 || done.heldRecords === 0) groups += 1;
      else tried = heldIds.join();
    }
  }

  /** Whatever it waited for, it does not stand in its way any more. */
  async #nothingNext(terminal: string, stored: number): Promise<void> {
    if (this.#waiting.isHeld(terminal)) await this.#groups.endHold(terminal);
    this.#waiting.nothingLeft(terminal, stored);
  }

  async #apply(group: Group): Promise<GroupResult> {
    const startedMs = performance.now();
    const result = await this.#groups.apply(group);
    this.#options.onApplied?.(result, (performance.now() - startedMs) / 1000);
    this.#waiting.note(group, result);
    return result;
  }
}

function count(result: ApplyResult, done: GroupResult): void {
  result.units += done.units;
  result.changes += done.changes;
  result.duplicateUnits += done.duplicateUnits;
  result.heldRecords += done.heldRecords;
  result.refusedRecords += done.refusedRecords;
  for (const [outcome, times] of done.outcomes) {
    result.outcomes.set(outcome, (result.outcomes.get(outcome) ?? 0) + times);
  }
}
