/**
 * The centre is watched, not believed: at start, with each heartbeat, and whenever the WAL tells of a difference, what
 * the server says of our tables is compared with what was seeded. `differences.ts` decides; here its verdicts are
 * carried out: a seeding is wanted, partitions are read or swept, the state of a table is kept.
 *
 * What is kept of a table changes only after what a difference led to is durable, so a crash finds the difference
 * again. A difference that the WAL told of keeps its transaction from being acknowledged until then.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { PayflowError } from '../../shared/errors.ts';
import { Backoff, sleep, type Service } from '../../shared/lifecycle.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { parseLsn, type Lsn, type Position } from '../../shared/records/position.ts';
import type { Route } from '../routing/routes.ts';
import { WHOLE_PUBLICATION } from '../setup/publication.ts';
import type { Relation } from '../wal/pgoutput-decoder.ts';
import { readMarks, readPublication, readWalEnd } from './catalog-facts.ts';
import type { TableState } from './differences.ts';
import { keptOf, partitionOrders } from './partition-orders.ts';
import type { PgoutputMemory } from './pgoutput-memory.ts';
import { lookAt, lookAtPublication, type PublicationLook, type Seen } from './table-look.ts';
import {
  isDescribedOtherwise,
  isMadeOf,
  shapeOf,
  type PartitionFacts,
  type PublicationFacts,
} from './table-shape.ts';
import { watchedTables, type WatchedTable } from './watched-tables.ts';
import { UNKNOWN, WatchStore, type Known } from './watch-store.ts';

/** Work for the seeding, which calls `done` when it is durable. */
export interface PartitionWork {
  readonly table: string;
  readonly done: () => Promise<void>;
}

export type StateOfTable = TableState & { readonly table: string };

export interface CatalogWatchOptions {
  readonly pool: Pool;
  readonly epoch: number;
  readonly publication: string;
  readonly mapping: () => Mapping;
  readonly everyMs: number;
  readonly pgoutput: PgoutputMemory;
  /** This session can't tell the partitions of some table: the next is to begin there or later. */
  readonly onStale: (lsn: Lsn) => void;
  /** All states that tables have now. */
  readonly onStates: (states: readonly StateOfTable[]) => void;
  readonly onSweep: (work: PartitionWork & { readonly at: Position }) => void;
  readonly onPartition: (work: PartitionWork & { readonly partition: PartitionFacts }) => void;
  readonly log: Logger;
}

/** Once a minute at a heartbeat of ten seconds: 4,000 partitions cost the centre more than 200 tables. */
const PARTITIONS_EVERY = 6;
const FIRST_RETRY_MS = 500;

/** What holds for all tables in one look at the centre. */
interface Look extends PublicationLook {
  readonly tables: ReadonlyMap<string, WatchedTable>;
  /** Before anything was read. */
  readonly walEnd: string;
}

