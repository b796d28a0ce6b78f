/**
 * Looks through a table that was written without our triggers: each row is compared with what it should be, and what
 * differs is entered like the app's own writes (DESIGN §4.8). In pieces, with room for the app between them; a crash on the
 * way begins it anew, and what was found before is cut and equal by then.
 *
 *   the row                                      | leads to
 *   ---------------------------------------------+-----------------------------------------------------------------
 *   is as it should be                           | nothing
 *   differs                                      | an entry, with what it holds more or less in delta columns
 *   is known to nobody, and every row was before | an offer, as of rows from before the agent
 *   is known to nobody, and rows from before the | nothing: it may be one of those, and `bootstrap` offers them
 *     agent were never offered                   |
 *   is known to nobody under its key, and its    | nothing of either, and it is said: an offer would make a second
 *     link or identity names a row that is       |   one of it at the centre
 *   is gone, like a few                          | an entry: it was deleted
 *   is gone, like most of the table or all of it | nothing, and it is said: a schema tool makes a table anew and
 *                                                |   empty; an operator can say that they were deleted. Until then
 *                                                |   the table is one that may be filled again (unswept.ts)
 *   was gone, and is back some seconds later     | the table is being filled: all of it is looked for again
 */
import type { Logger } from 'pino';
import { sleep } from '../../shared/lifecycle.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { ApplyTransaction } from '../apply-transaction.ts';
import type { TillTables } from '../rows/till-tables.ts';
import type { Flight } from '../settle/flight.ts';
import type { TillHost } from '../till/till-host.ts';
import { waitForApp } from '../till/write-gate.ts';
import { offerRows, type UnknownRow } from './offered-rows.ts';
import { SweptTable } from './swept-table.ts';
import { unsweptTables, vanishedRows } from './unswept.ts';

export interface SweepParts {
  readonly till: TillHost;
  readonly flight: Flight;
  /** As they are bound now. */
  readonly tables: () => TillTables;
  /** A file that may not be ours is compared with nothing. */
  readonly isFenced: () => boolean;
  readonly transaction: (body: (work: ApplyTransaction) => void) => unknown;
  /** A span of time, in ms. */
  readonly elapsedMs?: (() => number) | undefined;
  readonly log: Logger;
}

/** Whoever rebuilds a table without a transaction makes it, and fills it some time later. */
const STILL_MS = 5_000;
const GONE_AT_ONCE = 1_000;
const OFFERED_AT_ONCE = 500;

/** One table, under one schema. */
interface Looking {
  readonly name: string;
  /** A schema that changes on the way makes all of it stale. */
  readonly generation: number;
  readonly signal: AbortSignal | undefined;
}

export class Sweep {
  readonly #parts: SweepParts;
  #running: Promise<void> | undefined;
  #still: { generation: number; sinceMs: number };

  constructor(parts: SweepParts) {
    this.#parts = parts;
    this.#still = { generation: parts.till.generation, sinceMs: this.#nowMs() };
  }

