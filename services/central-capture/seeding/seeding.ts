/**
 * Fills the streams with the rows that tables hold already, chunk by chunk, while changes flow on. Resumable:
 * the last key of each durable chunk is kept in payflow_sync.seeding. Also carries out what a change leads to
 * beyond its own record: children of other parents, truncated tables, rows that have to be written again.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep, type Service } from '../../shared/lifecycle.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import type { Position } from '../../shared/records/position.ts';
import type { RowSender } from '../routing/row-sender.ts';
import type { Route } from '../routing/routes.ts';
import { SENT_INTERNAL_TABLES } from '../setup/published-tables.ts';
import type { StreamKeys } from '../streams/stream-keys.ts';
import { keyTexts } from './chunk-reader.ts';
import { concernedStreams, emitRows, type ReadingParts } from './chunk-rows.ts';
import { Leftovers } from './leftovers.ts';
import type { ChildLooks } from './child-looks.ts';
import { heldBack } from './held-back.ts';
import { readPartition, repairRows } from './re-reads.ts';
import type { CatalogWatch } from '../watch/catalog-watch.ts';
import type { PartitionFacts } from '../watch/table-shape.ts';
import { isInvisible, parseSnapshot } from './watermarks.ts';

export interface SeedingOptions extends ReadingParts {
  readonly pool: Pool;
  readonly epoch: number;
  readonly keys: StreamKeys;
  readonly watch: Pick<CatalogWatch, 'isBlocked' | 'beginSeeding'>;
  readonly looks: ChildLooks;
  readonly sender: Pick<RowSender, 'heldBack'>;
  readonly log: Logger;
}

/** Work that a transaction led to. */
interface Obligation {
  /** It is durable: the transaction may be acknowledged. */
  readonly done: () => void | Promise<void>;
}

interface Truncated extends Obligation {
  readonly table: string;
  readonly at: Position;
}

interface NewPartition extends Obligation {
  readonly table: string;
  readonly partition: PartitionFacts;
}

interface SeedingRow {
  readonly table_name: string;
  readonly state: 'wanted' | 'running';
  readonly last_key: string | null;
  readonly after_gap: boolean;
  /** Which version of the row this is: somebody may want the table anew meanwhile. */
  readonly version: string;
}

interface Seeded {
  readonly state: 'wanted' | 'running' | 'done';
  readonly lastKey: string | null;
  readonly rows: number;
}

const LOOK_AGAIN_MS = 10;
const NOTHING_SEEN = '0:0:';

export class Seeding implements Service {
  readonly name = 'seeding';
  readonly #options: SeedingOptions;
  readonly #leftovers: Leftovers;
  readonly #truncated: Truncated[] = [];
  readonly #partitions: NewPartition[] = [];
  readonly #damaged: string[] = [];
  /** Tables of which no stream held a row when their seeding began. */
  readonly #fresh = new Set<string>();
  readonly #wishes = new Set<number>();
  /** As the tables were when the first of their chunks was read. */
  readonly #shapes = new Map<string, string>();
  #wanted = true;
  #wake: (() => void) | null = null;

  constructor(options: SeedingOptions) {
    this.#options = options;
    this.#leftovers = new Leftovers(options, options.keys);
  }

  /**
   * A seeding is wanted: look into the table.
   * @param xid who wants it. Its commit is in the WAL before anybody sees it: one look may come too early
   */
  want(xid: number): void {
    this.#wishes.add(xid);
    this.#wanted = true;
    this.#wake?.();
  }

  /** Children are to be looked at. */
  hurry(): void {
    this.#wake?.();
  }

  /** The table was emptied; the streams still hold its rows. */
  truncated(truncated: Truncated): void {
    this.#truncated.push(truncated);
    this.#wake?.();
  }

