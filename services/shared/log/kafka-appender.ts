/**
 * Appends to one stream, one batch outstanding, in the order asked for. A batch whose fate is unknown is sent
 * again before anything later, under the same producer id and sequence: the broker recognizes a copy that it
 * already has and answers with its offset, also when the first copy arrives late over a dying connection,
 * which would otherwise put an old row behind a newer one.
 */
import { PayflowError } from '../errors.ts';
import { Backoff, sleep } from '../lifecycle.ts';
import { MAX_RECORD_BYTES, streamName } from './topics.ts';
import type { AppendOptions, LogRecord, StreamRef } from './event-log.ts';
import { REQUEST_TIMEOUT_MS } from './kafka-connection.ts';
import { asLogError, isProducerLost } from './kafka-errors.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import type { TopicLimits } from './kafka-limits.ts';
import { packRecordBatch } from './kafka-record-batch.ts';
import { produceRequest } from './kafka-wire.ts';
import { cancelled, recordBytes, requireRecords, tooLarge } from './records.ts';
import { BATCH_OVERHEAD_BYTES } from './topic-settings.ts';

const BROKER_TIMEOUT_MS = 10_000;
/** Below what every broker takes by default (1 MB a batch): no need to ask for the topic's limit first. */
const SMALL_APPEND_BYTES = 900_000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 64;
const SEQUENCE_MASK = 0x7fff_ffff;

interface Job {
  readonly records: readonly LogRecord[];
  readonly options: AppendOptions;
  readonly resolve: (baseOffset: number) => void;
  readonly reject: (error: unknown) => void;
  /** Aborted when its caller gave up, and has been told so. */
  readonly stop: AbortController;
}

interface Producer {
  readonly producerId: bigint;
  readonly epoch: number;
  sequence: number;
}

export interface AppenderOptions {
  readonly stream: StreamRef;
  readonly nodes: KafkaNodes;
  readonly limits: TopicLimits;
  readonly now: () => number;
}

