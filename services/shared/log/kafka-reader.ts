/**
 * Reads one stream from an offset on, without a consumer group: a till wants its two streams at once and
 * keeps its own offsets, so joining, rebalancing and committing would only cost it seconds. Outages, moves of
 * the leader and cut connections are waited out here; the offset to go on from is all the state there is.
 */
import { PayflowError } from '../errors.ts';
import { Backoff, sleep } from '../lifecycle.ts';
import { streamName } from './topics.ts';
import type { Looked, LookOptions, ReadOptions, StoredRecord, StreamRef } from './event-log.ts';
import { REQUEST_TIMEOUT_MS, type KafkaConnection } from './kafka-connection.ts';
import { asLogError } from './kafka-errors.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import { decodeRecordBatches, offsetAfterBatches } from './kafka-record-batch.ts';
import { fetchRequest } from './kafka-wire.ts';
import { prefetch, type FetchedBatch } from './prefetch.ts';

const MAX_WAIT_MS = 5_000;
const DEFAULT_PREFETCH_BYTES = 4 * 1024 * 1024;
const MAX_FETCH_BYTES = 1024 * 1024;

export interface ReaderOptions extends ReadOptions {
  readonly stream: StreamRef;
  readonly nodes: KafkaNodes;
  readonly onTrouble?: (error: PayflowError) => void;
  readonly onFetched?: (stream: StreamRef, bytes: number) => void;
}

export async function* readKafkaStream(options: ReaderOptions): AsyncGenerator<readonly StoredRecord[]> {
  const maxBytes = options.prefetchBytes ?? DEFAULT_PREFETCH_BYTES;
  const fetchBytes = Math.max(1, Math.min(MAX_FETCH_BYTES, Math.floor(maxBytes / 2)));
  const reader = new StreamReader(options, fetchBytes);
  const close = () => reader.close();
  options.signal.addEventListener('abort', close, { once: true });
  try {
    yield* prefetch({
      maxBytes,
      fetchBytes,
      signal: options.signal,
      fetchNext: (signal) => reader.next(signal),
    });
  } finally {
    options.signal.removeEventListener('abort', close);
    close();
  }
}

/** How long a look at one record may take: whoever asks has something else to do meanwhile. */
const LOOK_MS = 5_000;
const LOOK_WAIT_MS = 500;

/** An answer is only what the leader says of this very offset. */
export async function recordAtKafka(
  nodes: KafkaNodes,
  stream: StreamRef,
  { offset, signal }: LookOptions,
): Promise<Looked> {
  const context = `looking at offset ${offset} of ${streamName(stream)}`;
  const late = AbortSignal.timeout(LOOK_MS);
  const stop = AbortSignal.any([signal, late]);
  let connection: KafkaConnection | undefined;
  try {
    return await unlessAborted(stop, async () => {
      const leader = await nodes.leaderOf(stream);
      stop.throwIfAborted();
      connection = nodes.dedicatedConnection(leader);
      return await lookAt(connection, await nodes.offsets(stream), { stream, offset });
    });
  } catch (thrown) {
    if (stop.aborted) {
      return { kind: 'unknown', error: new PayflowError('LOG_UNREACHABLE', `${context}: no answer`) };
    }
    if (connection !== undefined) nodes.doubt(stream.topic, connection, thrown);
    const error = asLogError(thrown, context);
    // Whoever leads now may not know the stream, or all of it, yet.
    const isDoubtful = error.code === 'LOG_OFFSET_OUT_OF_RANGE' || error.code === 'LOG_TOPIC_MISSING';
    if (error.code === 'LOG_UNREACHABLE' || isDoubtful) return { kind: 'unknown', error };
    throw error;
  } finally {
    connection?.close();
  }
}

async function lookAt(
  connection: KafkaConnection,
  bounds: { first: number; end: number },
  { stream, offset }: { stream: StreamRef; offset: number },
): Promise<Looked> {
  if (offset < bounds.first) return { kind: 'not there' };
  for (let from = offset; from < bounds.end;) {
    const { batches } = await connection.send(
      fetchRequest(stream, {
        fromOffset: from,
        maxWaitMs: LOOK_WAIT_MS,
        maxBytes: 1,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
      }),
    );
    const next = offsetAfterBatches(batches, from);
    if (next === from) throw new PayflowError('LOG_UNREACHABLE', `${streamName(stream)} gives no record yet`);
    const record = decodeRecordBatches(batches, offset).find((one) => one.offset >= offset);
    if (record !== undefined) {
      return record.offset === offset ? { kind: 'there', record } : { kind: 'not there' };
    }
    from = next;
  }
  return { kind: 'not there' };
}

