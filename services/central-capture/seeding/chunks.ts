/**
 * Runs one chunk after the other: low watermark, read, high watermark; again when its snapshot was not to be
 * trusted; done when its rows are durable.
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { postgresFacts, wrapPostgresError } from '../../shared/database/postgres.ts';
import type { Lsn } from '../../shared/records/position.ts';
import { NO_PARENTS, readChunk, type ChunkSelection, type ReadChunk } from './chunk-reader.ts';
import type { ParentReading, ScopeCache } from '../routing/scope.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from '../routing/routes.ts';
import { CHUNK_PREFIX, type Chunk, type ChunkVerdict, type Watermarks } from './watermarks.ts';

export interface ChunkRequest {
  readonly route: Route;
  readonly selection: ChunkSelection;
  /** See `Chunk.emit`; runs inside the transaction of the high watermark. */
  emit(
    rows: readonly Tuple[],
    isStale: (centralId: string) => boolean,
    parents: ParentReading,
  ): Promise<void>;
}

/** What a chunk was read with. */
export type DoneChunk = Pick<ReadChunk, 'rows' | 'isLast'>;

interface Waiting {
  readonly resolve: (verdict: ChunkVerdict) => void;
  readonly reject: (error: PayflowError) => void;
  /** Known once the high watermark's transaction was decoded. */
  endLsn?: Lsn;
}

export interface ChunkRunnerOptions {
  readonly pool: Pool;
  readonly watermarks: Watermarks;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly cache: () => ScopeCache;
  /** Of what was handed over, something that is no record is still to be stored. */
  readonly isUnstored: () => boolean;
}

/** Somebody alters the table: its rows are read when that is over. */
const LOCK_NOT_AVAILABLE = '55P03';
const LOCKED_WAIT_MS = 250;

export class ChunkRunner {
  readonly #options: ChunkRunnerOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: ChunkRunnerOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** @returns when all rows that the chunk was read with are durable */
  async run(request: ChunkRequest): Promise<DoneChunk> {
    const { watermarks, log } = this.#options;
    for (;;) {
      let parents = NO_PARENTS;
      const chunk: Chunk = {
        id: randomUUID(),
        table: request.route.name,
        rows: [],
        snapshot: null,
        emit: (rows, isStale) => request.emit(rows, isStale, parents),
      };
      watermarks.expect(chunk);
      try {
        const written = this.#wait(chunk.id);
        await this.#mark('low', chunk.id);
        const read = await this.#read(request);
        if (read === 'locked') continue;
        chunk.rows = read.rows;
        chunk.snapshot = read.snapshot;
        parents = read.parents;
        await this.#mark('high', chunk.id);
        if ((await written) === 'written') return read;
        log.info({ table: request.route.name }, 'a chunk is read again: a commit was not visible to it yet');
      } finally {
        watermarks.forget(chunk.id);
        this.#waiting.delete(chunk.id);
      }
    }
  }

  async #read({ route, selection }: ChunkRequest): Promise<ReadChunk | 'locked'> {
    const { pool, cache, log, signal } = this.#options;
    try {
      return await readChunk({ pool, route, selection, cache: cache() });
    } catch (error) {
      if (postgresFacts(error)?.sqlState !== LOCK_NOT_AVAILABLE) throw error;
      log.warn({ table: route.name }, 'the table is locked (is it being altered?); reading it waits');
      await sleep(LOCKED_WAIT_MS, signal);
      if (signal.aborted) throw error;
      return 'locked';
    }
  }

  /** The high watermark was decoded, in the transaction that ends at `endLsn`. */
  decided(id: string, verdict: ChunkVerdict, endLsn: Lsn): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (verdict === 'again') waiting.resolve(verdict);
    else waiting.endLsn = endLsn;
  }

  /** All records up to here are durable. To be said again once all is stored: rows of a chunk may wait for parents. */
  durable(lsn: Lsn): void {
    if (this.#options.isUnstored()) return;
    for (const { endLsn, resolve } of this.#waiting.values()) {
      if (endLsn !== undefined && endLsn <= lsn) resolve('written');
    }
  }

  async #mark(edge: 'low' | 'high', id: string): Promise<void> {
    try {
      await this.#options.pool.query('SELECT pg_logical_emit_message(true, $1, $2)', [
        CHUNK_PREFIX,
        `${edge} ${id}`,
      ]);
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  #wait(id: string): Promise<ChunkVerdict> {
    const promise = new Promise<ChunkVerdict>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    // The reader may fail before anybody awaits this one.
    promise.catch(() => undefined);
    if (this.#options.signal.aborted) this.#stop();
    return promise;
  }

  #stop(): void {
    const error = new PayflowError('DB_TRANSIENT', 'capture is stopping');
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}
