/**
 * Records that a till has read and not applied: those of a transaction whose end is still to come. Transactions go
 * into SQLite whole, as long as they fit into memory; one that is beyond the bounds goes in parts, and says so.
 */
import type { StoredRecord } from '../../shared/log/event-log.ts';
import { isEndOfTransaction, isPlaceless, takeTransactions, type Incoming } from './incoming.ts';

/**
 * A transaction beyond this is applied in parts, however few its rows: two streams may keep back as much, and what
 * becomes of a row on its way into SQLite is about three times its record.
 */
export const TX_BYTES = 16 << 20;

export interface PendingOptions {
  /** Records that make a SQLite transaction; a backlog goes in larger ones, which share their fixed cost. */
  readonly batchSize: number;
  readonly txRows: number;
}

/** Central transactions that did not reach the till's tables whole. */
export interface InParts {
  /** Since the start. */
  readonly transactions: number;
  /** One of them is in the tables up to a part; the rest is still to come. */
  readonly underWay: boolean;
}

export class PendingRecords {
  readonly #options: PendingOptions;
  readonly #byTopic = new Map<string, Incoming[]>();
  /** Streams of which a transaction was begun and not ended. */
  readonly #midway = new Set<string>();
  #cut = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  get inParts(): InParts {
    return { transactions: this.#cut, underWay: this.#midway.size > 0 };
  }

  /** What is kept back of a stream does not fit records that begin before it: the caller reads again. */
  of(topic: string, records: readonly StoredRecord[]): Incoming[] {
    const pending = this.#byTopic.get(topic) ?? [];
    const last = pending.at(-1)?.record.offset ?? -1;
    if ((records[0]?.offset ?? Infinity) <= last) pending.length = 0;
    this.#byTopic.set(topic, pending);
    return pending;
  }

  forget(topic: string): void {
    this.#byTopic.delete(topic);
  }

  /**
   * How many records from the front go into one SQLite transaction; 0: the end of the only one is still to come.
   * @param most no more than these, while the app sells; but one whole transaction of the centre
   */
  take(pending: readonly Incoming[], { most }: { most?: number | undefined } = {}): number {
    const { batchSize, txRows } = this.#options;
    const bounds = { rows: txRows, bytes: TX_BYTES };
    if (most !== undefined) return takeTransactions(pending, { ...bounds, wanted: most, isMost: true });
    const wanted = Math.min(pending.length > batchSize ? txRows : batchSize, txRows);
    return takeTransactions(pending, { ...bounds, wanted });
  }

  /** These were applied, and are forgotten here. */
  applied(topic: string, items: readonly Incoming[]): void {
    const rest = this.#byTopic.get(topic) ?? [];
    rest.splice(0, items.length);
    const last = items.findLast((item) => !isPlaceless(item));
    if (last === undefined) return;
    if (isEndOfTransaction(last, rest)) this.#midway.delete(topic);
    else if (!this.#midway.has(topic)) {
      this.#midway.add(topic);
      this.#cut += 1;
    }
  }
}
