/**
 * A stream is read from its beginning again because what is stored of it is in doubt: before that, the rows that
 * this till has of it are listed, and afterwards those that it no longer names are removed (rows/unseen.ts).
 * Both go in pieces with room for the app between them, which must never wait for a whole table.
 */
import type { ApplyTransaction } from '../apply-transaction.ts';
import type { Reached, StreamExtent, UnseenRows } from '../rows/unseen.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { TillHost } from '../till/till-host.ts';
import type { Checkpoints } from './checkpoints.ts';

/** Rows listed in a transaction: some ten ms. */
const LISTED_AT_ONCE = 5_000;
/** Rows removed in a transaction, with what else of them there is. */
const REMOVED_AT_ONCE = 1_000;

export interface RereadParts {
  readonly till: TillHost;
  readonly unseen: UnseenRows;
  /** Waits until a commit of ours is in nobody's way. */
  readonly gate: (signal?: AbortSignal) => Promise<unknown>;
  /** Pushed tables whose rows come in the stream, as they are bound now. */
  readonly tablesIn: (topic: string) => readonly TillTable[];
  readonly checkpoints: Checkpoints;
  readonly transaction: (body: (work: ApplyTransaction) => void) => unknown;
}

export class Reread {
  readonly #parts: RereadParts;

  constructor(parts: RereadParts) {
    this.#parts = parts;
  }

  /** Lists the rows. A crash on the way leaves the doubt, and the list is made anew. */
  async begin(topic: string, stream: StreamExtent, signal?: AbortSignal): Promise<void> {
    const { unseen, tablesIn } = this.#parts;
    await this.#piece(() => unseen.doubt(topic), signal);
    while (await this.#piece(() => unseen.forget(topic, LISTED_AT_ONCE), signal));
    for (const table of tablesIn(topic)) {
      let after: string | null | undefined = '';
      while (after !== null && after !== undefined) {
        const piece: { after: string; most: number } = { after, most: LISTED_AT_ONCE };
        after = await this.#piece(() => unseen.list(topic, table, piece), signal);
      }
    }
    await this.#piece(() => unseen.begin(topic, stream, tablesIn(topic)), signal);
  }

  /** Removes what the stream did not name, as far as that can be said by now. */
  async sweep(topic: string, signal?: AbortSignal): Promise<void> {
    const { unseen, gate, tablesIn, transaction } = this.#parts;
    while (unseen.reading(topic) && unseen.isDue(topic, this.#reached(topic), tablesIn(topic))) {
      await gate(signal);
      if (signal?.aborted === true) return;
      const tables = tablesIn(topic);
      transaction((work) => {
        const isSameStream = unseen.isSameStream(topic);
        work.sweep(topic, unseen.take(topic, this.#reached(topic), tables, REMOVED_AT_ONCE), {
          isSameStream,
        });
      });
    }
  }

  /** The stream has lost records that nothing has brought again: rows may be missing here. */
  isIncomplete(topic: string): boolean {
    const { unseen, tablesIn } = this.#parts;
    // Binding tables may write: not for whoever only asks how the till is.
    if (!unseen.reading(topic)) return false;
    return unseen.isIncomplete(topic, this.#reached(topic), tablesIn(topic));
  }

  /** Nothing was lost of the stream since it was first read, as far as is known while it is read again. */
  isOfSameStream(topic: string): boolean {
    const { unseen } = this.#parts;
    return !unseen.reading(topic) || unseen.isSameStream(topic);
  }

  #reached(topic: string): Reached {
    const { nextOffset, position } = this.#parts.checkpoints.stream(topic);
    return { nextOffset, epoch: position.epoch };
  }

  /** @returns undefined when the signal was aborted before */
  async #piece<T>(body: () => T, signal?: AbortSignal): Promise<T | undefined> {
    const { till, unseen, gate } = this.#parts;
    await gate(signal);
    if (signal?.aborted === true) return undefined;
    try {
      return till.write(body);
    } catch (error) {
      unseen.reload();
      throw error;
    }
  }
}
