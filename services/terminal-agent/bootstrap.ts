/**
 * Offers the rows that were in payflow.db before the agent came: as op `r`, through the ordinary outbox, so
 * that units, signatures, resends and settlement are those of any change. Parents first, in short
 * transactions between which the app sells on. What was offered is known by its outbox entry and later by its
 * link, so that it can be interrupted and repeated at any time.
 */
import type { Statement } from 'better-sqlite3';
import type { Logger } from 'pino';
import type { LeftRow } from '../shared/agent-protocol.ts';
import { sleep } from '../shared/lifecycle.ts';
import type { BoundTable } from '../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../shared/records/unit-record.ts';
import { NAMED_ROWS } from './bootstrap-result.ts';
import { NOW_MS_SQL } from './file/key-triggers.ts';
import { earlierRows, forgetEarlierRows } from './file/earlier-rows.ts';
import { isPublished, numbered } from './file/captured-tables.ts';
import { KEPT_ENTRY } from './file/kept-keys.ts';
import { quoteName, quoteText, rowKeySql } from './till/local-schema.ts';
import { isCapturable } from './till/sync-install.ts';
import type { TillDatabase } from './till/till-database.ts';

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
   * Offers everything. @returns what was offered, by local table: what became of it is asked with `offerOutcomes` once it
   * is settled
   */
  async offerAll(signal?: AbortSignal): Promise<Map<string, TableOffer>> {
    const tables = new Map<string, TableOffer>();
    for (const table of this.#tables()) {
      const { listed } = this.#count(table);
      const offered = await this.#offerTable(table, signal);
      tables.set(table.local.name, { offered, listed });
      if (offered + listed > 0)
        this.#options.log.info({ table: table.local.name, offered, listed }, 'offered');
      if (signal?.aborted === true) break;
    }
    return tables;
  }

  /** Once all that was offered is settled: what the centre has besides is none of these rows. */
  finish(tables: ReadonlyMap<string, Pick<TableOffer, 'listed'>>): void {
    const { db } = this.#till;
    this.#till.write(() => {
      for (const [table, { listed }] of tables) forgetEarlierRows(db, table, { some: listed > 0 });
    });
  }

  /** None of the rows that are left is the centre's: they stay as they are. @returns how many, by local table */
  none(): Map<string, number> {
    const { db, binding } = this.#till;
    const left = earlierRows(db, binding.tables.values());
    this.#till.write(() => {
      for (const { table } of left) forgetEarlierRows(db, table, { some: true });
    });
    return new Map(left.map(({ table, rows }) => [table, rows]));
  }

  /** Rows that are not offered, and why; of very many the first. */
  listed(): LeftRow[] {
    return this.#tables().flatMap((table) => {
      const { local, linkColumn } = table;
      const link = linkColumn === null ? 'NULL' : `source.${quoteName(linkColumn)}`;
      const rows = this.#till.db
        .prepare<[], [string | null, string | null]>(
          `SELECT CAST(${rowKeySql('source', local.key)} AS TEXT), CAST(${link} AS TEXT)
             FROM ${quoteName(local.name)} AS source
            WHERE ${unknownRows(table)} AND NOT (${safe(table)}) LIMIT ${NAMED_ROWS}`,
        )
        .raw()
        .all();
      return rows.map(([key, claimed]) => ({
        table: local.name,
        key: key ?? 'NULL',
        why:
          claimed === null
            ? 'it has no key'
            : `it claims the central row ${claimed}, and no natural key tells whether it is that one`,
      }));
    });
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
}

type KeyRow = SqliteValue[];

/** Goes through one table in key order. */
class TableOfferer {
  readonly #first: Statement<[], KeyRow>;
  readonly #after: Statement<KeyRow, KeyRow>;
  readonly #outbox: Statement;
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
    const here = table.local.key.map((column) => `source.${quoteName(column)} = ?`).join(' AND ');
    const { number } = till.write(() => numbered(db, table));
    this.#outbox = db.prepare(
      `INSERT INTO sync_outbox (table_number, op, row_key, at_ms, entry_id)
       SELECT ${number}, 'r', ${rowKeySql('source', table.local.key)}, ${NOW_MS_SQL}, random()
         FROM ${quoteName(table.local.name)} AS source WHERE ${here}`,
    );
  }

  next(): number {
    const rows = this.#last === undefined ? this.#first.all() : this.#after.all(...this.#last);
    for (const row of rows) this.#outbox.run(...row);
    this.#last = rows.at(-1) ?? this.#last;
    return rows.length;
  }
}

/** SQL: nothing is known of the row, and nothing that is not kept yet was recorded of it. */
function unknownRows({ local }: BoundTable): string {
  const key = rowKeySql('source', local.key);
  const kept = `SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM sync_meta WHERE name = '${KEPT_ENTRY}'`;
  return `NOT EXISTS (SELECT 1 FROM ${quoteName(`sync_row_${local.name}`)} WHERE row_key = ${key})
    AND ${key} NOT IN (SELECT row_key FROM sync_outbox WHERE row_key IS NOT NULL AND seq > (${kept})
      AND table_number = (SELECT number FROM sync_table WHERE name = ${quoteText(local.name)}))`;
}

/** SQL: offering the row cannot make a second row of one that the centre has already. */
function safe({ local, linkColumn, mapping }: BoundTable): string {
  const conditions = local.key.map((column) => `source.${quoteName(column)} IS NOT NULL`);
  if (linkColumn !== null && mapping.naturalKey.length === 0) {
    conditions.push(`source.${quoteName(linkColumn)} IS NULL`);
  }
  return conditions.join(' AND ');
}