  /** A partition came with rows of which the WAL says nothing. */
  partition(partition: NewPartition): void {
    this.#partitions.push(partition);
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
        await this.#woken(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw wrapPostgresError(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Work may have come since the last look: nobody wakes for it a second time. */
  #woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      const work = this.#truncated.length + this.#partitions.length + this.#damaged.length;
      if (work > 0 || this.#options.looks.hasWork || this.#wanted || signal.aborted) resolve();
    });
  }

  /** @returns false when there is nothing to do */
  async #step(): Promise<boolean> {
    const { looks } = this.#options;
    if (looks.hasWork) {
      await looks.step(this.#options);
      return true;
    }
    const truncated = this.#truncated.shift();
    if (truncated !== undefined) {
      await this.#leftovers.afterTruncate(truncated.table, truncated.at);
      await truncated.done();
      return true;
    }
    const partition = this.#partitions.shift();
    if (partition !== undefined) {
      await readPartition(this.#options, partition);
      await this.#lookAtChildren();
      await partition.done();
      return true;
    }
    if (this.#damaged.length > 0) {
      await repairRows(this.#options, this.#damaged.splice(0));
      return true;
    }
    if (!this.#wanted) return false;
    // Before the look, so that a wish that comes meanwhile is not lost.
    this.#wanted = false;
    if (await this.#seedNext()) this.#wanted = true;
    else if (this.#wishes.size > 0) {
      this.#wanted = true;
      await sleep(LOOK_AGAIN_MS);
    }
    return true;
  }

  /** Before anything is read from the WAL, it is known what of it is left out. */
  async prepare(): Promise<void> {
    await this.#open();
  }

  /** All that is not done. */
  async #open(): Promise<readonly SeedingRow[]> {
    const { pool, epoch, sender } = this.#options;
    const { rows: looked } = await pool.query<{ snapshot: string; open: SeedingRow[] | null }>(
      `SELECT pg_current_snapshot()::text AS snapshot,
              (SELECT json_agg(json_build_object('table_name', table_name, 'state', state, 'last_key', last_key,
                                                 'after_gap', after_gap, 'version', updated_at::text))
               FROM payflow_sync.seeding WHERE epoch = $1 AND state <> 'done') AS open`,
      [epoch],
    );
    const snapshot = parseSnapshot(looked[0]?.snapshot ?? NOTHING_SEEN);
    for (const xid of this.#wishes) if (!isInvisible(snapshot, xid)) this.#wishes.delete(xid);
    const open = looked[0]?.open ?? [];
    sender.heldBack = heldBack(
      open.map(({ table_name: table, state, last_key: key }) => ({
        table,
        hasBegun: state !== 'wanted' || key !== null,
      })),
    );
    return open;
  }

  /** One chunk of the first table that wants it, so that children need not wait for a whole table. */
  async #seedNext(): Promise<boolean> {
    const { rows, watch, sender, log } = this.#options;
    const open = await this.#open();
    const order = [...SENT_INTERNAL_TABLES, ...rows.routes.mapping.tables.map((table) => table.central)];
    for (const name of order) {
      const row = open.find((one) => one.table_name === name);
      // What is held back can't be read yet: what changes meanwhile has to be sent.
      if (row === undefined || watch.isBlocked(name) || sender.heldBack.has(name)) continue;
      const route = await rows.routes.forTable(name);
      if (route === undefined || !route.sent) {
        await this.#store(row, { state: 'done', lastKey: null, rows: 0 });
        return true;
      }
      // What it looks like before its first row is read is what later looks are compared with.
      if (row.last_key === null && !(await watch.beginSeeding(route))) continue;
      const seeded = await this.#seedChunk(route, row);
      await this.#lookAtChildren();
      if (seeded.state === 'done') log.info({ table: route.name }, 'seeded');
      await this.#store(row, seeded);
      return true;
    }
    return false;
  }

  async #seedChunk(route: Route, row: SeedingRow): Promise<Seeded> {
    const key = row.last_key === null ? null : (JSON.parse(row.last_key) as string[]);
    if (key === null) await this.#beginSeeding(route);
    const { chunks, writer } = this.#options;
    if (key === null || !this.#shapes.has(route.name)) {
      this.#shapes.set(route.name, await this.#shapeOf(route));
    }
    const { rows: read, isLast } = await chunks.run({
      route,
      selection: { kind: 'after', key },
      emit: async (rows, isStale, parents) => {
        const { streams } = this.#options;
        writer.nextSeq();
        if (key === null) {
          for (const stream of concernedStreams(streams, route)) {
            writer.control(stream, { kind: 'seed-begin', table: route.name });
          }
        }
        await emitRows(this.#options, { route, parents }, rows, isStale);
      },
    });
    if (isLast && (await this.#shapeOf(route)) !== this.#shapes.get(route.name)) {
      this.#options.log.warn(
        { table: route.name },
        'the table was altered while it was read; it is read again',
      );
      return { state: 'wanted', lastKey: null, rows: 0 };
    }
    if (isLast) await this.#complete(route, row);
    const last = read.at(-1);
    return {
      state: isLast ? 'done' : 'running',
      lastKey: last === undefined ? row.last_key : JSON.stringify(keyTexts(route, last)),
      rows: read.length,
    };
  }

  /** What rows of a chunk led to: after a crash only these rows, read again, bring it back, and not the WAL. */
  async #lookAtChildren(): Promise<void> {
    const { looks } = this.#options;
    while (looks.hasWork) await looks.step(this.#options);
  }

  async #beginSeeding(route: Route): Promise<void> {
    this.#options.rows.forgetWaiting(route.name);
    if (await this.#leftovers.possible(route)) this.#fresh.delete(route.name);
    else this.#fresh.add(route.name);
  }

  /** Tills may rely on it that what they do not find between the two marks is gone. */
  async #complete(route: Route, { after_gap: isAfterGap }: SeedingRow): Promise<void> {
    const { chunks, writer, streams } = this.#options;
    if (!this.#fresh.has(route.name)) await this.#leftovers.afterSeeding(route);
    if (isAfterGap) await this.#leftovers.ofTills(route);
    await chunks.run({
      route,
      selection: { kind: 'keys', ids: [] },
      emit: (): Promise<void> => {
        writer.nextSeq();
        for (const stream of concernedStreams(streams, route)) {
          writer.control(stream, { kind: 'seed-complete', table: route.name });
        }
        return Promise.resolve();
      },
    });
  }

  /** Whatever is done to a column makes its row in the catalog anew, a rewrite with the type unchanged too. */
  async #shapeOf({ table }: Route): Promise<string> {
    const { rows } = await this.#options.pool.query<{ shape: string | null }>(
      `SELECT string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, xmin), ', ' ORDER BY attnum) AS shape
       FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`,
      [table.oid],
    );
    return rows[0]?.shape ?? '';
  }

  async #store(row: SeedingRow, seeded: Seeded): Promise<void> {
    await this.#options.pool.query(
      `UPDATE payflow_sync.seeding
       SET state = $3, last_key = $4, rows = CASE $3 WHEN 'wanted' THEN 0 ELSE rows + $5 END,
           after_gap = after_gap AND $3 <> 'done', updated_at = clock_timestamp()
       WHERE table_name = $1 AND epoch = $2 AND updated_at::text = $6`,
      [row.table_name, this.#options.epoch, seeded.state, seeded.lastKey, seeded.rows, row.version],
    );
  }
}
