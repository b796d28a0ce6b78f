/**
 * Where a row change goes. A row belongs to everyone or to one store; a row that changes its store is deleted
 * in the old stream and inserted in the new one, a row that changes its key likewise; a row without a store is
 * counted and goes nowhere, never to everyone.
 *
 * The usual change is handled without waiting. When a parent's store is not in the cache, or a stream is not
 * open yet, `route` returns a promise and does its work after that.
 */
import type { Logger } from 'pino';
import { PROGRESS_TABLE, type RowOp } from '../../shared/records/change-record.ts';
import { CATALOG_POSITION_HEADER } from '../../shared/records/envelope.ts';
import type { AnswerOrigin } from '../../shared/records/origin-units.ts';
import { comparePositions, encodePosition } from '../../shared/records/position.ts';
import type { DownStreams } from '../streams/down-streams.ts';
import type { TransactionOrigins } from './origins.ts';
import { NULL_LENGTH, type Tuple } from '../wal/pgoutput-decoder.ts';
import { TERMINAL_TABLE } from '../setup/published-tables.ts';
import type { Route, Routes } from './routes.ts';
import { checkedStore, type StoreId } from './scope.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import { NO_ORIGINS, type OutgoingChange, type TransactionWriter } from '../streams/transaction-writer.ts';

export interface RowChange {
  readonly op: RowOp;
  readonly before: Tuple | null;
  readonly beforeIsKey: boolean;
  readonly after: Tuple | null;
  /** Columns whose value is nowhere in the WAL. */
  readonly omitted?: readonly string[];
}

