/**
 * How many rows from before the agent were never offered: a shop that nobody has bootstrapped looks as if all were well, so
 * it is said, in the log and in the status, until it is done. Counting goes through their tables, so that it is done again
 * only after a while that is long against what it takes.
 */
import type { Logger } from 'pino';
import { earlierRows, forgetEarlierRows, type EarlierRows } from './file/earlier-rows.ts';
import type { Flight } from './settle/flight.ts';
import type { TillHost } from './till/till-host.ts';

export interface EarlierRowsParts {
  readonly till: TillHost;
  readonly flight: Flight;
  readonly log: Logger;
  /** ms since 1970. */
  readonly now: () => number;
}

const SHORTEST_MS = 2_000;
/** Counting takes a hundredth of the time at most. */
const SHARE = 100;

export class EarlierRowsWatch {
  readonly #parts: EarlierRowsParts;
  #counted: readonly EarlierRows[] = [];
  #nextMs = 0;
  #told = '';

  constructor(parts: EarlierRowsParts) {
    this.#parts = parts;
    this.look();
  }

  /** As they were counted last; empty once all are known. */
  get counted(): readonly EarlierRows[] {
    return this.#counted;
  }

  /** Outside of any transaction. */
  look({ atOnce = false }: { readonly atOnce?: boolean } = {}): void {
    const { till, flight, now } = this.#parts;
    const startMs = now();
    if (startMs < this.#nextMs && !atOnce) return;
    const found = earlierRows(till.db, till.binding.tables.values());
    // All were linked by the centre's own rows, or the app has removed the rest; what is offered is no row of the centre yet.
    const done = found.filter(({ table, rows }) => rows === 0 && !flight.hasUnlinkedInserts(table));
    if (done.length > 0)
      till.write(() => {
        for (const { table } of done) forgetEarlierRows(till.db, table, { some: false });
      });
    this.#counted = found.filter((each) => !done.includes(each));
    this.#nextMs = startMs + Math.max(SHORTEST_MS, SHARE * (now() - startMs));
    this.#tell();
  }

  #tell(): void {
    const { log, till } = this.#parts;
    const told = this.#counted.map(({ table }) => table).join();
    if (told === this.#told) return;
    this.#told = told;
    if (told === '') return log.info('all rows from before the agent are known');
    log.warn(
      { tables: Object.fromEntries(this.#counted.map(({ table, rows }) => [table, rows])) },
      `rows that were here before the agent have no link to the centre; run \`payflow bootstrap --terminal ${till.terminalId}\``,
    );
  }
}
