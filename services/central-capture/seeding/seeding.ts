/**
 * Fills the streams with the rows that tables hold already, chunk by chunk, while changes flow on. Resumable:
 * the last key of each durable chunk is kept in payflow_sync.seeding. Also re-reads what has no WAL of its
 * own: the children of a row that changed its store, and rows that a predecessor's late append hid.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { parseRowKey, type CentralId } from '../../shared/records/change-record.ts';
import type { Service } from '../../shared/lifecycle.ts';
import { CONTROL_KEY_PREFIX } from '../../shared/log/event-log.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { chunkRows, keyTexts } from './chunk-reader.ts';
import type { ChunkRunner } from './chunks.ts';
import type { DownStreams } from '../streams/down-streams.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { SENT_INTERNAL_TABLES } from '../setup/published-tables.ts';
import type { Route } from '../routing/routes.ts';
import type { RowRouter } from '../routing/row-router.ts';
import type { StoreId } from '../routing/scope.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import type { TransactionWriter } from '../streams/transaction-writer.ts';
import { keyTuple } from '../wal/tuples.ts';

export interface SeedingOptions {
  readonly pool: Pool;
  readonly epoch: number;
  readonly chunks: ChunkRunner;
  readonly rows: RowRouter;
  readonly writer: TransactionWriter;
  readonly streams: DownStreams;
  readonly log: Logger;
}

interface Move {
  readonly table: string;
  readonly centralId: string;
  readonly from: StoreId;
  /** The work is durable: the transaction that led to it may be acknowledged. */
  readonly done: () => void;
}

interface SeedingRow {
  readonly table_name: string;
  readonly last_key: string | null;
  /** Which version of the row this is: somebody may want the table anew meanwhile. */
  readonly version: string;
}

interface Seeded {
  readonly state: 'running' | 'done';
  readonly lastKey: string | null;
  readonly rows: number;
}

const CHILDREN_PER_CHUNK = 1_000;

export class Seeding implements Service {
  readonly name = 'seeding';
  readonly #options: SeedingOptions;
  readonly #moves: Move[] = [];
  readonly #damaged: string[] = [];
  #wanted = true;
  #wake: (() => void) | null = null;

  constructor(options: SeedingOptions) {
    this.#options = options;
  }

  /** A seeding is wanted: look into the table. */
  want(): void {
    this.#wanted = true;
    this.#wake?.();
  }

  move(move: Move): void {
    this.#moves.push(move);
    this.#wake?.();
  }

  /** Rows (by record key) to be written again. */
  repair(keys: readonly string[]): void {
    this.#damaged.push(...keys);
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        if (await this.#step()) continue;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } catch (error) {
      if (!signal.aborted) throw wrapPostgresError(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** @returns false when there is nothing to do */
  async #step(): Promise<boolean> {
    const move = this.#moves.shift();
    if (move !== undefined) {
      await this.#moveChildren(move);
      move.done();
      return true;
    }
    if (this.#damaged.length > 0) {
      await this.#repair(this.#damaged.splice(0));
      return true;
    }
    if (!this.#wanted) return false;
    // Before the look, so that a wish that comes meanwhile is not lost.
    this.#wanted = false;
    if (await this.#seedNext()) this.#wanted = true;
    return true;
  }

  /** One chunk of the first table that wants it, so that moves need not wait for a whole table. */
  async #seedNext(): Promise<boolean> {
    const { pool, epoch, rows, log } = this.#options;
    const { rows: open } = await pool.query<SeedingRow>(
      `SELECT table_name, last_key, updated_at::text AS version
       FROM payflow_sync.seeding WHERE epoch = $1 AND state <> 'done'`,
      [epoch],
    );
    const order = [...SENT_INTERNAL_TABLES, ...rows.routes.mapping.tables.map((table) => table.central)];
    const row = order
      .map((name) => open.find((one) => one.table_name === name))
      .find((one) => one !== undefined);
    if (row === undefined) return false;
    const route = await rows.routes.forTable(row.table_name);
    if (route === undefined || !route.sent) {
      await this.#store(row, { state: 'done', lastKey: null, rows: 0 });
      return true;
    }
    const seeded = await this.#seedChunk(route, row);
    if (seeded.state === 'done') log.info({ table: route.name }, 'seeded');
    await this.#store(row, seeded);
    return true;
  }

  async #seedChunk(route: Route, row: SeedingRow): Promise<Seeded> {
    const { pool, chunks, writer } = this.#options;
    const limit = await chunkRows(pool, route);
    const key = row.last_key === null ? null : (JSON.parse(row.last_key) as string[]);
    const read = await chunks.run({
      route,
      selection: { kind: 'after', key, limit },
      emit: async (rows, isStale) => {
        const concerned = this.#concerned(route);
        writer.nextSeq();
        if (key === null) {
          for (const stream of concerned) writer.control(stream, { kind: 'seed-begin', table: route.name });
        }
        await this.#emit(route, rows, isStale);
        writer.nextSeq();
        if (rows.length < limit) {
          for (const stream of this.#concerned(route)) {
            writer.control(stream, { kind: 'seed-complete', table: route.name });
          }
        }
      },
    });
    const last = read.at(-1);
    return {
      state: read.length < limit ? 'done' : 'running',
      lastKey: last === undefined ? row.last_key : JSON.stringify(keyTexts(route, last)),
      rows: read.length,
    };
  }

  async #emit(route: Route, rows: readonly Tuple[], isStale: (centralId: string) => boolean): Promise<void> {
    await this.#loadParents(route, rows);
    for (const row of rows) {
      this.#options.writer.nextSeq();
      if (isStale(route.encoder.centralId(row))) continue;
      const change = { op: 'r', before: null, beforeIsKey: false, after: row } as const;
      await this.#options.rows.route(route, change);
    }
  }

  /** All at once: one by one they would cost a query a row. */
  async #loadParents(route: Route, rows: readonly Tuple[]): Promise<void> {
    if (route.scope.kind !== 'via') return;
    const { cache } = this.#options.rows.routes;
    const { parent } = route.scope;
    const ids = new Set(rows.map((row) => row.text(route.scopeIndex)).filter((id) => id !== null));
    const unknown = [...ids].filter((id) => cache.get(parent, id) === undefined);
    if (unknown.length > 0) await cache.load(parent, unknown);
  }

