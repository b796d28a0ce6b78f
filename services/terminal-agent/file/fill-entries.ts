/** Enters the rows that hold something in a column which their image lacks. What of it goes up is decided when they are cut. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, quoteText, rowKeySql } from '../till/local-schema.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { isPublished, numbered } from './captured-tables.ts';
import { NOW_MS_SQL } from './key-triggers.ts';

/** Looked at in one transaction, however few of them lack anything. */
const ROWS_AT_ONCE = 1_000;
/** SQLite bounds the depth of an expression. */
const COLUMNS_AT_ONCE = 100;

/** By its columns. */
type Key = SqliteValue[];

/** Goes through one table in key order. */
export class FillEntries {
  readonly #db: SqliteDatabase;
  readonly #table: TillTable;
  readonly #keys: string;
  readonly #hasKey: string;
  readonly #lacks: string;
  #last: Key | undefined;

  /** One for each group of columns; none where nothing can lack any. */
  static of(db: SqliteDatabase, table: TillTable, columns: readonly string[]): FillEntries[] {
    const kept = quoteName(`sync_row_${table.name}`);
    const hasImages = db.prepare(`SELECT 1 FROM ${kept} WHERE base IS NOT NULL LIMIT 1`).get() !== undefined;
    if (!hasImages || !isPublished(table.bound) || table.bound.local.key.length === 0) return [];
    const groups: FillEntries[] = [];
    for (let from = 0; from < columns.length; from += COLUMNS_AT_ONCE)
      groups.push(new FillEntries(db, table, columns.slice(from, from + COLUMNS_AT_ONCE)));
    return groups;
  }

  private constructor(db: SqliteDatabase, table: TillTable, columns: readonly string[]) {
    this.#db = db;
    this.#table = table;
    const keys = table.bound.local.key.map((column) => `source.${quoteName(column)}`);
    this.#keys = keys.join(', ');
    // Behind a row without a key nothing is greater.
    this.#hasKey = keys.map((column) => `${column} IS NOT NULL`).join(' AND ');
    this.#lacks = columns
      .map(
        (column) =>
          `source.${quoteName(column)} IS NOT NULL AND instr(kept.base, ${quoteText(`[${JSON.stringify(column)},`)}) = 0`,
      )
      .join(' OR ');
  }

  /** Inside a transaction of ours. @returns whether rows are left */
  next(): boolean {
    const from = this.#last;
    const to = this.#end(from);
    this.#enter(from, to);
    this.#last = to ?? from;
    return to !== undefined;
  }

  /** The last key of the rows that come next; undefined: they are the last. */
  #end(from: Key | undefined): Key | undefined {
    const sql = `SELECT ${this.#keys} FROM ${this.#source} WHERE ${this.#between(from, undefined)}
      ORDER BY ${this.#keys} LIMIT 1 OFFSET ${ROWS_AT_ONCE - 1}`;
    return this.#statement(sql).get(...(from ?? []));
  }

  #enter(from: Key | undefined, to: Key | undefined): void {
    const { bound, name } = this.#table;
    const { number } = numbered(this.#db, bound);
    const sql = `INSERT INTO sync_outbox (table_number, op, row_key, handle, at_ms, entry_id)
      SELECT ${number}, 'f', kept.row_key, kept.central_id, ${NOW_MS_SQL}, random()
      FROM ${this.#source} CROSS JOIN ${quoteName(`sync_row_${name}`)} AS kept
        ON kept.row_key = ${rowKeySql('source', bound.local.key)}
      WHERE kept.base IS NOT NULL AND (${this.#lacks}) AND ${this.#between(from, to)} ORDER BY ${this.#keys}`;
    this.#db.prepare(sql).run(...(from ?? []), ...(to ?? []));
  }

  #between(from: Key | undefined, to: Key | undefined): string {
    const marks = (key: Key) => key.map(() => '?').join(', ');
    const after = from === undefined ? '' : ` AND (${this.#keys}) > (${marks(from)})`;
    const upTo = to === undefined ? '' : ` AND (${this.#keys}) <= (${marks(to)})`;
    return `${this.#hasKey}${after}${upTo}`;
  }

  get #source(): string {
    return `${quoteName(this.#table.name)} AS source`;
  }

  #statement(sql: string): Statement<Key, Key> {
    return this.#db.prepare<Key, Key>(sql).raw().safeIntegers();
  }
}
