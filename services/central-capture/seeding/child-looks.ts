/**
 * Children that are looked at again, because of their parent: they have no WAL of their own. Many parents at a time
 * are read between watermarks; each child is put where its parent has it and leaves where it may have been; a child
 * that is itself a parent has its own children looked at after that. The transaction that asked for it is
 * acknowledged when the last grandchild is durable.
 *
 * A child that was changed while it was read has gone its own way by its own record, but may stand in an old place
 * all the same: it is asked for once more, by its key. Beyond MOST parents of one table all that hangs below it is
 * seeded instead.
 */
import type { Pool } from 'pg';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import type { CentralId } from '../../shared/records/change-record.ts';
import type { AwaitedParents } from '../routing/awaited-parents.ts';
import { NOWHERE, placeOf, union, without, type Places } from '../routing/parent-rule.ts';
import { UNKNOWN, type Looks } from '../routing/parents.ts';
import type { Route } from '../routing/routes.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { keyTexts } from './chunk-reader.ts';
import type { ReadingParts } from './chunk-rows.ts';
import type { DoneChunk } from './chunks.ts';
import { wantSeeding } from './wanted.ts';

/** What a transaction waits for before it is acknowledged. */
interface Hold {
  open: number;
  readonly release: () => void;
}

interface Look {
  left: Places;
  readonly holds: Set<Hold>;
}

/** Parents of one table, by id. */
type Batch = Map<string, Look>;

export interface ChildLooksOptions {
  readonly pool: Pool;
  readonly epoch: number;
  readonly awaited: AwaitedParents;
  /** The open transaction is not acknowledged before the returned function is called. */
  readonly oblige: () => () => void;
  /** There is work. */
  readonly onWork: () => void;
  readonly parentsAtOnce?: number | undefined;
  readonly most?: number | undefined;
}

const PARENTS_AT_ONCE = 500;
const MOST = 100_000;

export class ChildLooks implements Looks {
  readonly #options: ChildLooksOptions;
  readonly #wanted = new Map<string, Batch>();
  readonly #tooMany = new Map<string, Set<Hold>>();
  #running: { readonly table: string; readonly batch: Batch } | null = null;

  constructor(options: ChildLooksOptions) {
    this.#options = options;
  }

  get hasWork(): boolean {
    return this.#wanted.size + this.#tooMany.size > 0;
  }

  want(parent: string, id: string, left: Places): void {
    this.#add(parent, id, left, [{ open: 0, release: this.#options.oblige() }]);
    this.#options.onWork();
  }

  /** The table was emptied, or too much of it moved: what hangs below it is seeded. */
  wantAll(parent: string): void {
    this.#tooMany.set(
      parent,
      held(this.#tooMany.get(parent) ?? new Set(), [{ open: 0, release: this.#options.oblige() }]),
    );
    this.#options.onWork();
  }

  placesOf(parent: string, id: string): Places | undefined {
    if (this.#wanted.size === 0 && this.#running === null) return undefined;
    const running = this.#running?.table === parent ? this.#running.batch.get(id) : undefined;
    const wanted = this.#wanted.get(parent)?.get(id);
    if (running === undefined) return wanted?.left;
    return union(running.left, wanted?.left ?? NOWHERE);
  }

  isBusy(tables: readonly string[]): boolean {
    return tables.some(
      (table) => this.#wanted.has(table) || this.#tooMany.has(table) || this.#running?.table === table,
    );
  }

  /** One batch of parents, or one table that there is too much of. */
  async step(parts: ReadingParts): Promise<void> {
    const [crowded] = this.#tooMany;
    if (crowded !== undefined) {
      await this.#seedBelow(parts, ...crowded);
      return;
    }
    const running = this.#take();
    if (running === undefined) return;
    this.#running = running;
    await this.#look(parts, running.table, running.batch);
    this.#running = null;
    for (const { holds } of running.batch.values()) release(holds);
  }

  #take(): { table: string; batch: Batch } | undefined {
    const [first] = this.#wanted;
    if (first === undefined) return undefined;
    const [table, wanted] = first;
    const batch: Batch = new Map();
    for (const [id, look] of wanted) {
      if (batch.size === (this.#options.parentsAtOnce ?? PARENTS_AT_ONCE)) break;
      batch.set(id, look);
      wanted.delete(id);
    }
    if (wanted.size === 0) this.#wanted.delete(table);
    return { table, batch };
  }

  #add(parent: string, id: string, left: Places, holds: Iterable<Hold>): void {
    const crowded = this.#tooMany.get(parent);
    if (crowded !== undefined) {
      held(crowded, holds);
      return;
    }
    const wanted: Batch = this.#wanted.get(parent) ?? new Map<string, Look>();
    this.#wanted.set(parent, wanted);
    const look = wanted.get(id) ?? { left, holds: new Set<Hold>() };
    look.left = union(look.left, left);
    held(look.holds, holds);
    wanted.set(id, look);
    if (wanted.size <= (this.#options.most ?? MOST)) return;
    const all = new Set<Hold>();
    for (const each of wanted.values()) {
      held(all, each.holds);
      release(each.holds);
    }
    this.#tooMany.set(parent, all);
    this.#wanted.delete(parent);
  }

  async #seedBelow({ rows }: ReadingParts, parent: string, holds: Set<Hold>): Promise<void> {
    const { pool, epoch } = this.#options;
    const below = (table: string): string[] =>
      rows.routes.childrenOf(table).flatMap((child) => [child, ...below(child)]);
    try {
      await wantSeeding(pool, epoch, below(parent));
    } catch (error) {
      throw wrapPostgresError(error);
    }
    this.#tooMany.delete(parent);
    release(holds);
  }

  async #look(parts: ReadingParts, table: string, batch: Batch): Promise<void> {
    const { awaited } = this.#options;
    const versions = [...batch.keys()].map((id) => [id, awaited.versionOf(table, id)] as const);
    const waiting = new Set<string>();
    for (const child of parts.rows.routes.childrenOf(table)) {
      const route = await parts.rows.routes.forTable(child);
      if (route !== undefined) await new ChildrenOf(this, { parts, route, table, batch, waiting }).look();
    }
    for (const [id, version] of versions) if (!waiting.has(id)) awaited.remove(table, id, version);
    await awaited.store();
    // What was held back meanwhile, with nobody else to send it on.
    parts.streams.flush();
  }

  /** A child that is a parent itself was placed, or is gone. */
  below(table: string, id: string, left: Places, holds: Iterable<Hold>): void {
    this.#add(table, id, left, holds);
  }
}

interface ChildrenParts {
  readonly parts: ReadingParts;
  readonly route: Route;
  readonly table: string;
  readonly batch: Batch;
  /** Parents of rows that still have no store. */
  readonly waiting: Set<string>;
}

/** The rows of one child table under one batch of parents. */
class ChildrenOf {
  readonly #looks: ChildLooks;
  readonly #these: ChildrenParts;

