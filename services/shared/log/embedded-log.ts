/**
 * The event log in one SQLite file, for one machine: the demo, a single till beside its centre, tests. Any
 * number of processes may have the file open; SQLite's locks order their appends.
 */
import type Database from 'better-sqlite3';
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { PayflowError } from '../errors.ts';
import { Backoff, sleep } from '../lifecycle.ts';
import { MAX_RECORD_BYTES, streamName } from './topics.ts';
import { EmbeddedAppender, type CommitFaults } from './embedded-appender.ts';
import { compactStream, expireStream, isDirty } from './embedded-compaction.ts';
import {
  asEmbeddedError,
  endRecordNo,
  missingStream,
  openEmbeddedFile,
  recordNo,
  toStoredRecord,
  type RecordRow,
  type StreamRow,
  type TopicRow,
} from './embedded-store.ts';
import { changeSettings, settingsOf } from './embedded-settings.ts';
import { EmbeddedWaiters } from './embedded-waiters.ts';
import {
  STREAM_ID_KEY,
  type AppendOptions,
  type EventLog,
  type Looked,
  type LookOptions,
  type LogRecord,
  type ReadOptions,
  type StoredRecord,
  type StreamRef,
  type TopicDescription,
  type TopicSpec,
} from './event-log.ts';
import { recordBytes, requireRecords, tooLarge } from './records.ts';

const DEFAULT_DELETE_RETENTION_MS = 24 * 60 * 60 * 1000;
/** Of a client that still runs, the row only matters within an append. */
const FORGOTTEN_WRITER_MS = 24 * 60 * 60 * 1000;
const DEFAULT_MAINTENANCE_MS = 10 * 60 * 1000;
const DEFAULT_PREFETCH_BYTES = 4 * 1024 * 1024;
/** One batch handed to a reader: large enough to be fast, small enough not to hold up the event loop. */
const MAX_BATCH_BYTES = 512 * 1024;

export interface EmbeddedLogOptions {
  readonly file: string;
  readonly log: Logger;
  readonly now?: () => number;
  /** How often old records are removed and compacted; 0 never does it by itself. */
  readonly maintenanceMs?: number;
  readonly faults?: CommitFaults;
  /** Told of every batch read, for the metrics. */
  readonly onFetched?: (stream: StreamRef, bytes: number) => void;
}

export class EmbeddedLog implements EventLog {
  readonly kind = 'embedded';
  readonly #options: EmbeddedLogOptions;
  readonly #db: Database.Database;
  readonly #now: () => number;
  readonly #appender: EmbeddedAppender;
  readonly #waiters: EmbeddedWaiters;
  readonly #selectStream: Database.Statement<[string, number]>;
  readonly #selectTopic: Database.Statement<[string]>;
  readonly #selectRecords: Database.Statement<[number, number]>;
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #maintenance: Promise<unknown> = Promise.resolve();

