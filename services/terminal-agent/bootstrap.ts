/**
 * Offers the rows that were in payflow.db before the agent came: as op `r`, through the ordinary outbox, so
 * that units, signatures, resends and settlement are those of any change. Parents first, in short
 * transactions between which the app sells on. What was offered is known by its outbox entry and later by its
 * link, so that it can be interrupted and repeated at any time.
 */
import type { Statement } from 'better-sqlite3';
import type { Logger } from 'pino';
import { sleep } from '../shared/lifecycle.ts';
import type { BoundTable } from '../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../shared/records/unit-record.ts';
import { quoteName, quoteText, rowKeySql } from './till/local-schema.ts';
import { isCapturable } from './till/sync-install.ts';
import type { TillDatabase } from './till/till-database.ts';
import { isPublished } from './till/trigger-sql.ts';
import { offerSql } from './till/triggers.ts';

export interface BootstrapOptions {
  readonly till: TillDatabase;
  readonly log: Logger;
  readonly rowsAtOnce?: number;
}

export interface TableOffer {
  /** Rows offered, or in a dry run those that would be. */
  readonly offered: number;
  /**
   * Rows that cannot be offered safely: they name a central row (`server_id`) that we know nothing of and have
   * no natural key to compare, or have no key of their own.
   */
  readonly listed: number;
}

/** What became of the offered rows so far. */
export interface OfferOutcomes {
  readonly offered: number;
  readonly linked: number;
  readonly inserted: number;
}

const ROWS_AT_ONCE = 200;

export class Bootstrap {
  readonly #options: BootstrapOptions;
  readonly #till: TillDatabase;

  constructor(options: BootstrapOptions) {
    this.#options = options;
    this.#till = options.till;
  }

  /** What `offerAll` would do, by local table; changes nothing. */
  count(): Map<string, TableOffer> {
    return new Map(this.#tables().map((table) => [table.local.name, this.#count(table)]));
  }

  /**
   * Offers everything. @returns what was offered by local table, and the seq before the first offer: what
   * became of them is asked with `outcomes(afterSeq)` once they are settled.
   */
  async offerAll(signal?: AbortSignal): Promise<{ afterSeq: number; tables: Map<string, TableOffer> }> {
    const afterSeq = this.#highestSeq();
    const tables = new Map<string, TableOffer>();
    for (const table of this.#tables()) {
      const { listed } = this.#count(table);
      const offered = await this.#offerTable(table, signal);
      tables.set(table.local.name, { offered, listed });
      if (offered + listed > 0)
        this.#options.log.info({ table: table.local.name, offered, listed }, 'offered');
      if (signal?.aborted === true) break;
    }
    return { afterSeq, tables };
  }

  /** Of the rows offered after a seq, by local table. */
  outcomes(afterSeq: number): Map<string, OfferOutcomes> {
    const rows = this.#till.db
      .prepare<[number], { table_name: string; offered: number; linked: number; inserted: number }>(
        `SELECT table_name, count(*) AS offered, total(outcome IN ('merged', 'duplicate', 'lost')) AS linked,
                total(outcome = 'applied') AS inserted
         FROM sync_outbox WHERE seq > ? AND op = 'r' GROUP BY table_name`,
      )
      .all(afterSeq);
    return new Map(
      rows.map(({ table_name, offered, linked, inserted }) => [table_name, { offered, linked, inserted }]),
    );
  }

  /** Only tables whose rows go up at all. */
  #tables(): BoundTable[] {
    return [...this.#till.binding.tables.values()].filter(
      (table) => isCapturable(table) && isPublished(table),
    );
  }

  #count(table: BoundTable): TableOffer {
    const name = quoteName(table.local.name);
    const count = (where: string) =>
      this.#till.db
        .prepare<[], number>(`SELECT count(*) FROM ${name} AS source WHERE ${where}`)
        .pluck()
        .get() ?? 0;
    const unknown = unknownRows(table);
    return {
      offered: count(`${unknown} AND ${safe(table)}`),
      listed: count(`${unknown} AND NOT (${safe(table)})`),
    };
  }

  async #offerTable(table: BoundTable, signal: AbortSignal | undefined): Promise<number> {
    const offer = new TableOfferer(this.#till, table, this.#options.rowsAtOnce ?? ROWS_AT_ONCE);
    let offered = 0;
    while (signal?.aborted !== true) {
      const rows = this.#till.write(() => offer.next());
      if (rows === 0) break;
      offered += rows;
      await sleep(this.#till.gate.waitMs(), signal);
    }
    return offered;
  }

  #highestSeq(): number {
    return this.#till.db.prepare<[], number | null>('SELECT max(seq) FROM sync_outbox').pluck().get() ?? 0;
  }
}

type KeyRow = SqliteValue[];

/** Goes through one table in key order. */
class TableOfferer {
  readonly #first: Statement<[], KeyRow>;
  readonly #after: Statement<KeyRow, KeyRow>;
  readonly #mint: Statement;
  readonly #outbox: Statement;
  readonly #change: Statement;
  #last: KeyRow | undefined;

  constructor(till: TillDatabase, table: BoundTable, rowsAtOnce: number) {
    const keys = table.local.key.map((column) => `source.${quoteName(column)}`);
    const select = (more: string) => `SELECT ${keys.join(', ')} FROM ${quoteName(table.local.name)} AS source
      WHERE ${unknownRows(table)} AND ${safe(table)}${more} ORDER BY ${keys.join(', ')} LIMIT ${rowsAtOnce}`;
    const { db } = till;
    this.#first = db.prepare<[], KeyRow>(select('')).raw().safeIntegers();
    this.#after = db
      .prepare<KeyRow, KeyRow>(select(` AND (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`))
      .raw()
      .safeIntegers();
    const sql = offerSql(table);
    this.#mint = db.prepare(sql.mint);
    this.#outbox = db.prepare(sql.outbox);
    this.#change = db.prepare(sql.change);
  }

  next(): number {
    const rows = this.#last === undefined ? this.#first.all() : this.#after.all(...this.#last);
    for (const row of rows) {
      const key = Object.fromEntries(row.map((value, index) => [`key_${index}`, value]));
      this.#mint.run(key);
      const seq = this.#outbox.run(key).lastInsertRowid;
      this.#change.run({ ...key, seq });
    }
    this.#last = rows.at(-1) ?? this.#last;
    return rows.length;
  }
}

/** SQL: the row has no link, and nothing of it is on its way. */
function unknownRows(table: BoundTable): string {
  const key = rowKeySql('source', table.local.key);
  return `NOT EXISTS (SELECT 1 FROM ${quoteName(`sync_row_${table.local.name}`)} WHERE row_key = ${key})
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = ${quoteText(table.local.name)}
      AND row_key = ${key} AND outcome IS NULL)`;
}

/** SQL: offering the row cannot make a second row of one that the centre has already. */
function safe({ local, linkColumn, mapping }: BoundTable): string {
  const conditions = local.key.map((column) => `source.${quoteName(column)} IS NOT NULL`);
  if (linkColumn !== null && mapping.naturalKey.length === 0) {
    conditions.push(`source.${quoteName(linkColumn)} IS NULL`);
  }
  return conditions.join(' AND ');
}
