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
import { Backoff, sleep, supervise, type Health } from '../shared/lifecycle.ts';
import type { EventLog, StoredRecord, StreamRef } from '../shared/log/event-log.ts';
import { connect } from '../shared/database/postgres.ts';
import { streamName, upStream } from '../shared/log/topics.ts';
import { oneAhead } from './ahead.ts';
import { splitIntoGroups } from './batches.ts';
import { applyGroup, MappingChanged, type Group, type GroupResult } from './group.ts';
import { readReleasable, terminalsWithHeld } from './held.ts';
import { Intake, type Taken } from './intake.ts';
import { readConsumed } from './progress.ts';
import { convertAhead } from './rows/convert.ts';
import { loadModel, type CentralModel } from './rows/model.ts';
import { Session } from './rows/sql.ts';

export interface CentralApplyOptions {
  readonly pool: Pool;
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly log: Logger;
  /** Told at each change, with the partition. */
  readonly onHealth?: (partition: number, health: Health) => void;
  /** Told after each committed group. */
  readonly onApplied?: (result: GroupResult) => void;
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
/** A deadlock or the like: tried again at once this often before the reader backs off. */
const QUICK_RETRIES = 5;

export class CentralApply {
  readonly #options: CentralApplyOptions;
  readonly #intake: Intake;
  #model: CentralModel | null = null;
  readonly #streamIds = new Map<number, string | null>();

  constructor(options: CentralApplyOptions) {
    this.#options = options;
    this.#intake = new Intake({ pool: options.pool, log: options.log });
  }

  /**
   * Reads and applies a partition until the signal is aborted; outages are waited out.
   * @throws PayflowError what a person must mend
   */
  async readPartition(partition: number, signal: AbortSignal): Promise<void> {
    const { log, eventLog, prefix, onHealth } = this.#options;
    const stream = upStream(prefix, partition);
    const report = (health: Health) => onHealth?.(partition, health);
    await supervise(signal, { log, onHealth: report }, async (ready) => {
      await this.#releaseAllHeld(partition);
      const from = await this.resumeOffset(partition);
      log.debug({ stream: streamName(stream), from }, 'reading');
      ready();
      try {
        const taken = oneAhead({
          source: (stop) => eventLog.read(stream, { from, signal: stop, prefetchBytes: PREFETCH_BYTES }),
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
    });
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
   * its last record. Harmless to repeat, in whole or in part.
   */
  async applyRecords(partition: number, records: readonly StoredRecord[]): Promise<ApplyResult> {
    return this.#applyTaken(partition, await this.#take(records));
  }

  /**
   * All that needs neither locks nor what was applied before: signatures, decoding, conversion of values. Done
   * for the next records while PostgreSQL works on these.
   */
  async #take(records: readonly StoredRecord[]): Promise<TakenBatch> {
    const taken = await this.#intake.take(records);
    if (this.#model !== null) {
      const units = taken.flatMap((each) => (each.kind === 'accepted' ? each.accepted.record.units : []));
      await convertAhead(this.#model, units);
    }
    return { records, taken };
  }

  async #applyTaken(partition: number, { records, taken }: TakenBatch): Promise<ApplyResult> {
    const result: ApplyResult = {
      units: 0,
      changes: 0,
      duplicateUnits: 0,
      heldRecords: 0,
      refusedRecords: 0,
      outcomes: new Map(),
    };
    const stream = upStream(this.#options.prefix, partition);
    for (const slice of splitIntoGroups(records, taken)) {
      const group = this.#groupOf(stream, slice);
      const done = await this.#apply(group);
      count(result, done, group.refused.length);
      for (const terminal of done.withHeld) await this.#releaseHeld(terminal, result);
    }
    return result;
  }

  #groupOf(stream: StreamRef, slice: ReturnType<typeof splitIntoGroups>[number]): Group {
    const streamId = this.#streamIds.get(stream.partition) ?? null;
    return {
      records: slice.accepted,
      refused: slice.refused,
      heldIds: [],
      consumed: { ...stream, nextOffset: slice.lastOffset + 1, streamId },
    };
  }

  /** Applies what is held of a terminal and has its turn. */
  async releaseHeld(terminal: string): Promise<void> {
    await this.#releaseHeld(terminal, null);
  }

  async #releaseAllHeld(partition: number): Promise<void> {
    const client = await connect(this.#options.pool);
    let terminals: string[];
    try {
      terminals = await terminalsWithHeld(new Session(client), partition);
    } finally {
      client.release();
    }
    for (const terminal of terminals) await this.#releaseHeld(terminal, null);
  }

  /** Applies held records of a terminal for as long as the next one is there. */
  async #releaseHeld(terminal: string, result: ApplyResult | null): Promise<void> {
    for (;;) {
      const { records, heldIds } = await readReleasable(this.#options.pool, terminal);
      if (heldIds.length === 0) return;
      const done = await this.#apply({ records, refused: [], heldIds, consumed: null });
      if (result !== null) count(result, done, 0);
      // A gap inside a record: it waits for its next unit, and looking again would change nothing.
      if (done.units === 0 && done.heldRecords > 0) return;
    }
  }

  async #apply(group: Group): Promise<GroupResult> {
    const { pool, log, onApplied } = this.#options;
    const backoff = new Backoff({ firstMs: 20, maxMs: 500 });
    for (let attempt = 1; ; attempt += 1) {
      this.#model ??= await loadModel(pool);
      try {
        const result = await applyGroup(group, { pool, log, model: this.#model });
        onApplied?.(result);
        return result;
      } catch (thrown) {
        const error = asPayflowError(thrown);
        // After any failure that the schema may explain, it is looked at afresh.
        if (error instanceof MappingChanged || error.code === 'DB_SCHEMA') this.#model = null;
        const again = error.code === 'DB_TRANSIENT' || (error.code === 'DB_SCHEMA' && attempt === 1);
        if (!again || attempt > QUICK_RETRIES) throw error;
        if (!(error instanceof MappingChanged)) await sleep(backoff.next());
      }
    }
  }
}

function count(result: ApplyResult, done: GroupResult, refused: number): void {
  result.units += done.units;
  result.changes += done.changes;
  result.duplicateUnits += done.duplicateUnits;
  result.heldRecords += done.heldRecords;
  result.refusedRecords += refused;
  for (const [outcome, times] of done.outcomes) {
    result.outcomes.set(outcome, (result.outcomes.get(outcome) ?? 0) + times);
  }
}