  /** @throws PayflowError when the file cannot be opened or is not a log. */
  constructor(options: EmbeddedLogOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#db = openEmbeddedFile(options.file);
    const dataVersion = this.#db.prepare('PRAGMA data_version').pluck();
    this.#waiters = new EmbeddedWaiters(() => dataVersion.get());
    this.#selectStream = this.#db.prepare('SELECT * FROM stream WHERE topic = ? AND partition = ?');
    this.#selectTopic = this.#db.prepare('SELECT * FROM topic WHERE topic = ?');
    this.#selectRecords = this.#db.prepare(
      'SELECT * FROM record WHERE record_no >= ? AND record_no < ? ORDER BY record_no',
    );
    this.#appender = new EmbeddedAppender({
      db: this.#db,
      onAppended: () => this.#waiters.wake(),
      faults: options.faults ?? {},
      now: this.#now,
    });
    const everyMs = options.maintenanceMs ?? DEFAULT_MAINTENANCE_MS;
    if (everyMs > 0) this.#timer = setInterval(() => this.#startMaintenance(), everyMs).unref();
  }

  async createTopic(spec: TopicSpec): Promise<'created' | 'exists'> {
    const create = this.#db.transaction(() => {
      const { changes } = this.#db
        .prepare('INSERT INTO topic VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
        .run(
          spec.topic,
          spec.partitions,
          spec.cleanup,
          spec.cleanup === 'delete' ? (spec.retentionMs ?? null) : null,
          spec.minCompactionLagMs ?? 0,
          spec.deleteRetentionMs ?? DEFAULT_DELETE_RETENTION_MS,
          spec.maxRecordBytes ?? MAX_RECORD_BYTES,
        );
      if (changes === 0) return 'exists';
      for (let partition = 0; partition < spec.partitions; partition += 1)
        this.#createStream(spec, partition);
      return 'created';
    });
    const outcome = this.#guarded(`creating ${spec.topic}`, () => create.immediate());
    if (outcome === 'created') this.#waiters.wake();
    return outcome;
  }

  async describeTopics(
    topics: readonly string[],
  ): Promise<ReadonlyMap<string, TopicDescription | PayflowError>> {
    return new Map(topics.map((topic) => [topic, this.#describe(topic)]));
  }

  async changeTopic(topic: string, settings: ReadonlyMap<string, string>): Promise<void> {
    this.#guarded(`changing the settings of ${topic}`, () =>
      changeSettings(this.#db, this.#topic(topic), settings),
    );
  }

  async append(
    stream: StreamRef,
    records: readonly LogRecord[],
    options: AppendOptions = {},
  ): Promise<{ baseOffset: number }> {
    requireRecords(stream, records);
    this.#check(stream, records);
    return { baseOffset: await this.#appender.append(stream, records, options) };
  }

  async *read(
    stream: StreamRef,
    options: ReadOptions & { onTrouble?: (error: PayflowError) => void },
  ): AsyncGenerator<readonly StoredRecord[]> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const batchBytes = Math.min(MAX_BATCH_BYTES, options.prefetchBytes ?? DEFAULT_PREFETCH_BYTES);
    const backoff = new Backoff({ firstMs: 20, maxMs: 2_000 });
    let from = options.from;
    while (!signal.aborted) {
      try {
        const seen = this.#waiters.version();
        const { records, next } = this.#fetch(stream, from, batchBytes);
        backoff.reset();
        from = next;
        if (records.length === 0) await this.#waiters.wait(seen, signal);
        else yield records;
      } catch (thrown) {
        const error = asEmbeddedError(thrown, `reading ${streamName(stream)}`);
        if (error.code !== 'LOG_UNREACHABLE') throw error;
        options.onTrouble?.(error);
        await sleep(backoff.next(), signal);
      }
      // Reading is synchronous: others get their turn between two batches.
      await setImmediate();
    }
  }

  async offsets(stream: StreamRef): Promise<{ first: number; end: number }> {
    const row = this.#stream(stream);
    return { first: row.first_offset, end: row.end_offset };
  }

  async recordAt(stream: StreamRef, { offset, signal }: LookOptions): Promise<Looked> {
    try {
      if (signal.aborted) throw new PayflowError('LOG_UNREACHABLE', 'nobody waits for the answer any more');
      const { first_offset: first, end_offset: end } = this.#stream(stream);
      const [record] = offset < first || offset >= end ? [] : this.#fetch(stream, offset, 1).records;
      return record?.offset === offset ? { kind: 'there', record } : { kind: 'not there' };
    } catch (thrown) {
      const error = asEmbeddedError(thrown, `looking at offset ${offset} of ${streamName(stream)}`);
      // Retention may have passed the offset since the bounds were read.
      const isPassed = error.code === 'LOG_OFFSET_OUT_OF_RANGE';
      if (isPassed || error.code === 'LOG_UNREACHABLE') return { kind: 'unknown', error };
      throw error;
    }
  }

  async streamId(stream: StreamRef): Promise<string | undefined> {
    const { first_offset: first } = this.#stream(stream);
    const [record] = this.#fetch(stream, first, 1).records;
    return record?.key?.toString('utf8') === STREAM_ID_KEY ? record.value?.toString('utf8') : undefined;
  }

  /**
   * Compacts (or, for a `delete` topic, expires) now.
   * @returns how many records were removed.
   */
  async compact(topic: string, options: { now?: number; ignoreLag?: boolean } = {}): Promise<number> {
    const row = this.#topic(topic);
    const work = {
      now: options.now ?? this.#now(),
      ignoreLag: options.ignoreLag ?? false,
      signal: this.#closing.signal,
    };
    let removed = 0;
    for (let partition = 0; partition < row.partitions && !work.signal.aborted; partition += 1) {
      const stream = this.#stream({ topic, partition });
      const clean = row.cleanup === 'compact' ? compactStream : expireStream;
      removed += await clean(this.#db, row, stream, work);
    }
    return removed;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    clearInterval(this.#timer);
    this.#closing.abort();
    this.#appender.close();
    await this.#maintenance;
    this.#db.close();
  }

  #createStream(spec: TopicSpec, partition: number): void {
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO stream (topic, partition, end_offset) VALUES (?, ?, 1)')
      .run(spec.topic, partition);
    this.#db
      .prepare('INSERT INTO record VALUES (?, ?, ?, NULL, ?)')
      .run(
        recordNo(Number(lastInsertRowid), 0),
        Buffer.from(STREAM_ID_KEY),
        Buffer.from(randomUUID()),
        this.#now(),
      );
  }

  /** One batch from `from` on, and where the next begins; compaction may leave nothing up to the end. */
  #fetch(stream: StreamRef, from: number, maxBytes: number): { records: StoredRecord[]; next: number } {
    return this.#guarded(`reading ${streamName(stream)}`, () => {
      const row = this.#stream(stream);
      const records: StoredRecord[] = [];
      let bytes = 0;
      const rows = this.#selectRecords.iterate(
        recordNo(row.stream_no, from),
        endRecordNo(row.stream_no),
      ) as IterableIterator<RecordRow>;
      for (const stored of rows) {
        const record = toStoredRecord(stored);
        bytes += recordBytes(record);
        if (records.length > 0 && bytes > maxBytes) break;
        records.push(record);
      }
      // Looked at after the records: retention moves it before it removes.
      this.#requireInRange(stream, from);
      if (bytes > 0) this.#options.onFetched?.(stream, bytes);
      const last = records.at(-1);
      return { records, next: last === undefined ? Math.max(from, row.end_offset) : last.offset + 1 };
    });
  }

  #requireInRange(stream: StreamRef, from: number): void {
    const { first_offset: first, end_offset: end } = this.#stream(stream);
    if (from >= first && from <= end) return;
    throw new PayflowError(
      'LOG_OFFSET_OUT_OF_RANGE',
      `${streamName(stream)} holds ${first} to ${end}, not ${from}`,
      { details: { ...stream, first, end, wanted: from } },
    );
  }

  #check(stream: StreamRef, records: readonly LogRecord[]): void {
    const topic = this.#topic(stream.topic);
    if (stream.partition >= topic.partitions) throw missingStream(stream);
    for (const record of records) {
      const bytes = recordBytes(record);
      if (bytes > topic.max_record_bytes) throw tooLarge(stream, bytes, topic.max_record_bytes);
      if (topic.cleanup === 'compact' && record.key === null) {
        throw new PayflowError(
          'LOG_RECORD_INVALID',
          `a record without a key for the compacted ${streamName(stream)}`,
        );
      }
    }
  }

  #describe(topic: string): TopicDescription | PayflowError {
    const row = this.#guarded(`looking for ${topic}`, () => this.#selectTopic.get(topic)) as
      TopicRow | undefined;
    return row === undefined ? missingStream({ topic, partition: 0 }) : settingsOf(row);
  }

  #topic(topic: string): TopicRow {
    const row = this.#guarded(`looking for ${topic}`, () => this.#selectTopic.get(topic)) as
      TopicRow | undefined;
    if (row === undefined) throw missingStream({ topic, partition: 0 });
    return row;
  }

  #stream(stream: StreamRef): StreamRow {
    const row = this.#guarded(`looking for ${streamName(stream)}`, () =>
      this.#selectStream.get(stream.topic, stream.partition),
    ) as StreamRow | undefined;
    if (row === undefined) throw missingStream(stream);
    return row;
  }

  #startMaintenance(): void {
    this.#maintenance = this.#maintenance.then(async () => {
      try {
        await this.#maintain();
      } catch (error) {
        const known = asEmbeddedError(error, 'cleaning the event log');
        this.#options.log.warn({ code: known.code, err: known }, `${known.message}; tried again later`);
      }
    });
  }

  async #maintain(): Promise<void> {
    this.#db.prepare('DELETE FROM writer WHERE written_ms < ?').run(this.#now() - FORGOTTEN_WRITER_MS);
    const topics = this.#db.prepare('SELECT topic, cleanup FROM topic').all() as TopicRow[];
    for (const { topic, cleanup } of topics) {
      const streams = this.#db.prepare('SELECT * FROM stream WHERE topic = ?').all(topic) as StreamRow[];
      if (cleanup === 'compact' && !streams.some(isDirty)) continue;
      const removed = await this.compact(topic);
      if (removed > 0) this.#options.log.info({ topic, removed }, 'removed old records of the event log');
      if (this.#closing.signal.aborted) return;
    }
  }

  #guarded<T>(context: string, work: () => T): T {
    if (this.#closing.signal.aborted) throw new PayflowError('LOG_UNREACHABLE', 'the event log is closed');
    try {
      return work();
    } catch (error) {
      throw asEmbeddedError(error, context);
    }
  }
}
