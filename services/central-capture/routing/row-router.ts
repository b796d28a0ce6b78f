/**
 * Where a row change goes. A row belongs to everyone or to one store; a row that changes its store is deleted
 * in the old stream and inserted in the new one, a row that changes its key likewise; a row without a store is
 * counted and goes nowhere, never to everyone. A row whose parent is not there waits for it (`parents.ts`).
 *
 * The usual change is handled without waiting. When a parent has to be read, or a stream is not open yet, `route`
 * returns a promise and does its work after that.
 */
import type { Logger } from 'pino';
import type { CentralId } from '../../shared/records/change-record.ts';
import type { DownStreams } from '../streams/down-streams.ts';
import { NULL_LENGTH, type Tuple } from '../wal/pgoutput-decoder.ts';
import { NOWHERE, placeOf, union, without, type Places } from './parent-rule.ts';
import { UNKNOWN, type Parents, type ParentStore } from './parents.ts';
import type { Route, Routes } from './routes.ts';
import type { RowChange, RowSender } from './row-sender.ts';
import { checkedStore } from './scope.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import type { TransactionWriter } from '../streams/transaction-writer.ts';

export interface RowRouterOptions {
  readonly writer: TransactionWriter;
  readonly sender: RowSender;
  readonly streams: DownStreams;
  readonly openStore: (storeId: string) => Promise<StreamWriter>;
  readonly parents: Parents;
  readonly log: Logger;
}

/** Where a row goes, and where it may have been. */
interface Ways {
  readonly to: ParentStore;
  readonly from: Places;
}
/** What a parent gives that has to be read first is undefined. */
type Partially<T> = { readonly [Key in keyof T]: T[Key] | undefined };

/** Rows that went nowhere because their store is unknown, by table. */
export type UnscopedCounts = ReadonlyMap<string, number>;

export class RowRouter {
  readonly #options: RowRouterOptions;
  readonly #unscoped = new Map<string, number>();
  /** Replaced when the mapping or a table's shape changes. */
  routes: Routes;

  constructor(options: RowRouterOptions & { routes: Routes }) {
    this.#options = options;
    this.routes = options.routes;
  }

  get unscoped(): UnscopedCounts {
    return this.#unscoped;
  }

  route(route: Route, change: RowChange): Promise<void> | undefined {
    switch (route.scope.kind) {
      case 'global':
        if (route.sent) {
          this.#split(route, change, (part) =>
            this.#options.sender.send(this.#options.streams.catalog, route, part, null),
          );
        }
        return undefined;
      case 'every':
        for (const stream of this.#options.streams.all())
          this.#options.sender.send(stream, route, change, null);
        return undefined;
      case 'column':
      case 'via':
        return this.#routeScoped(route, change);
    }
  }

  get parents(): Parents {
    return this.#options.parents;
  }

