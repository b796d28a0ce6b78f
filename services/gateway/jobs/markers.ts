/**
 * Catch-up markers. A marker is a message in the WAL; central-capture answers it with a heartbeat in the named
 * streams, so that a till that has read past the marker's LSN has everything committed before it. Requests
 * that come close together share one marker: a job over a thousand tills costs one, not a thousand.
 *
 * Rows that were there before their table was mapped reach the streams by seeding. A marker is written only
 * when no seeding is under way, else a till could be past it and lack most of a table.
 */
import type { Pool } from 'pg';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { catalogTopic, storeTopic } from '../../shared/log/topics.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { firstRow } from '../database.ts';

export const MARKER_PREFIX = 'payflow.marker';
const GATHER_MS = 10;
const SEEDING_LOOK_MS = 200;
const SEEDING_LIMIT_MS = 15 * 60_000;
/** More stores than this, and the marker simply names all streams. */
const MOST_STREAMS = 50;

interface Batch {
  readonly stores: Set<string>;
  readonly lsn: Promise<string>;
}

export class Markers {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #seedingLimitMs: number;
  #gathering: Batch | undefined;

  constructor(options: { pool: Pool; prefix: string; seedingLimitMs?: number }) {
    this.#pool = options.pool;
    this.#prefix = options.prefix;
    this.#seedingLimitMs = options.seedingLimitMs ?? SEEDING_LIMIT_MS;
  }

  /**
   * @returns an LSN after everything committed before this call, announced in the catalog and the store's stream
   * @throws PayflowError SYNC_TIMEOUT while tables are being seeded
   */
  write(storeId: string): Promise<string> {
    const batch = (this.#gathering ??= this.#gather());
    batch.stores.add(storeId);
    return batch.lsn;
  }

  #gather(): Batch {
    const stores = new Set<string>();
    const lsn = new Promise<string>((resolve, reject) => {
      setTimeout(() => {
        // From here on a new request needs a new marker: this one's LSN is being taken.
        this.#gathering = undefined;
        this.#emit(stores).then(resolve, (error: unknown) => reject(asPayflowError(error)));
      }, GATHER_MS);
    });
    return { stores, lsn };
  }

  async #emit(stores: ReadonlySet<string>): Promise<string> {
    await this.#seeded();
    const streams =
      stores.size > MOST_STREAMS
        ? 'all'
        : [catalogTopic(this.#prefix), ...[...stores].map((store) => storeTopic(this.#prefix, store))];
    const row = await firstRow<{ lsn: string }>(
      this.#pool,
      'SELECT pg_logical_emit_message(true, $1, $2)::text AS lsn',
      [MARKER_PREFIX, JSON.stringify({ streams })],
    );
    if (row === undefined) throw new PayflowError('INTERNAL', 'pg_logical_emit_message gave no row');
    return row.lsn;
  }

  /** A table is `done` when its last row is durable in the streams, so an LSN taken later lies behind it. */
  async #seeded(): Promise<void> {
    const deadline = Date.now() + this.#seedingLimitMs;
    for (;;) {
      const open = await firstRow<{ tables: string }>(
        this.#pool,
        `SELECT string_agg(table_name, ', ') AS tables FROM payflow_sync.seeding WHERE state <> 'done'
           AND epoch = (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch') HAVING count(*) > 0`,
      );
      if (open === undefined) return;
      if (Date.now() > deadline) throw new PayflowError('SYNC_TIMEOUT', `still being seeded: ${open.tables}`);
      await sleep(SEEDING_LOOK_MS);
    }
  }
}