  constructor(looks: ChildLooks, these: ChildrenParts) {
    this.#looks = looks;
    this.#these = these;
  }

  async look(): Promise<void> {
    const { parts, route, batch } = this.#these;
    if (route.scope.kind !== 'via') return;
    const { column } = route.scope;
    const parentIds = [...batch.keys()];
    for (let key: string[] | null = null, more = true; more;) {
      const changed = new Map<CentralId, Look>();
      const read: DoneChunk = await parts.chunks.run({
        route,
        selection: { kind: 'children', column, parentIds, key },
        emit: async (rows, isStale, parents) => {
          parts.rows.parents.adopt(parents);
          for (const row of rows) {
            const id = route.encoder.centralId(row) as CentralId;
            const look = batch.get(row.text(route.scopeIndex) ?? '') ?? { left: NOWHERE, holds: new Set() };
            if (isStale(id)) changed.set(id, look);
            else await this.#place(row, id, look);
          }
          parts.rows.parents.dropChunk();
        },
      });
      let open = changed;
      while (open.size > 0) open = await this.#lookByKey(open);
      const last = read.rows.at(-1);
      if (last !== undefined) key = keyTexts(route, last);
      more = !read.isLast;
    }
  }

  /** @returns those that were changed again meanwhile */
  async #lookByKey(wanted: ReadonlyMap<CentralId, Look>): Promise<Map<CentralId, Look>> {
    const { parts, route } = this.#these;
    const changed = new Map<CentralId, Look>();
    await parts.chunks.run({
      route,
      selection: { kind: 'keys', ids: [...wanted.keys()] },
      emit: async (rows, isStale, parents) => {
        parts.rows.parents.adopt(parents);
        const here = new Map(rows.map((row) => [route.encoder.centralId(row), row]));
        for (const [id, look] of wanted) {
          const row = here.get(id);
          if (isStale(id)) changed.set(id, look);
          else if (row !== undefined) await this.#place(row, id, look);
          else await this.#takeAway(id, look);
        }
        parts.rows.parents.dropChunk();
      },
    });
    return changed;
  }

  async #place(row: Tuple, id: CentralId, look: Look): Promise<void> {
    const { parts, route, waiting } = this.#these;
    const parent = row.text(route.scopeIndex) ?? '';
    const store = parts.rows.storeOf(route, row) ?? null;
    parts.writer.nextPair();
    await parts.rows.place(route, row, look.left);
    if (store === UNKNOWN) {
      waiting.add(parent);
      if (route.scope.kind === 'via') parts.rows.parents.wait(route.scope.parent, parent);
    }
    if (!route.isParent) return;
    const to = store === UNKNOWN ? null : store;
    const { cache } = parts.rows.routes;
    const before = union(placeOf(cache.get(route.name, id)?.store ?? null), look.left);
    parts.rows.parents.placed(route.name, id, to);
    this.#looks.below(route.name, id, without(before, to), look.holds);
  }

  async #takeAway(id: CentralId, look: Look): Promise<void> {
    const { parts, route } = this.#these;
    parts.writer.nextSeq();
    await parts.rows.takeAway(route, id, look.left);
    if (route.isParent) this.#looks.below(route.name, id, look.left, look.holds);
  }
}

function held(by: Set<Hold>, holds: Iterable<Hold>): Set<Hold> {
  for (const hold of holds) {
    if (by.has(hold)) continue;
    by.add(hold);
    hold.open += 1;
  }
  return by;
}

function release(holds: Iterable<Hold>): void {
  for (const hold of holds) {
    hold.open -= 1;
    if (hold.open === 0) hold.release();
  }
}