export interface RowRouterOptions {
  readonly writer: TransactionWriter;
  readonly streams: DownStreams;
  readonly origins: TransactionOrigins;
  readonly openStore: (storeId: string) => Promise<StreamWriter>;
  /** The row of a parent table changed its store: its children, which have no WAL of their own, must follow. */
  readonly onMove: (table: string, centralId: string, from: StoreId) => void;
  readonly log: Logger;
}

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
          this.#split(route, change, (part) => this.#send(this.#options.streams.catalog, route, part, null));
        }
        return undefined;
      case 'every':
        for (const stream of this.#options.streams.all()) this.#send(stream, route, change, null);
        return undefined;
      case 'column':
      case 'via': {
        const missing = this.#missing(route, change);
        if (missing !== undefined) return missing.then(() => this.route(route, change));
        this.#scoped(route, change);
        return undefined;
      }
    }
  }

  /**
   * A row whose parent moved: it leaves the old store's stream and stands in the new one. Its own children are
   * the caller's to move.
   */
  async moveChild(route: Route, row: Tuple, from: StoreId): Promise<void> {
    const change: RowChange = { op: 'r', before: null, beforeIsKey: false, after: row };
    const part: RowChange = { op: 'd', before: row, beforeIsKey: true, after: null };
    if (from !== null) {
      await this.#options.openStore(from);
      if (route.sent) this.#deleteFrom(route, part, from);
    }
    await this.route(route, change);
  }

  /** The central row as it stands, in answer to a change that made no difference to it. */
  sendImage(route: Route, row: Tuple, origin: AnswerOrigin, store: StoreId): void {
    const { streams, writer } = this.#options;
    const stream = store === null ? streams.catalog : streams.stores.get(store);
    if (stream === undefined) return;
    writer.change(stream, route, {
      op: 'r',
      before: null,
      beforeIsKey: false,
      after: row,
      origins: [origin],
    });
  }

  /** A till's change of a row that its streams do not have: for this till the row is gone. */
  answerGone(route: Route, row: Tuple, origin: AnswerOrigin): void {
    const store = this.routes.cache.get(TERMINAL_TABLE, origin.terminal) ?? null;
    const stream = store === null ? undefined : this.#options.streams.stores.get(store);
    if (stream === undefined || !route.sent) return;
    this.#options.writer.change(stream, route, {
      op: 'd',
      before: row,
      beforeIsKey: true,
      after: null,
      // That it was refused is kept: the till says so of its change.
      origins: [{ ...origin, outcome: origin.outcome === 'rejected' ? 'rejected' : 'gone' }],
    });
  }

  /** Where the row is; undefined: its parent has to be loaded first. */
  storeOf(route: Route, row: Tuple): StoreId | undefined {
    const text = row.text(route.scopeIndex);
    if (route.scope.kind === 'column') return checkedStore(text);
    if (route.scope.kind !== 'via' || text === null) return null;
    return this.routes.cache.get(route.scope.parent, text);
  }

  #scoped(route: Route, change: RowChange): void {
    const { after } = change;
    const to = after === null ? null : (this.storeOf(route, after) ?? null);
    const from = this.#oldStore(route, change, to);
    if (route.isParent && after !== null) {
      const id = route.encoder.centralId(after);
      this.routes.cache.set(route.name, id, to);
      if (change.op === 'u' && from !== undefined && from !== to) this.#options.onMove(route.name, id, from);
    }
    if (!route.sent) return;
    this.#split(route, change, (part) => {
      const moves = part.op === 'u' && from !== undefined && from !== to;
      if (part.op === 'd') {
        this.#deleteFrom(route, part, from);
      } else if (moves) {
        this.#deleteFrom(route, { ...part, op: 'd', before: part.before ?? part.after, after: null }, from);
        this.#sendTo(route, { op: 'c', before: null, beforeIsKey: false, after: part.after }, to);
      } else {
        this.#sendTo(route, part, to);
      }
    });
  }

  /** undefined: nobody knows. */
  #oldStore(route: Route, change: RowChange, to: StoreId): StoreId | undefined {
    const { before, beforeIsKey, after } = change;
    if (before !== null && knowsColumn(before, beforeIsKey, route.scopeIndex)) {
      const store = this.storeOf(route, before);
      // The parent may be gone from the database before its children's deletes come out of the WAL.
      const orphan = store === null && after === null && route.scope.kind === 'via';
      return orphan && before.text(route.scopeIndex) !== null ? undefined : store;
    }
    const row = before ?? after;
    if (row !== null && route.isParent)
      return this.routes.cache.get(route.name, route.encoder.centralId(row));
    return after === null ? undefined : to;
  }

  /** Without a store to delete from, every store's stream is told the key, and nothing but the key. */
  #deleteFrom(route: Route, part: RowChange, from: StoreId | undefined): void {
    if (from === null) return;
    const stream = from === undefined ? undefined : this.#options.streams.stores.get(from);
    if (stream !== undefined && from !== undefined) {
      this.#send(stream, route, part, from);
      return;
    }
    const keyOnly = { ...part, beforeIsKey: true };
    for (const each of this.#options.streams.stores.values()) this.#send(each, route, keyOnly, null);
  }

  #sendTo(route: Route, part: RowChange, store: StoreId): void {
    const stream = store === null ? undefined : this.#options.streams.stores.get(store);
    if (stream === undefined) {
      this.#countUnscoped(route);
      return;
    }
    this.#send(stream, route, part, store);
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

  /** @param store of the stream, null for one that every till reads */
  #send(stream: StreamWriter, route: Route, part: RowChange, store: StoreId): void {
    const change: OutgoingChange = { ...part, origins: this.#originsFor(route, part, store) };
    if (route.name !== PROGRESS_TABLE) this.#options.writer.change(stream, route, change);
    else this.#options.writer.change(stream, route, { ...change, headers: this.#catalogPosition() });
  }

  /** The till's own changes that this record answers; a till of another store is answered in its own stream. */
  #originsFor(route: Route, part: RowChange, store: StoreId): readonly AnswerOrigin[] {
    const { origins } = this.#options;
    const row = part.after ?? part.before;
    if (origins.isEmpty || row === null) return NO_ORIGINS;
    const all = origins.of(route.name, route.encoder.centralId(row));
    if (store === null) return all;
    const here: AnswerOrigin[] = [];
    for (const origin of all) {
      if (this.routes.cache.get(TERMINAL_TABLE, origin.terminal) === store) here.push(origin);
      else this.answerGone(route, row, origin);
    }
    return here;
  }

  /**
   * The newest catalog record up to and including this transaction. When the catalog was found ahead (this
   * transaction is a resend), this very place serves: a catalog record at or behind it exists.
   */
  #catalogPosition(): Readonly<Record<string, Buffer>> {
    const { newest } = this.#options.streams.catalog;
    const here = this.#options.writer.position;
    const position = comparePositions(newest, here) > 0 ? here : newest;
    return { [CATALOG_POSITION_HEADER]: encodePosition(position) };
  }

  /** What must be read or opened before the change can be handled; undefined: nothing. */
  #missing(route: Route, { before, beforeIsKey, after }: RowChange): Promise<unknown> | undefined {
    const rows = [
      after,
      before !== null && knowsColumn(before, beforeIsKey, route.scopeIndex) ? before : null,
    ];
    for (const row of rows) {
      if (row === null) continue;
      const store = this.storeOf(route, row);
      if (store === undefined) {
        const parent = route.scope.kind === 'via' ? route.scope.parent : '';
        return this.routes.cache.load(parent, [row.text(route.scopeIndex) ?? '']);
      }
      if (store !== null && route.sent && !this.#options.streams.stores.has(store)) {
        return this.#options.openStore(store);
      }
    }
    return undefined;
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
