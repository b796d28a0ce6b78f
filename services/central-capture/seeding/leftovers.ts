/**
 * Rows that stand in a stream and no longer in their table, and of whose end the WAL tells nothing: TRUNCATE
 * names the table only, and a table that is seeded again may have lost rows while nobody was listening. The
 * stream knows its keys, and after a gap in the WAL links name rows that no stream has; the database says which of
 * them are rows still; the others are deleted, by chunks between watermarks like everything that is read, so that it
 * does not matter what changes meanwhile.
 */
import type { Pool } from 'pg';
import type { CentralId } from '../../shared/records/change-record.ts';
import type { Position } from '../../shared/records/position.ts';
import type { Route } from '../routing/routes.ts';
import type { StreamKeys } from '../streams/stream-keys.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { concernedStreams, type ReadingParts } from './chunk-rows.ts';

const KEYS_PER_CHUNK = 2_000;
const LINKS_AT_ONCE = 20_000;

interface LeftoverParts extends ReadingParts {
  readonly pool: Pool;
}

export class Leftovers {
  readonly #parts: LeftoverParts;
  readonly #keys: StreamKeys;

  constructor(parts: LeftoverParts, keys: StreamKeys) {
    this.#parts = parts;
    this.#keys = keys;
  }

  /** Whether a stream holds rows of the table already: only then can any be left over by a seeding. */
  async possible(route: Route): Promise<boolean> {
    for (const stream of concernedStreams(this.#parts.streams, route)) {
      if (await this.#keys.holds(stream, route.name)) return true;
    }
    return false;
  }

  /** The table was emptied at this position. */
  async afterTruncate(table: string, at: Position): Promise<void> {
    const { rows, streams } = this.#parts;
    const route = await rows.routes.forTable(table);
    if (route === undefined || !route.sent) return;
    // Its high watermark is durable when it returns, and so is all that was sent of the table before.
    await this.#deleteAbsent(route, streams.catalog, []);
    for (const stream of concernedStreams(streams, route)) {
      for await (const ids of this.#keys.before(stream, table, at)) {
        await this.#deleteAll(route, stream, ids);
      }
    }
  }

  /** All rows that the table has were written again, durably, since the newest `seed-begin`. */
  async afterSeeding(route: Route): Promise<void> {
    for (const stream of concernedStreams(this.#parts.streams, route)) {
      for await (const ids of this.#keys.beforeSeeding(stream, route.name)) {
        await this.#deleteAll(route, stream, ids);
      }
    }
  }

  /**
   * Rows that tills made and that were deleted, or moved to another store, in a gap of the WAL: the streams may never
   * have had them, and the till that made one has it.
   */
  async ofTills(route: Route): Promise<void> {
    if (route.scope.kind === 'every') return;
    const { streams } = this.#parts;
    if (route.scope.kind === 'global') return this.#ofTillsIn(route, streams.catalog, null);
    for (const [store, stream] of streams.stores) await this.#ofTillsIn(route, stream, store);
  }

  async #ofTillsIn(route: Route, stream: StreamWriter, store: string | null): Promise<void> {
    for (let after = ''; ;) {
      const ids = await linkedRows(this.#parts.pool, { table: route.name, store, after });
      await this.#deleteAll(route, stream, ids);
      const last = ids.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  async #deleteAll(route: Route, stream: StreamWriter, ids: readonly CentralId[]): Promise<void> {
    for (let from = 0; from < ids.length; from += KEYS_PER_CHUNK) {
      let open = ids.slice(from, from + KEYS_PER_CHUNK);
      while (open.length > 0) open = await this.#deleteAbsent(route, stream, open);
    }
  }

  /** @returns those that changed meanwhile, and are to be asked for again */
  async #deleteAbsent(route: Route, stream: StreamWriter, ids: readonly CentralId[]): Promise<CentralId[]> {
    const { chunks, rows, writer } = this.#parts;
    const changed: CentralId[] = [];
    await chunks.run({
      route,
      selection: { kind: 'keys', ids, bare: true },
      emit: (found, isStale, parents) => {
        rows.parents.adopt(parents);
        const here = found.filter((row) => this.#standsIn(route, row, stream));
        const present = new Set(here.map((row) => route.encoder.centralId(row)));
        const anywhere = new Set(found.map((row) => route.encoder.centralId(row)));
        for (const id of ids) {
          writer.nextSeq();
          if (isStale(id)) changed.push(id);
          else if (!present.has(id)) writer.deletion(stream, route, id, { isDeleted: !anywhere.has(id) });
        }
        rows.parents.dropChunk();
        return Promise.resolve();
      },
    });
    return changed;
  }

  /** A row that moved to another store while its table was empty is left over in the old one's stream. */
  #standsIn(route: Route, row: Tuple, stream: StreamWriter): boolean {
    const { rows, streams } = this.#parts;
    if (route.scope.kind === 'global' || route.scope.kind === 'every') return true;
    const store = rows.storeOf(route, row) ?? null;
    return typeof store === 'string' && streams.stores.get(store) === stream;
  }
}

/** Of tills of the store, or of all; by their ids, ascending. */
async function linkedRows(
  pool: Pool,
  { table, store, after }: { readonly table: string; readonly store: string | null; readonly after: string },
): Promise<CentralId[]> {
  const { rows } = await pool.query<{ id: CentralId }>(
    `SELECT DISTINCT l.central_id AS id FROM payflow_sync.link l
     WHERE l.table_name = $1 AND l.central_id > $2 AND ($3::text IS NULL OR EXISTS (
       SELECT FROM payflow_sync.terminal t WHERE t.terminal_id = l.terminal_id AND t.store_id = $3))
     ORDER BY l.central_id LIMIT $4`,
    [table, after, store, LINKS_AT_ONCE],
  );
  return rows.map(({ id }) => id);
}
