/** How a row goes into one stream: with the tills' own changes that it answers, and what progress needs beside it. */
import { PROGRESS_TABLE, type RowOp } from '../../shared/records/change-record.ts';
import { CATALOG_POSITION_HEADER } from '../../shared/records/envelope.ts';
import type { AnswerOrigin } from '../../shared/records/origin-units.ts';
import { comparePositions, encodePosition } from '../../shared/records/position.ts';
import { TERMINAL_TABLE } from '../setup/published-tables.ts';
import type { DownStreams } from '../streams/down-streams.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import { NO_ORIGINS, type OutgoingChange, type TransactionWriter } from '../streams/transaction-writer.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { TransactionOrigins } from './origins.ts';
import type { Route } from './routes.ts';
import type { ScopeCache, StoreId } from './scope.ts';

export interface RowChange {
  readonly op: RowOp;
  readonly before: Tuple | null;
  readonly beforeIsKey: boolean;
  readonly after: Tuple | null;
  /** Of a delete: the row is no more, and has not only left a stream. */
  readonly isDeleted?: boolean | undefined;
  /** Columns whose value is nowhere in the WAL. */
  readonly omitted?: readonly string[];
}

export interface RowSenderOptions {
  readonly writer: TransactionWriter;
  readonly streams: DownStreams;
  readonly origins: TransactionOrigins;
  readonly cache: () => ScopeCache;
}

export class RowSender {
  readonly #options: RowSenderOptions;
  /** Tables of which deletes alone are sent: all rows come with the seeding that they wait for. */
  heldBack: ReadonlySet<string> = new Set();

  constructor(options: RowSenderOptions) {
    this.#options = options;
  }

  /** @param store of the stream, null for one that every till reads */
  send(stream: StreamWriter, route: Route, part: RowChange, store: StoreId): void {
    if (part.op !== 'd' && this.heldBack.has(route.name)) return;
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
      if (this.#storeOfTerminal(origin.terminal) === store) here.push(origin);
      else this.answerGone(route, row, origin, { isDeleted: false });
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

  /** The central row as it stands, in answer to a change that made no difference to it. */
  sendImage(route: Route, row: Tuple, origin: AnswerOrigin, store: StoreId): void {
    const { streams, writer } = this.#options;
    const stream = store === null ? streams.catalog : streams.stores.get(store);
    if (stream === undefined || this.heldBack.has(route.name)) return;
    writer.change(stream, route, {
      op: 'r',
      before: null,
      beforeIsKey: false,
      after: row,
      origins: [origin],
    });
  }

  /**
   * A till's change of a row that its streams do not have: for this till the row is gone.
   * @param isDeleted it is at the centre, too
   */
  answerGone(route: Route, row: Tuple, origin: AnswerOrigin, { isDeleted }: { isDeleted: boolean }): void {
    const store = this.#storeOfTerminal(origin.terminal);
    const stream = store === null ? undefined : this.#options.streams.stores.get(store);
    if (stream === undefined || !route.sent) return;
    this.#options.writer.change(stream, route, {
      op: 'd',
      before: row,
      beforeIsKey: true,
      after: null,
      isDeleted,
      // That it was refused is kept: the till says so of its change.
      origins: [{ ...origin, outcome: origin.outcome === 'rejected' ? 'rejected' : 'gone' }],
    });
  }

  /** Read when the till's outcomes were. */
  #storeOfTerminal(terminal: string): StoreId {
    return this.#options.cache().get(TERMINAL_TABLE, terminal)?.store ?? null;
  }
}