export class CatalogWatch implements Service {
  readonly name = 'catalog watch';
  readonly #options: CatalogWatchOptions;
  readonly #store: WatchStore;
  readonly #backoff: Backoff;
  /** Its oid at the first look. */
  #publication: number | undefined;
  #known = new Map<string, Known>();
  /** At the last look; undefined: all is looked at, for a table that has gone since the start has no mark to differ. */
  #marks: ReadonlyMap<string, string> | undefined;
  readonly #partitioned = new Set<string>();
  /** Seedings that are wanted and have not begun. */
  readonly #wanted = new Set<string>();
  /** What the WAL told of, with what keeps it from being acknowledged. */
  #told = new Map<string, () => void>();
  /** Partitions that are being read, and tables that are being swept. */
  readonly #underWay = new Set<string>();
  readonly #unmended = new Set<string>();
  #looks = 0;
  #hurry = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogWatchOptions) {
    this.#options = options;
    this.#store = new WatchStore(options.pool, options.epoch);
    const { everyMs } = options;
    this.#backoff = new Backoff({ firstMs: Math.min(FIRST_RETRY_MS, everyMs), maxMs: everyMs });
  }

  /** The first look, before anything is read from the WAL. @throws PayflowError PUBLICATION_LOST */
  async start(): Promise<void> {
    await this.#inTurn(async () => {
      this.#known = await this.#store.load();
      const begun = await this.#store.begun();
      const look = await this.#newLook();
      const unknown = new Set([...look.tables.keys()].filter((name) => !this.#known.has(name)));
      const seen = await this.#lookAt(look, [...look.tables.keys()], new Map());
      // Seeded by a version that kept no shapes: what is there now is taken for what was seeded.
      const adopted = seen.filter(
        ({ rules: { name, isSeeded } }) => unknown.has(name) && (!isSeeded || begun.has(name)),
      );
      for (const one of adopted) await this.#adopt(look, one);
      const { mapping } = this.#options;
      const reshaped = await this.#store.want(mapping(), [...look.tables.keys()], 'reshaped');
      this.#noteWanted(reshaped, 'altered');
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#hurry = new AbortController();
      const waitMs = this.#unmended.size > 0 ? this.#backoff.next() : this.#options.everyMs;
      if (this.#told.size === 0) await sleep(waitMs, AbortSignal.any([signal, this.#hurry.signal]));
      if (!signal.aborted) await this.look();
    }
  }

  async look(): Promise<void> {
    await this.#inTurn(async () => {
      const told = this.#told;
      this.#told = new Map();
      const { pool, publication } = this.#options;
      const look = await this.#newLook();
      const [before, marks] = [this.#marks, await readMarks(pool, [...look.tables.keys()], publication)];
      this.#looks += 1;
      const withPartitions = this.#looks % PARTITIONS_EVERY === 0;
      const names = [...look.tables.keys()].filter(
        (name) =>
          before === undefined ||
          marks.get(name) !== before.get(name) ||
          told.has(name) ||
          this.#unmended.has(name) ||
          (withPartitions && this.#partitioned.has(name)),
      );
      await this.#lookAt(look, names, told);
      this.#marks = marks;
      if (this.#unmended.size === 0) this.#backoff.reset();
      for (const done of told.values()) done();
    });
  }

  /** The WAL describes a relation, in the transaction that commits at `lsn`. */
  described(relation: Relation, lsn: Lsn, oblige: () => () => void): void {
    for (const [name, { shape }] of this.#known) {
      if (shape === null || (relation.oid !== shape.oid && relation.name !== name)) continue;
      if (isDescribedOtherwise(name, shape, relation)) this.tell(name, lsn, oblige);
    }
  }

  /** The WAL shows that rows of the table may be missing. What was committed before its seeding is in that. */
  tell(name: string, lsn: Lsn, oblige: () => () => void): void {
    const shape = this.#known.get(name)?.shape ?? null;
    if (shape === null || this.#wanted.has(name) || lsn < parseLsn(shape.lsn)) return;
    // The first keeps the acknowledgement back for all that come after it.
    if (!this.#told.has(name)) this.#told.set(name, oblige());
    this.#hurry.abort();
  }

  /** A table with a state is not seeded. */
  isBlocked(name: string): boolean {
    return (this.#known.get(name)?.state ?? null) !== null;
  }

  /**
   * Before a table's first chunk is read: keeps what the table looks like now. @returns false: not now. It has a state,
   * or the route was made of an older look of it; then the seeding is wanted again, which renews the routes.
   */
  async beginSeeding(route: Route): Promise<boolean> {
    return this.#inTurn(async () => {
      const { name } = route;
      const look = await this.#newLook();
      this.#wanted.add(name);
      const [seen] = await this.#lookAt(look, [name], new Map());
      if (seen?.now === undefined || seen.now === null || this.isBlocked(name)) return false;
      if (await this.#isStale(seen)) return false;
      if (!isMadeOf(route, seen.now)) {
        await this.#want([name], 'altered');
        return false;
      }
      await this.#adopt(look, seen);
      this.#wanted.delete(name);
      return true;
    });
  }

  async #newLook(): Promise<Look> {
    const { pool, publication: publicationName, mapping, log } = this.#options;
    const walEnd = await readWalEnd(pool);
    const published = await lookAtPublication({ pool, publicationName, log }, () => this.#publicationNow());
    if (published.refusal === null) this.#unmended.delete(WHOLE_PUBLICATION);
    else this.#unmended.add(WHOLE_PUBLICATION);
    const tables = watchedTables(mapping());
    const unmapped = [...this.#known.keys()].filter((known) => !tables.has(known));
    if (unmapped.length > 0) await this.#store.forget(unmapped);
    for (const known of unmapped) this.#known.delete(known);
    return { ...published, tables, walEnd };
  }

  async #publicationNow(): Promise<PublicationFacts> {
    const { pool, publication: name } = this.#options;
    const publication = await readPublication(pool, name);
    if (publication === null || publication.oid !== (this.#publication ?? publication.oid)) {
      throw new PayflowError('PUBLICATION_LOST', `the publication ${name} was dropped`);
    }
    this.#publication = publication.oid;
    return publication;
  }

  async #lookAt(
    look: Look,
    names: readonly string[],
    told: ReadonlyMap<string, unknown>,
  ): Promise<Seen<WatchedTable>[]> {
    const { pool, publication: publicationName, log } = this.#options;
    const asked = names.flatMap((name) => {
      const rules = look.tables.get(name);
      return rules === undefined
        ? []
        : [{ rules, known: this.#known.get(name) ?? UNKNOWN, isTold: told.has(name) }];
    });
    const seen = await lookAt({ pool, publicationName, log }, look, asked);
    for (const one of seen) await this.#carryOut(look, one);
    this.#options.onStates(
      [...this.#known].flatMap(([table, { state }]) => (state === null ? [] : [{ table, ...state }])),
    );
    return seen;
  }

  async #carryOut(look: Look, seen: Seen<WatchedTable>): Promise<void> {
    const { rules, known, now, compared, isUnmended } = seen;
    const { name } = rules;
    if (isUnmended) this.#unmended.add(name);
    else this.#unmended.delete(name);
    if (now?.isPartitioned === true) this.#partitioned.add(name);
    // Whether a mapped table that was never there should be is what `parity` tells.
    if (now === null && known.shape === null && known.state === null) return;
    if (compared.state !== null) {
      await this.#keepState(name, known, compared.state);
      return;
    }
    // A seeding that was wanted before has passed the table over while it had a state, and nobody wakes it again.
    if (compared.reasons.length > 0 && (known.state !== null || !this.#wanted.has(name))) {
      await this.#want(rules.seededWith, compared.reasons.join(', '));
    }
    if (known.state !== null) await this.#keep(name, { ...known, state: null });
    if (await this.#isStale(seen)) return;
    const isHarmless = compared.reasons.length === 0 && compared.read.length === 0 && !compared.sweep;
    if (!rules.isSeeded && (known.shape === null || !isHarmless)) await this.#adopt(look, seen);
    else if (isHarmless) await this.#keepHarmless(look, seen);
    if (rules.isSeeded) this.#order(look, seen);
  }

  /** Then nothing of its partitions is settled in this session. */
  async #isStale(seen: Seen<WatchedTable>): Promise<boolean> {
    const { pool, pgoutput, onStale } = this.#options;
    const stale = await pgoutput.staleUntil(seen, () => readWalEnd(pool));
    if (stale !== null) onStale(stale);
    return stale !== null;
  }

  async #keepState(name: string, known: Known, state: TableState): Promise<void> {
    if (known.state?.code === state.code && known.state.message === state.message) return;
    this.#options.log.error(
      { code: state.code, table: name },
      `${state.message}; its rows may be wrong on tills`,
    );
    await this.#keep(name, { ...known, state });
  }

  /** What led to nothing is part of what the next look is compared with. */
  async #keepHarmless({ publication }: Look, { rules, known, now }: Seen<WatchedTable>): Promise<void> {
    if (now === null || known.shape === null) return;
    const shape = shapeOf(now, publication, known.shape.lsn);
    if (JSON.stringify(shape) === JSON.stringify(known.shape)) return;
    await this.#keep(rules.name, { ...this.#knownOf(rules.name), shape });
  }

  /** Has partitions swept and read; what is kept of them follows when that is durable. */
  #order({ walEnd }: Look, { rules: { name }, partitions = [], compared }: Seen<WatchedTable>): void {
    if (this.#wanted.has(name)) return;
    const { epoch, onSweep, onPartition, log } = this.#options;
    for (const order of partitionOrders(name, partitions, compared)) {
      if (this.#underWay.has(order.what)) continue;
      this.#underWay.add(order.what);
      const done = async () => {
        this.#underWay.delete(order.what);
        await this.#inTurn(async () => {
          const known = this.#knownOf(name);
          await this.#keep(name, { ...known, partitions: order.settle(known.partitions) });
        });
      };
      log.warn({ table: name, what: order.what }, 'its partitions changed');
      if (order.kind === 'read') onPartition({ table: name, partition: order.partition, done });
      else onSweep({ table: name, at: { epoch, lsn: parseLsn(walEnd), seq: 0 }, done });
    }
  }

  async #want(names: readonly string[], reason: string): Promise<void> {
    if (names.length === 0) return;
    this.#noteWanted(await this.#store.want(this.#options.mapping(), names, 'all'), reason);
  }

  #noteWanted(names: readonly string[], reason: string): void {
    if (names.length === 0) return;
    for (const name of names) this.#wanted.add(name);
    this.#options.log.warn({ tables: names, reason }, 'tables are seeded again');
  }

  async #adopt(
    { publication, walEnd }: Look,
    { rules, now, partitions = [] }: Seen<WatchedTable>,
  ): Promise<void> {
    if (now === null || this.isBlocked(rules.name)) return;
    await this.#keep(rules.name, {
      shape: shapeOf(now, publication, walEnd),
      partitions: keptOf(partitions),
      state: null,
    });
  }

  #knownOf(name: string): Known {
    return this.#known.get(name) ?? UNKNOWN;
  }

  async #keep(name: string, known: Known): Promise<void> {
    await this.#store.save(name, known);
    this.#known.set(name, known);
  }

  /** One look at a time: seeding and heartbeats both ask for some. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const mine = before.then(work, work);
    // Whoever comes next waits for the end, however it was.
    this.#turn = mine.catch(() => undefined);
    try {
      return await mine;
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }
}
