/**
 * What is known of parents at this point of the WAL, and what their coming, moving and going asks for; the rules are
 * those of `parent-rule.ts`.
 */
import type { Watermarks } from '../seeding/watermarks.ts';
import type { AwaitedParents } from './awaited-parents.ts';
import {
  leftByChildren,
  NOWHERE,
  placeOf,
  ruleOfRead,
  union,
  type ParentEvent,
  type Places,
} from './parent-rule.ts';
import type { ParentReading, ScopeCache, StoreId } from './scope.ts';

/** Children that are to be looked at again. */
export interface Looks {
  /** @param left the places that they leave */
  want(parent: string, id: string, left: Places): void;
  /** Where children of this row may stand until they have been looked at; undefined: nothing is wanted. */
  placesOf(parent: string, id: string): Places | undefined;
  /** Whether rows of one of these tables have children that are still to be looked at. */
  isBusy(tables: readonly string[]): boolean;
}

export interface ParentsOptions {
  readonly looks: Looks;
  readonly awaited: AwaitedParents;
  readonly watermarks: Pick<Watermarks, 'sees'>;
  readonly cache: () => ScopeCache;
  /** Of the open transaction. */
  readonly xid: () => number;
}

/** Its parent is not there: the row waits for it. */
export const UNKNOWN = Symbol('unknown');
export type ParentStore = StoreId | typeof UNKNOWN;

export class Parents {
  readonly #options: ParentsOptions;
  /** What was read for the change that is being handled, and is not kept. */
  readonly #read = new Map<string, ParentStore>();
  /** What the chunk that goes out says, in its own snapshot. */
  readonly #chunk = new Map<string, ParentStore>();

  constructor(options: ParentsOptions) {
    this.#options = options;
  }

  /** Where the children of this row go; undefined: it has to be read first. */
  storeOf(parent: string, id: string): ParentStore | undefined {
    const known = this.#options.cache().get(parent, id);
    if (known?.state === 'sure') return known.store;
    if (known?.state === 'gone') return UNKNOWN;
    const read = this.#readOf(parent, id);
    if (read !== undefined) return read;
    if (known !== undefined) return known.store;
    return this.#options.awaited.isCertain(parent, id) ? UNKNOWN : undefined;
  }

  /** Where a child of this row may stand by now; undefined: the row has to be read first. */
  placesOf(parent: string, id: string): Places | undefined {
    const { looks, cache, awaited } = this.#options;
    const known = cache().get(parent, id);
    const pending = looks.placesOf(parent, id) ?? NOWHERE;
    if (known !== undefined && known.state !== 'ahead') return union(placeOf(known.store), pending);
    // What was ahead of the WAL once may not be so any more: it is read anew.
    const isRead = this.#readOf(parent, id) !== undefined || awaited.isCertain(parent, id);
    return isRead ? 'everywhere' : undefined;
  }

  /** A child of this row was found, and the row is not there. */
  wait(parent: string, id: string): void {
    this.#options.awaited.add(parent, id, this.#options.awaited.isCertain(parent, id));
  }

  /** A child that may have waited for this row is gone, or has another parent. */
  waitsNoMore(parent: string, id: string): void {
    if (this.#options.awaited.has(parent, id)) this.#options.looks.want(parent, id, NOWHERE);
  }

  /** A look found this row, itself a child, in this store. */
  placed(parent: string, id: string, store: StoreId): void {
    this.#options.cache().set(parent, id, { store, state: 'sure' });
    this.#options.awaited.doubt(parent, id);
  }

  /** The table was emptied: what its rows said is true of none that come later. */
  emptied(parent: string): void {
    this.#options.cache().clear(parent);
    this.#options.awaited.doubtAll(parent);
  }

  /** The cache is a new one, and what is read may be other tables than before. */
  renewed(): void {
    this.#options.awaited.doubtAll();
  }

  /** One of the tables below the parent is empty; `isAll`: the only one. */
  noneWaits(parent: string, isAll: boolean): void {
    const { awaited, looks } = this.#options;
    if (isAll) awaited.clear(parent);
    else for (const id of awaited.idsOf(parent)) looks.want(parent, id, NOWHERE);
  }

  /** Reads rows that the WAL has not told of. `forget` when the change is handled. */
  async learn(parent: string, ids: readonly string[]): Promise<void> {
    const { cache, watermarks, xid } = this.#options;
    const reading = await cache().read(parent, ids);
    this.#take(reading, watermarks.sees(reading.snapshot, xid()));
  }

  #readOf(parent: string, id: string): ParentStore | undefined {
    if (this.#read.size + this.#chunk.size === 0) return undefined;
    const key = keyOf(parent, id);
    return this.#read.has(key) ? this.#read.get(key) : this.#chunk.get(key);
  }

  /**
   * What the chunk's own snapshot says, which sees all that was decoded before its low watermark; in place of what
   * the chunk before said.
   */
  adopt(reading: ParentReading): void {
    this.#chunk.clear();
    for (const id of reading.ids) {
      const row = reading.found.get(id);
      const isThere = row !== undefined && row.missing === undefined;
      this.#chunk.set(keyOf(reading.parent, id), isThere ? row.store : UNKNOWN);
      if (row?.missing !== undefined) this.wait(row.missing.table, row.missing.id);
    }
  }

  forget(): void {
    this.#read.clear();
  }

  /** The chunk's rows are out. */
  dropChunk(): void {
    this.#chunk.clear();
  }

  /** A parent in the WAL. */
  happened(
    parent: string,
    id: string,
    event: Omit<ParentEvent, 'isAwaited' | 'before'> & { before?: Places },
  ): void {
    const { cache, looks, awaited } = this.#options;
    const known = cache().get(parent, id);
    const before = union(placeOf(known?.store ?? null), event.before ?? NOWHERE);
    const left = leftByChildren({ ...event, before, isAwaited: awaited.has(parent, id) });
    const store = event.kind === 'deleted' ? firstOf(before) : event.now;
    cache().set(parent, id, { store, state: event.kind === 'deleted' ? 'gone' : 'sure' });
    // The cache may forget it before its children have been looked at.
    awaited.doubt(parent, id);
    if (left !== undefined) looks.want(parent, id, left);
  }

  #take(reading: ParentReading, isWhole: boolean): void {
    const { cache, looks, awaited } = this.#options;
    const { parent } = reading;
    const isSettled = !looks.isBusy([parent, ...cache().ancestors(parent)]);
    for (const id of reading.ids) {
      const row = reading.found.get(id);
      const lacks = row === undefined ? { table: parent, id } : row.missing;
      const isThere = row !== undefined && lacks === undefined;
      const rule = ruleOfRead({ isThere, isWhole, isAwaited: awaited.has(parent, id) });
      const store = isThere ? row.store : UNKNOWN;
      this.#read.set(keyOf(parent, id), store);
      if (rule.isKept && store !== UNKNOWN) {
        cache().set(parent, id, { store, state: row?.isDecoded === true && isSettled ? 'sure' : 'ahead' });
      }
      if (rule.waits && lacks !== undefined) awaited.add(lacks.table, lacks.id, isWhole);
      if (rule.isLookedAt) looks.want(parent, id, store === UNKNOWN ? NOWHERE : placeOf(store));
    }
  }
}

function keyOf(parent: string, id: string): string {
  return `${parent}:${id}`;
}

/** Rows deleted after their parent are looked for there first. */
function firstOf(places: Places): StoreId {
  return places === 'everywhere' ? null : (places[0] ?? null);
}