  /** Rows that are gone like most of their table, by its name. */
  get vanished(): ReadonlyMap<string, number> {
    return vanishedRows(this.#parts.till.db);
  }

  /** @returns undefined: there is nothing to look through */
  due(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#parts.isFenced() || this.#next() === undefined) return undefined;
    return (this.#running ??= this.#run(signal).finally(() => (this.#running = undefined)));
  }

  /**
   * Enters single rows of a table like the app's own writes, as far as they differ from what they should be or are known to
   * nobody. What is gone is left as it is.
   * @param rowKeys null: a row that is gone
   */
  async offer(name: string, rowKeys: readonly SqliteValue[], signal?: AbortSignal): Promise<void> {
    const { till, tables, flight } = this.#parts;
    const at: Looking = { name, generation: till.generation, signal };
    for (let from = 0; from < rowKeys.length; from += OFFERED_AT_ONCE) {
      await this.#piece(at, () => {
        const table = tables().byLocal(name);
        if (table === undefined) return;
        const pass = new SweptTable({ ...this.#parts, table, tables: tables() });
        pass.offer(rowKeys.slice(from, from + OFFERED_AT_ONCE), flight);
      });
    }
  }

  #next(): string | undefined {
    const tables = this.#parts.tables();
    return [...unsweptTables(this.#parts.till.db).keys()].find((name) => tables.byLocal(name) !== undefined);
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    for (let table = this.#next(); table !== undefined; table = this.#next()) {
      await this.#table(table, signal);
      if (signal?.aborted === true || this.#parts.isFenced()) return;
    }
  }

  async #table(name: string, signal: AbortSignal | undefined): Promise<void> {
    const { till, tables, flight } = this.#parts;
    const at: Looking = { name, generation: till.generation, signal };
    const table = tables().byLocal(name);
    if (table === undefined) return;
    const pass = await this.#piece(at, () => new SweptTable({ ...this.#parts, table, tables: tables() }));
    if (pass === undefined) return;
    for (let left: boolean | undefined = true; left;) {
      left = await this.#piece(at, () => pass.nextRows(flight));
      if (left === undefined) return;
    }
    if ((await this.#findGone(at, pass)) && (await this.#decide(at, pass))) this.#tell(at, pass);
  }

  /** @returns undefined: all that was seen is stale */
  async #piece<T>(at: Looking, body: (work: ApplyTransaction) => T): Promise<T | undefined> {
    const { till, transaction } = this.#parts;
    await waitForApp(till.gate, at.signal);
    if (!this.#goesOn(at)) return undefined;
    let done: T | undefined;
    let runs = 0;
    transaction((work) => {
      runs += 1;
      // What is run again was undone before, and the body has gone on from there.
      done = runs === 1 && till.generation === at.generation ? body(work) : undefined;
    });
    return done;
  }

  #goesOn({ generation, signal }: Looking): boolean {
    return signal?.aborted !== true && this.#parts.till.generation === generation && !this.#parts.isFenced();
  }

  /** Whoever fills a table row by row brings them back one after another: gone are those that nobody brings back in a while. */
  async #findGone(at: Looking, pass: SweptTable): Promise<boolean> {
    for (let before: ReadonlySet<string> | undefined; ;) {
      if (!(await this.#isStill(at))) return false;
      pass.keptAnew();
      for (let left: boolean | undefined = true; left;) {
        left = await this.#piece(at, () => pass.nextKept(this.#parts.flight));
        if (left === undefined) return false;
      }
      const now = new Set(pass.gone.map(({ handle }) => handle ?? ''));
      if (now.size === 0 || (before !== undefined && [...before].every((handle) => now.has(handle))))
        return true;
      before = now;
      this.#still.sinceMs = this.#nowMs();
    }
  }

  /** Waits for it. */
  async #isStill(at: Looking): Promise<boolean> {
    for (;;) {
      const leftMs = STILL_MS - this.#stillForMs();
      if (leftMs <= 0) break;
      await sleep(leftMs, at.signal);
      if (!this.#goesOn(at)) return false;
    }
    return this.#goesOn(at);
  }

  #stillForMs(): number {
    const { generation } = this.#parts.till;
    if (this.#still.generation !== generation) this.#still = { generation, sinceMs: this.#nowMs() };
    return this.#nowMs() - this.#still.sinceMs;
  }

  #nowMs(): number {
    return this.#parts.elapsedMs?.() ?? performance.now();
  }

  /** Enters what was deleted, and lets go of the table. @returns whether that was done */
  async #decide(at: Looking, pass: SweptTable): Promise<boolean> {
    const { db } = this.#parts.till;
    const areDeleted = unsweptTables(db).get(at.name);
    const rows = areDeleted === true || !pass.hasVanished ? pass.gone : [];
    for (let from = 0; from < rows.length; from += GONE_AT_ONCE) {
      const some = rows.slice(from, from + GONE_AT_ONCE);
      const entered = await this.#piece(at, () => {
        offerRows(db, some.filter(isStillGone));
        return true;
      });
      if (entered === undefined) return false;
    }
    const vanished = pass.gone.length - rows.length + pass.moved.size;
    const done = await this.#piece(at, (work) => {
      // An operator may have said meanwhile that they were deleted.
      if (unsweptTables(db).get(at.name) !== areDeleted) return false;
      work.swept(at.name, { vanished });
      return true;
    });
    if (done === true && vanished > pass.moved.size) this.#tellVanished(at.name, pass);
    return done === true;
  }

  #tellVanished(table: string, { gone, kept }: SweptTable): void {
    this.#parts.log.error(
      { table, gone: gone.length, kept },
      `rows of ${table} are gone without a word, most of them or all; if they were deleted, say so: payflow triggers sweep --deletes`,
    );
  }

  #tell({ name: table }: Looking, { gone, kept, differing, unknown, moved, marks }: SweptTable): void {
    const { log } = this.#parts;
    const level = differing + gone.length > 0 ? 'warn' : 'info';
    const found = { table, differing, gone: gone.length, kept };
    log[level](found, 'a table that was written without our triggers was looked through');
    if (unknown > 0)
      log.warn({ table, rows: unknown }, 'rows that nobody knows are here: payflow bootstrap offers them');
    if (moved.size > 0)
      log.error(
        { table, rows: moved.size },
        `rows of ${table} have other keys than before, and nothing of them goes up: give them the keys that they had; or, if they are other rows, clear ${marks} in them and run payflow triggers sweep`,
      );
  }
}

function isStillGone({ table, handle }: UnknownRow): boolean {
  const key = table.rows.get(handle ?? '')?.rowKey ?? null;
  return key !== null && !table.writer.exists(key);
}
