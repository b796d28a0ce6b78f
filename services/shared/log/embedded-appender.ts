/**
 * Group commit of records that were checked before: what is asked for while one transaction is being written
 * goes into the next one together, and resolves when that is on disk. After an error the file is asked
 * whether the transaction was kept; if not it is repeated before anything later.
 */
import { randomUUID } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { PayflowError } from '../errors.ts';
import { Backoff, sleep } from '../lifecycle.ts';
import { streamName } from './topics.ts';
import { asEmbeddedError, encodeHeaders, missingStream, recordNo } from './embedded-store.ts';
import type { AppendOptions, LogRecord, StreamRef } from './event-log.ts';
import { cancelled } from './records.ts';

/** Bounds a transaction, so that one large append does not hold up many small ones for long. */
const MAX_GROUP_RECORDS = 20_000;

interface Job {
  readonly stream: StreamRef;
  readonly records: readonly LogRecord[];
  readonly options: AppendOptions;
  readonly resolve: (baseOffset: number) => void;
  readonly reject: (error: unknown) => void;
  readonly stop: AbortController;
}

/** Thrown errors stand for a process or disk that fails just there; used by the tests. */
export interface CommitFaults {
  beforeCommit?(): void;
  afterCommit?(): void;
}

export interface EmbeddedAppenderOptions {
  readonly db: Database.Database;
  readonly onAppended: () => void;
  readonly faults: CommitFaults;
  readonly now: () => number;
}

export class EmbeddedAppender {
  readonly #options: EmbeddedAppenderOptions;
  readonly #claim: Database.Statement;
  readonly #insert: Database.Statement;
  readonly #sign: Database.Statement;
  readonly #signed: Database.Statement;
  readonly #writerId = randomUUID();
  #groupNo = 0;
  #queue: Job[] = [];
  #group: readonly Job[] = [];
  #working = false;
  #closed = false;

  constructor(options: EmbeddedAppenderOptions) {
    this.#options = options;
    this.#claim = options.db.prepare(
      `UPDATE stream SET end_offset = end_offset + ? WHERE topic = ? AND partition = ?
       RETURNING stream_no, end_offset`,
    );
    this.#insert = options.db.prepare('INSERT INTO record VALUES (?, ?, ?, ?, ?)');
    this.#sign = options.db.prepare(
      `INSERT INTO writer VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET group_no = excluded.group_no, written_ms = excluded.written_ms`,
    );
    this.#signed = options.db.prepare('SELECT group_no FROM writer WHERE writer_id = ?').pluck();
  }

  append(stream: StreamRef, records: readonly LogRecord[], options: AppendOptions): Promise<number> {
    const { signal } = options;
    return new Promise<number>((resolve, reject) => {
      if (this.#closed || signal?.aborted === true) throw cancelled(stream, signal?.reason);
      const stop = new AbortController();
      const cancel = () => stop.abort();
      const settle = (act: () => void) => {
        signal?.removeEventListener('abort', cancel);
        act();
      };
      stop.signal.addEventListener('abort', () => settle(() => reject(cancelled(stream, signal?.reason))), {
        once: true,
      });
      signal?.addEventListener('abort', cancel, { once: true });
      this.#queue.push({
        stream,
        records,
        options,
        stop,
        resolve: (offset) => settle(() => resolve(offset)),
        reject: (error) => settle(() => reject(asEmbeddedError(error, `appending to ${streamName(stream)}`))),
      });
      if (!this.#working) void this.#work();
    });
  }

  close(): void {
    this.#closed = true;
    for (const job of [...this.#queue, ...this.#group]) job.stop.abort();
  }

  async #work(): Promise<void> {
    this.#working = true;
    // Lets whoever appends in the same turn join the first group.
    await Promise.resolve();
    for (let group = this.#takeGroup(); group.length > 0; group = this.#takeGroup()) {
      this.#group = group;
      await this.#writeUntilKnown(group);
    }
    this.#group = [];
    this.#working = false;
  }

  #takeGroup(): Job[] {
    const group: Job[] = [];
    let records = 0;
    while (this.#queue.length > 0 && records < MAX_GROUP_RECORDS) {
      const job = this.#queue.shift();
      if (job === undefined || job.stop.signal.aborted) continue;
      group.push(job);
      records += job.records.length;
    }
    return group;
  }

  async #writeUntilKnown(group: readonly Job[]): Promise<void> {
    const backoff = new Backoff({ firstMs: 10, maxMs: 2_000 });
    for (let open = group; open.length > 0; open = open.filter((job) => !job.stop.signal.aborted)) {
      try {
        const offsets = this.#writeOnce(open);
        open.forEach((job, index) => job.resolve(offsets[index] ?? 0));
        this.#options.onAppended();
        return;
      } catch (thrown) {
        const error = asEmbeddedError(thrown, 'appending');
        if (error.code !== 'LOG_UNREACHABLE') {
          for (const job of open) job.reject(error);
          return;
        }
        await this.#waitOut(open, error, backoff.next());
      }
    }
  }

  async #waitOut(group: readonly Job[], error: PayflowError, waitMs: number): Promise<void> {
    for (const job of group) job.options.onTrouble?.(error);
    const [first] = group;
    await sleep(waitMs, group.length === 1 ? first?.stop.signal : undefined);
  }

  /** One transaction, kept whole or not at all, which an error alone does not tell. */
  #writeOnce(group: readonly Job[]): number[] {
    const { db, faults, now } = this.#options;
    const timestampMs = now();
    this.#groupNo += 1;
    let offsets: number[] = [];
    const write = db.transaction(() => {
      offsets = group.map((job) => this.#insertAll(job, timestampMs));
      this.#sign.run(this.#writerId, this.#groupNo, timestampMs);
      faults.beforeCommit?.();
    });
    try {
      write.immediate();
      faults.afterCommit?.();
    } catch (error) {
      if (db.inTransaction || this.#signed.get(this.#writerId) !== this.#groupNo) throw error;
    }
    return offsets;
  }

  #insertAll({ stream, records }: Job, timestampMs: number): number {
    const claimed = this.#claim.get(records.length, stream.topic, stream.partition) as
      { stream_no: number; end_offset: number } | undefined;
    if (claimed === undefined) throw missingStream(stream);
    const baseOffset = claimed.end_offset - records.length;
    let at = recordNo(claimed.stream_no, baseOffset);
    for (const { key, value, headers } of records) {
      this.#insert.run(at, key, value, encodeHeaders(headers), timestampMs);
      at += 1;
    }
    return baseOffset;
  }
}