export class KafkaAppender {
  readonly #options: AppenderOptions;
  readonly #queue: Job[] = [];
  #current: Job | undefined;
  #closed = false;
  #producer: Producer | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** Resolves with the offset of the first record. */
  append(records: readonly LogRecord[], options: AppendOptions): Promise<number> {
    const { stream } = this.#options;
    const { signal } = options;
    return new Promise<number>((resolve, reject) => {
      requireRecords(stream, records);
      if (this.#closed || signal?.aborted === true) throw cancelled(stream, signal?.reason);
      const stop = new AbortController();
      const cancel = () => stop.abort();
      const settled = () => signal?.removeEventListener('abort', cancel);
      const fail = (error: unknown) => {
        settled();
        reject(asLogError(error, `appending to ${streamName(stream)}`));
      };
      const succeed = (offset: number) => {
        settled();
        resolve(offset);
      };
      stop.signal.addEventListener('abort', () => fail(cancelled(stream, signal?.reason)), { once: true });
      signal?.addEventListener('abort', cancel, { once: true });
      this.#queue.push({ records, options, stop, resolve: succeed, reject: fail });
      if (this.#current === undefined) void this.#work();
    });
  }

  /** Gives up whatever has not been answered. */
  close(): void {
    this.#closed = true;
    for (const job of this.#queue) job.stop.abort();
    this.#current?.stop.abort();
  }

  /** The only place that sends; a job's outcome, also a failure, goes to whoever asked for it. */
  async #work(): Promise<void> {
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      if (job.stop.signal.aborted) continue;
      this.#current = job;
      try {
        job.resolve(await this.#deliver(job));
      } catch (error) {
        job.reject(error);
      }
    }
    this.#current = undefined;
  }

  async #deliver(job: Job): Promise<number> {
    let baseOffset: number | undefined;
    const batches = [...(await this.#batches(job))];
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      try {
        const offset = await this.#deliverBatch(batch, job);
        baseOffset ??= offset;
      } catch (error) {
        batches.unshift(...(await this.#smaller(batch, job, error)));
      }
    }
    if (baseOffset === undefined) throw cancelled(this.#options.stream, undefined);
    return baseOffset;
  }

  /**
   * Kafka limits the batch, not the record: a large append goes in several batches, each record checked
   * against the limit before the first is sent.
   */
  async #batches(job: Job): Promise<readonly (readonly LogRecord[])[]> {
    const { stream, limits } = this.#options;
    const sizes = job.records.map(sizeInBatch);
    const unasked = Math.min(SMALL_APPEND_BYTES, limits.known(stream.topic) ?? Infinity);
    if (total(sizes) <= unasked - BATCH_OVERHEAD_BYTES) return [job.records];
    const largest = Math.max(...sizes) - RECORD_OVERHEAD_BYTES;
    const { bytes, isTold } = await this.#untilAnswered(job, () =>
      limits.of(stream.topic, largest + BATCH_OVERHEAD_BYTES),
    );
    const limit = bytes - BATCH_OVERHEAD_BYTES;
    // A guess cuts batches, and refuses nothing.
    const most = isTold ? limit : Math.max(limit, MAX_RECORD_BYTES);
    if (largest > most) throw tooLarge(stream, largest, most);
    return splitBySize(job.records, sizes, Math.min(limit, MAX_BATCH_BYTES));
  }

  /** The batch again in parts, where somebody lowered the topic's limit. @throws what else the error is */
  async #smaller(
    batch: readonly LogRecord[],
    job: Job,
    error: unknown,
  ): Promise<readonly (readonly LogRecord[])[]> {
    const { stream, limits } = this.#options;
    if (!(error instanceof PayflowError) || error.code !== 'LOG_RECORD_TOO_LARGE') throw error;
    const sizes = batch.map(sizeInBatch);
    const refused = total(sizes) + BATCH_OVERHEAD_BYTES;
    const { bytes, isTold } = await this.#untilAnswered(job, () => limits.refused(stream.topic, refused));
    const limit = bytes - BATCH_OVERHEAD_BYTES;
    // Of an append that cannot be stored whole nothing is.
    const largest = Math.max(...job.records.map(recordBytes));
    if (isTold && largest > limit) throw tooLarge(stream, largest, limit, { cause: error, isTold });
    if (batch.length === 1) throw tooLarge(stream, total(sizes), limit, { cause: error, isTold });
    return splitBySize(batch, sizes, Math.min(limit, total(sizes) - 1));
  }

  async #deliverBatch(records: readonly LogRecord[], job: Job): Promise<number> {
    return await this.#untilAnswered(job, async () => {
      this.#producer ??= await this.#newProducer();
      const producer = this.#producer;
      try {
        const offset = await this.#send(records, producer);
        producer.sequence = (producer.sequence + records.length) & SEQUENCE_MASK;
        return offset;
      } catch (error) {
        // A refusal leaves the sequence as it was; after these the broker no longer follows it.
        if (isProducerLost(error)) this.#producer = undefined;
        throw error;
      }
    });
  }

  /** Repeats `attempt` while waiting may help; gives up when the caller cancels. */
  async #untilAnswered<T>(job: Job, attempt: () => Promise<T>): Promise<T> {
    const { stream } = this.#options;
    const backoff = new Backoff({ firstMs: 50, maxMs: 5_000 });
    for (;;) {
      try {
        return await attempt();
      } catch (thrown) {
        const error = asLogError(thrown, `appending to ${streamName(stream)}`);
        if (error.code !== 'LOG_UNREACHABLE') throw error;
        if (job.stop.signal.aborted) {
          // It may or may not stand in the stream; its sequence number must not be given to other records.
          this.#producer = undefined;
          throw error;
        }
        job.options.onTrouble?.(error);
        await sleep(backoff.next(), job.stop.signal);
      }
    }
  }

  async #send(records: readonly LogRecord[], producer: Producer): Promise<number> {
    const { stream, nodes, now } = this.#options;
    const connection = nodes.connectionTo(await nodes.leaderOf(stream));
    const batch = await packRecordBatch(
      records,
      { producerId: producer.producerId, epoch: producer.epoch, baseSequence: producer.sequence },
      now(),
    );
    try {
      return await connection.send(
        produceRequest(stream, batch, {
          brokerTimeoutMs: BROKER_TIMEOUT_MS,
          requestTimeoutMs: REQUEST_TIMEOUT_MS,
        }),
      );
    } catch (error) {
      nodes.doubt(stream.topic, connection, error);
      const known = asLogError(error, `appending to ${streamName(stream)}`);
      // The leader just named does not know the topic: ask again, which also tells a start from a loss.
      if (known.code === 'LOG_TOPIC_MISSING') {
        throw new PayflowError('LOG_UNREACHABLE', known.message, { cause: error });
      }
      throw error;
    }
  }

  async #newProducer(): Promise<Producer> {
    const { stream, nodes } = this.#options;
    // The timeout belongs to transactions, which we do not use; the request wants one.
    const { producerId, producerEpoch } = await nodes.onLeader(stream, 'preparing to write', (broker) =>
      broker.initProducerId({ transactionTimeout: BROKER_TIMEOUT_MS }),
    );
    return { producerId: BigInt(producerId), epoch: producerEpoch, sequence: 0 };
  }
}

function sizeInBatch(record: LogRecord): number {
  return recordBytes(record) + RECORD_OVERHEAD_BYTES;
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Runs of records whose sizes add up to at most `limit` (a single one may be as large as the limit). */
export function splitBySize(
  records: readonly LogRecord[],
  sizes: readonly number[],
  limit: number,
): readonly (readonly LogRecord[])[] {
  const runs: (readonly LogRecord[])[] = [];
  let start = 0;
  let bytes = 0;
  sizes.forEach((size, index) => {
    if (index > start && bytes + size > limit) {
      runs.push(records.slice(start, index));
      start = index;
      bytes = 0;
    }
    bytes += size;
  });
  runs.push(records.slice(start));
  return runs;
}
