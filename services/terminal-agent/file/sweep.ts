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
 *   is gone, like a few                          | an entry: it was deleted
 *   is gone, like most of the table              | nothing, and it is said: a schema tool makes a table anew and
 *                                                |   empty; an operator can say that they were deleted
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
import { unsweptTables } from './unswept.ts';

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
/** So many may well have been deleted. */
const FEW = 20;
const GONE_AT_ONCE = 1_000;

/** In sync_meta. */
const VANISHED = 'vanished';

export class Sweep {
  readonly #parts: SweepParts;
  #running: Promise<void> | undefined;
  #still: { generation: number; sinceMs: number };

  constructor(parts: SweepParts) {
    this.#parts = parts;
    this.#still = { generation: parts.till.generation, sinceMs: this.#nowMs() };
  }

  /** Rows that are gone like most of their table, by its name. */
  get vanished(): Readonly<Record<string, number>> {
    return JSON.parse(this.#parts.till.getMeta(VANISHED) ?? '{}') as Record<string, number>;
  }

  /** @returns undefined: there is nothing to look through */
  due(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#parts.isFenced() || this.#next() === undefined) return undefined;
    return (this.#running ??= this.#run(signal).finally(() => (this.#running = undefined)));
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
    const { till, tables, transaction, flight } = this.#parts;
    const { generation } = till;
    const table = tables().byLocal(name);
    if (table === undefined) return;
    const pass = new SweptTable({ ...this.#parts, table, tables: tables() });
    // A schema that changes on the way makes all of it stale.
    const goesOn = () =>
      signal?.aborted !== true && till.generation === generation && !this.#parts.isFenced();
    for (let left = true; left;) {
      await waitForApp(till.gate, signal);
      if (!goesOn()) return;
      transaction(() => (left = till.generation === generation && pass.nextRows(flight)));
    }
    while (this.#stillForMs() < STILL_MS) {
      await sleep(STILL_MS - this.#stillForMs(), signal);
      if (!goesOn()) return;
    }
    for (let left = true; left;) {
      await waitForApp(till.gate, signal);
      if (!goesOn()) return;
      left = pass.nextKept(flight);
    }
    await this.#gone(name, pass, goesOn);
  }

  #stillForMs(): number {
    const { generation } = this.#parts.till;
    if (this.#still.generation !== generation) this.#still = { generation, sinceMs: this.#nowMs() };
    return this.#nowMs() - this.#still.sinceMs;
  }

  #nowMs(): number {
    return this.#parts.elapsedMs?.() ?? performance.now();
  }

  async #gone(
    name: string,
    { gone, kept, differing, unknown }: SweptTable,
    goesOn: () => boolean,
  ): Promise<void> {
    const { till, transaction, log } = this.#parts;
    const areDeleted = unsweptTables(till.db).get(name) === true;
    const hasVanished = !areDeleted && gone.length > FEW && gone.length * 2 > kept;
    const found = { table: name, differing, gone: gone.length, kept };
    if (hasVanished) {
      log.error(
        found,
        `most rows of ${name} are gone without a word; if they were deleted, say so: payflow triggers sweep --deletes`,
      );
    } else {
      const level = differing + gone.length > 0 ? 'warn' : 'info';
      log[level](found, 'a table that was written without our triggers was looked through');
    }
    if (unknown > 0)
      log.warn(
        { table: name, rows: unknown },
        'rows that nobody knows are here: payflow bootstrap offers them',
      );
    const rows = hasVanished ? [] : gone;
    for (let from = 0; from === 0 || from < rows.length; from += GONE_AT_ONCE) {
      await waitForApp(till.gate);
      if (!goesOn()) return;
      const some = rows.slice(from, from + GONE_AT_ONCE);
      transaction((work) => {
        offerRows(till.db, some.filter(isStillGone));
        if (from + GONE_AT_ONCE < rows.length) return;
        const vanished = new Map(Object.entries(this.vanished));
        if (hasVanished) vanished.set(name, gone.length);
        else vanished.delete(name);
        till.setMeta(VANISHED, JSON.stringify(Object.fromEntries(vanished)));
        work.swept(name);
      });
    }
  }
}

function isStillGone({ table, handle }: UnknownRow): boolean {
  const key: SqliteValue = table.rows.get(handle ?? '')?.rowKey ?? null;
  return key !== null && !table.writer.exists(key);
}