  /**
   * A row as it stands, where its parent has it, taken from where it may have been. Its own children are the
   * caller's to place.
   */
  async place(route: Route, row: Tuple, from: Places): Promise<void> {
    const to = this.storeOf(route, row) ?? null;
    const left = from === 'everywhere' || typeof to === 'symbol' ? from : without(from, to);
    await this.#open([
      ...(left === 'everywhere' ? [] : left),
      ...(to === null || to === UNKNOWN ? [] : [to]),
    ]);
    if (route.sent) {
      this.#deleteFrom(route, { op: 'd', before: row, beforeIsKey: true, after: null }, left, to);
    }
    this.#sendTo(route, { op: 'r', before: null, beforeIsKey: false, after: row }, to);
  }

  /** All that is known of a row that is gone is its key. */
  async takeAway(route: Route, id: CentralId, from: Places): Promise<void> {
    if (!route.sent) return;
    if (from !== 'everywhere') await this.#open(from);
    const { stores } = this.#options.streams;
    const streams = from === 'everywhere' ? [...stores.values()] : from.map((store) => stores.get(store));
    for (const stream of streams)
      if (stream !== undefined) this.#options.writer.deletion(stream, route, id, { isDeleted: false });
  }

  /** The table is read from its first row on: whoever still waits is found again. */
  forgetWaiting(table: string): void {
    const scope = this.routes.scopes.get(table);
    if (scope?.kind !== 'via' || this.routes.childrenOf(scope.parent).length > 1) return;
    this.parents.noneWaits(scope.parent, true);
  }

  /** No row of the table waits for its parent any more. */
  childrenEmptied(table: string): void {
    const scope = this.routes.scopes.get(table);
    if (scope?.kind !== 'via') return;
    this.parents.noneWaits(scope.parent, this.routes.childrenOf(scope.parent).length === 1);
  }

  /** Where the row is; undefined: its parent has to be read first. */
  storeOf(route: Route, row: Tuple): ParentStore | undefined {
    const text = row.text(route.scopeIndex);
    if (route.scope.kind === 'column') return checkedStore(text);
    if (route.scope.kind !== 'via' || text === null) return null;
    return this.parents.storeOf(route.scope.parent, text);
  }

  #routeScoped(route: Route, change: RowChange): Promise<void> | undefined {
    const ways = this.#waysOf(route, change);
    if (ways.to === undefined || ways.from === undefined || !this.#areOpen(route, ways)) {
      return this.#whenReady(route, change, ways);
    }
    this.#scoped(route, change, { from: ways.from, to: ways.to });
    return undefined;
  }

  #waysOf(route: Route, change: RowChange): Partially<Ways> {
    const to = change.after === null ? null : this.storeOf(route, change.after);
    return { to, from: this.#oldPlaces(route, change, to ?? null) };
  }

  #scoped(route: Route, change: RowChange, { from, to }: Ways): void {
    if (route.scope.kind === 'via') this.#noteWaiting(route, route.scope.parent, change, to);
    if (route.isParent) this.#asParent(route, change, { from, to });
    if (!route.sent) return;
    this.#split(route, change, (part) => {
      const left = part.op === 'd' || typeof to === 'symbol' ? from : without(from, to);
      const moves = part.op === 'u' && left.length > 0;
      if (part.op === 'd') {
        this.#deleteFrom(route, part, left, null);
      } else if (moves) {
        const gone = { ...part, op: 'd', before: part.before ?? part.after, after: null } as const;
        this.#deleteFrom(route, gone, left, to);
        this.#sendTo(route, { op: 'c', before: null, beforeIsKey: false, after: part.after }, to);
      } else {
        this.#sendTo(route, part, to);
      }
    });
  }

  /** Where the row may have been; undefined: its old parent has to be read first. */
  #oldPlaces(route: Route, { before, beforeIsKey, after }: RowChange, to: ParentStore): Places | undefined {
    if (before === null) return after === null ? 'everywhere' : NOWHERE;
    const now = to === UNKNOWN ? NOWHERE : placeOf(to);
    if (!knowsColumn(before, beforeIsKey, route.scopeIndex)) {
      const known = route.isParent
        ? this.routes.cache.get(route.name, route.encoder.centralId(before))
        : undefined;
      if (known !== undefined) return placeOf(known.store);
      return after === null ? 'everywhere' : now;
    }
    const text = before.text(route.scopeIndex);
    if (route.scope.kind !== 'via') return placeOf(checkedStore(text));
    if (text === null) return NOWHERE;
    const places = this.parents.placesOf(route.scope.parent, text);
    // Of an old key nobody finds the row later, when its parent is looked at.
    const isSame =
      after !== null && after.text(route.scopeIndex) === text && route.encoder.sameKey(before, after);
    if (!isSame) return places;
    // Under the same parent: where that was read ahead of the WAL, its coming change brings its children along.
    return places === 'everywhere' || places === undefined
      ? now
      : union(now, to === UNKNOWN ? NOWHERE : places);
  }

  #noteWaiting(route: Route, parent: string, { before, after }: RowChange, to: ParentStore): void {
    const now = after?.text(route.scopeIndex) ?? null;
    const then = before?.text(route.scopeIndex) ?? null;
    if (to === UNKNOWN && now !== null) this.parents.wait(parent, now);
    if (then !== null && then !== now) this.parents.waitsNoMore(parent, then);
  }

  /** The row gives others their store. A changed key is one that goes and one that comes. */
  #asParent(route: Route, { before, after }: RowChange, { from, to: store }: Ways): void {
    const to = store === UNKNOWN ? null : store;
    const [then, now] = [before, after].map((row) => (row === null ? null : route.encoder.centralId(row)));
    const stays = then !== null && then === now;
    if (!stays && typeof then === 'string') {
      this.parents.happened(route.name, then, { kind: 'deleted', before: from, now: null });
    }
    if (typeof now !== 'string') return;
    if (stays) this.parents.happened(route.name, now, { kind: 'changed', before: from, now: to });
    else this.parents.happened(route.name, now, { kind: 'inserted', now: to });
  }

  /** Where the row may have been, every store's stream is told its key; one alone is told what the WAL had. */
  #deleteFrom(route: Route, part: RowChange, from: Places, to: ParentStore): void {
    const { stores } = this.#options.streams;
    if (from !== 'everywhere') {
      for (const store of from) {
        const stream = stores.get(store);
        if (stream !== undefined) this.#options.sender.send(stream, route, part, store);
      }
      return;
    }
    const keyOnly = { ...part, beforeIsKey: true };
    for (const [store, stream] of stores)
      if (store !== to) this.#options.sender.send(stream, route, keyOnly, null);
  }

  #sendTo(route: Route, part: RowChange, store: ParentStore): void {
    if (!route.sent) return;
    const stream = store === null || store === UNKNOWN ? undefined : this.#options.streams.stores.get(store);
    if (stream === undefined || store === UNKNOWN) this.#countUnscoped(route);
    else this.#options.sender.send(stream, route, part, store);
  }

  /** A changed key is a delete of the old one and an insert of the new. */
  #split(route: Route, change: RowChange, send: (part: RowChange) => void): void {
    const { before, after } = change;
    if (before === null || after === null || route.encoder.sameKey(before, after)) {
      send(change);
      return;
    }
    send({ op: 'd', before, beforeIsKey: change.beforeIsKey, after: null });
    send({ op: 'c', before: null, beforeIsKey: false, after });
  }

  /** Whether the streams that the change is written to are open. */
  #areOpen(route: Route, { from, to }: Partially<Ways>): boolean {
    const { stores } = this.#options.streams;
    if (!route.sent) return true;
    if (typeof to === 'string' && !stores.has(to)) return false;
    return from === 'everywhere' || from === undefined || from.every((store) => stores.has(store));
  }

  async #whenReady(route: Route, change: RowChange, ways: Partially<Ways>): Promise<void> {
    const { after, before } = change;
    const ids = [ways.to === undefined ? after : null, ways.from === undefined ? before : null].flatMap(
      (row) => row?.text(route.scopeIndex) ?? [],
    );
    try {
      if (route.scope.kind === 'via' && ids.length > 0) await this.parents.learn(route.scope.parent, ids);
      const { to = null, from = 'everywhere' } = this.#waysOf(route, change);
      if (route.sent && from !== 'everywhere') await this.#open(from);
      if (route.sent && typeof to === 'string') await this.#open([to]);
      this.#scoped(route, change, { from, to });
    } finally {
      this.parents.forget();
    }
  }

  async #open(stores: Iterable<string>): Promise<void> {
    for (const store of stores) {
      if (!this.#options.streams.stores.has(store)) await this.#options.openStore(store);
    }
  }

  #countUnscoped(route: Route): void {
    const count = (this.#unscoped.get(route.name) ?? 0) + 1;
    this.#unscoped.set(route.name, count);
    if (count === 1) {
      this.#options.log.warn({ table: route.name }, 'a row has no store, or an unknown one, and is not sent');
    }
  }
}

/** With only the key in the WAL, the store is known when its column is part of the key. */
function knowsColumn(row: Tuple, keyOnly: boolean, column: number): boolean {
  return !keyOnly || (row.lengths[column] ?? NULL_LENGTH) >= 0;
}
