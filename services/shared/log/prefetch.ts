/**
 * Fetches ahead of a reader, at most `maxBytes`, while the reader works on what it was given. One fetch is
 * under way at a time. The fetcher runs as its own task; its end, also by an error, is the reader's.
 */
import type { StoredRecord } from './event-log.ts';

export interface FetchedBatch {
  /**
   * Called once, when the reader's turn comes: records decoded ahead of it would live through several garbage
   * collections, which costs more than the decoding. There may be none.
   */
  readonly records: () => readonly StoredRecord[];
  readonly bytes: number;
}

export interface PrefetchOptions {
  readonly maxBytes: number;
  /** How much one fetch may bring. */
  readonly fetchBytes: number;
  readonly signal: AbortSignal;
  /** The next batch; undefined once `signal` is aborted. Must settle soon after that. */
  readonly fetchNext: (signal: AbortSignal) => Promise<FetchedBatch | undefined>;
}

export async function* prefetch(options: PrefetchOptions): AsyncGenerator<readonly StoredRecord[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const buffer = new BatchBuffer(options.maxBytes, options.fetchBytes);
  const wake = () => buffer.end();
  signal.addEventListener('abort', wake, { once: true });
  const filling = fill(buffer, options, signal);
  try {
    for (;;) {
      const batch = await buffer.take();
      if (signal.aborted) return;
      if (batch === undefined) {
        // The fetcher has ended by itself: its error, if any, is thrown here.
        await filling;
        return;
      }
      const records = batch.records();
      if (records.length > 0) yield records;
    }
  } finally {
    stop.abort();
    signal.removeEventListener('abort', wake);
    // An error that arrives after the reader has left concerns nobody.
    await filling.catch(() => undefined);
  }
}

async function fill(buffer: BatchBuffer, options: PrefetchOptions, signal: AbortSignal): Promise<void> {
  try {
    while (!signal.aborted) {
      await buffer.room();
      if (signal.aborted) return;
      const batch = await options.fetchNext(signal);
      if (batch === undefined) return;
      buffer.put(batch);
    }
  } finally {
    buffer.end();
  }
}

/** A queue between one fetcher and one reader. */
class BatchBuffer {
  readonly #maxBytes: number;
  readonly #fetchBytes: number;
  readonly #batches: FetchedBatch[] = [];
  #bytes = 0;
  #ended = false;
  #wakeReader: (() => void) | undefined;
  #wakeFetcher: (() => void) | undefined;

  constructor(maxBytes: number, fetchBytes: number) {
    this.#maxBytes = maxBytes;
    this.#fetchBytes = fetchBytes;
  }

  put(batch: FetchedBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes;
    this.#wakeReader?.();
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    this.#wakeFetcher?.();
  }

  /** The next batch; undefined when the fetcher has ended and all is taken. */
  async take(): Promise<FetchedBatch | undefined> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch !== undefined) {
        this.#bytes -= batch.bytes;
        this.#wakeFetcher?.();
        return batch;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  /** Resolves when one more fetch stays within the limit, or the buffer is empty (one batch may exceed it). */
  async room(): Promise<void> {
    while (!this.#ended && this.#bytes > 0 && this.#bytes + this.#fetchBytes > this.#maxBytes) {
      await new Promise<void>((resolve) => {
        this.#wakeFetcher = resolve;
      });
    }
  }
}