async function unlessAborted<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new PayflowError('LOG_UNREACHABLE', 'no answer in time'));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([act(), aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

class StreamReader {
  readonly #options: ReaderOptions;
  readonly #fetchBytes: number;
  readonly #backoff = new Backoff({ firstMs: 50, maxMs: 5_000 });
  #nextOffset: number;
  #connection: KafkaConnection | undefined;

  constructor(options: ReaderOptions, fetchBytes: number) {
    this.#options = options;
    this.#fetchBytes = fetchBytes;
    this.#nextOffset = options.from;
  }

  /** The next batch; undefined when cancelled. */
  async next(signal: AbortSignal): Promise<FetchedBatch | undefined> {
    const close = () => this.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      while (!signal.aborted) {
        const batch = await this.#tryFetch(signal);
        if (batch !== undefined) return batch;
      }
      return undefined;
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  /** Ends a fetch that waits at the broker. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #tryFetch(signal: AbortSignal): Promise<FetchedBatch | undefined> {
    const { stream, nodes } = this.#options;
    try {
      const leader = await nodes.leaderOf(stream);
      if (signal.aborted) return undefined;
      this.#connection ??= nodes.dedicatedConnection(leader);
      const batch = await this.#fetch(this.#connection);
      this.#backoff.reset();
      return batch;
    } catch (thrown) {
      if (signal.aborted) return undefined;
      if (this.#connection !== undefined) nodes.doubt(stream.topic, this.#connection, thrown);
      this.close();
      const error = await this.#judge(asLogError(thrown, `reading ${streamName(stream)}`));
      if (error.code !== 'LOG_UNREACHABLE') throw error;
      this.#options.onTrouble?.(error);
      await sleep(this.#backoff.next(), signal);
      return undefined;
    }
  }

  async #fetch(connection: KafkaConnection): Promise<FetchedBatch | undefined> {
    const { stream, onFetched } = this.#options;
    const { batches } = await connection.send(
      fetchRequest(stream, {
        fromOffset: this.#nextOffset,
        maxWaitMs: MAX_WAIT_MS,
        maxBytes: this.#fetchBytes,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
      }),
    );
    if (batches.length === 0) return undefined;
    onFetched?.(stream, batches.length);
    const wanted = this.#nextOffset;
    this.#nextOffset = offsetAfterBatches(batches, wanted);
    if (this.#nextOffset === wanted) {
      throw new PayflowError('RECORD_MALFORMED', `${streamName(stream)} has no whole batch at ${wanted}`);
    }
    const { unreadable } = this.#options;
    return { records: () => decodeRecordBatches(batches, wanted, unreadable), bytes: batches.length };
  }

  /**
   * A new leader may for a moment know less than the one before, and a leader may not know its topic yet:
   * believe in a loss only when the offsets, asked again, confirm it.
   */
  async #judge(error: PayflowError): Promise<PayflowError> {
    const { stream, nodes } = this.#options;
    const doubtful = error.code === 'LOG_OFFSET_OUT_OF_RANGE' || error.code === 'LOG_TOPIC_MISSING';
    if (!doubtful || error.details['topic'] !== undefined) return error;
    try {
      const { first, end } = await nodes.offsets(stream);
      if (this.#nextOffset >= first && this.#nextOffset <= end) {
        return new PayflowError('LOG_UNREACHABLE', error.message, { cause: error });
      }
      return new PayflowError(
        'LOG_OFFSET_OUT_OF_RANGE',
        `${streamName(stream)} holds ${first} to ${end}, not ${this.#nextOffset}`,
        { cause: error, details: { ...stream, first, end, wanted: this.#nextOffset } },
      );
    } catch (thrown) {
      return asLogError(thrown, `reading ${streamName(stream)}`);
    }
  }
}
