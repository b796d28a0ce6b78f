/**
 * Catch-up markers. A marker is a message in the WAL; central-capture answers it with a heartbeat in the named
 * streams, so that a till that has read past the marker's LSN has everything committed before it. Requests
 * that come close together share one marker: a job over a thousand tills costs one, not a thousand.
 */
import type { Pool } from 'pg';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { catalogTopic, storeTopic } from '../../shared/log/topics.ts';
import { firstRow } from '../database.ts';

export const MARKER_PREFIX = 'payflow.marker';
const GATHER_MS = 10;
/** More stores than this, and the marker simply names all streams. */
const MOST_STREAMS = 50;

interface Batch {
  readonly stores: Set<string>;
  readonly lsn: Promise<string>;
}

export class Markers {
  readonly #pool: Pool;
  readonly #prefix: string;
  #gathering: Batch | undefined;

  constructor(options: { pool: Pool; prefix: string }) {
    this.#pool = options.pool;
    this.#prefix = options.prefix;
  }

  /** @returns an LSN after everything committed before this call, announced in the catalog and the store's stream */
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
}
