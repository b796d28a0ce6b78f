/**
 * Rows that stand in a stream and no longer in their table, and of whose end the WAL tells nothing: TRUNCATE
 * names the table only, and a table that is seeded again may have lost rows while nobody was listening. The
 * stream knows its keys, the database says which of them are rows still; the others are deleted, by chunks
 * between watermarks like everything that is read, so that it does not matter what changes meanwhile.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import type { Position } from '../../shared/records/position.ts';
import type { Route } from '../routing/routes.ts';
import type { StreamKeys } from '../streams/stream-keys.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { concernedStreams, type ReadingParts } from './chunk-rows.ts';

const KEYS_PER_CHUNK = 2_000;

export class Leftovers {
  readonly #parts: ReadingParts;
  readonly #keys: StreamKeys;

  constructor(parts: ReadingParts, keys: StreamKeys) {
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
      selection: { kind: 'keys', ids },
      emit: (found, isStale, parents) => {
        rows.parents.adopt(parents);
        const here = found.filter((row) => this.#standsIn(route, row, stream));
        const present = new Set(here.map((row) => route.encoder.centralId(row)));
        for (const id of ids) {
          writer.nextSeq();
          if (isStale(id)) changed.push(id);
          else if (!present.has(id)) writer.deletion(stream, route, id);
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