  #concerned(route: Route): StreamWriter[] {
    const { streams } = this.#options;
    if (route.scope.kind === 'global') return [streams.catalog];
    return route.scope.kind === 'every' ? streams.all() : [...streams.stores.values()];
  }

  /** To any depth, because the transaction that led to it may be acknowledged after the last grandchild only. */
  async #moveChildren({ table, centralId, from }: Omit<Move, 'done'>): Promise<void> {
    const { rows, chunks, writer } = this.#options;
    for (const child of rows.routes.childrenOf(table)) {
      const route = await rows.routes.forTable(child);
      if (route === undefined || route.scope.kind !== 'via') continue;
      let key: string[] | null = null;
      for (let more = true; more;) {
        const { column } = route.scope;
        const read: readonly Tuple[] = await chunks.run({
          route,
          selection: { kind: 'children', column, parentId: centralId, key, limit: CHILDREN_PER_CHUNK },
          emit: async (children) => {
            // Stale ones too: their own change went only to the new store's stream.
            for (const row of children) {
              writer.nextSeq();
              await rows.moveChild(route, row, from);
            }
          },
        });
        if (route.isParent) {
          for (const row of read) {
            await this.#moveChildren({ table: child, centralId: route.encoder.centralId(row), from });
          }
        }
        const last = read.at(-1);
        if (last !== undefined) key = keyTexts(route, last);
        more = read.length === CHILDREN_PER_CHUNK;
      }
    }
  }

  /** What the table has is written again, what it no longer has is deleted again. */
  async #repair(keys: readonly string[]): Promise<void> {
    const byTable = new Map<string, Set<CentralId>>();
    for (const { table, id } of keys.filter((key) => !key.startsWith(CONTROL_KEY_PREFIX)).map(parseRowKey)) {
      const ids = byTable.get(table) ?? new Set();
      byTable.set(table, ids.add(id));
    }
    const { rows, chunks, writer } = this.#options;
    for (const [table, ids] of byTable) {
      const route = await rows.routes.forTable(table);
      if (route === undefined) continue;
      await chunks.run({
        route,
        selection: { kind: 'keys', ids: [...ids] },
        emit: async (found, isStale) => {
          await this.#emit(route, found, isStale);
          const present = new Set<string>(found.map((row) => route.encoder.centralId(row)));
          for (const id of ids) {
            writer.nextSeq();
            if (present.has(id) || isStale(id)) continue;
            const before = keyTuple(route, id);
            await rows.route(route, { op: 'd', before, beforeIsKey: true, after: null });
          }
        },
      });
    }
  }

  async #store(row: SeedingRow, seeded: Seeded): Promise<void> {
    await this.#options.pool.query(
      `UPDATE payflow_sync.seeding
       SET state = $3, last_key = $4, rows = rows + $5, updated_at = clock_timestamp()
       WHERE table_name = $1 AND epoch = $2 AND updated_at::text = $6`,
      [row.table_name, this.#options.epoch, seeded.state, seeded.lastKey, seeded.rows, row.version],
    );
  }
}
