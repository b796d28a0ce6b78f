/** Enters the rows that hold something in a column which their image lacks. What of it goes up is decided when they are cut. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, quoteText, rowKeySql } from '../till/local-schema.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { isPublished, numbered } from './captured-tables.ts';
import { NOW_MS_SQL } from './key-triggers.ts';

const ROWS_AT_ONCE = 500;
/** SQLite bounds the depth of an expression. */
const COLUMNS_AT_ONCE = 100;

/** The key's columns, then handle and key in sync_row. */
type Found = SqliteValue[];

/** Goes through one table in key order. */
export class FillEntries {
  readonly #db: SqliteDatabase;
  readonly #table: TillTable;
  readonly #first: Statement<[], Found>;
  readonly #after: Statement<Found, Found>;
  #last: Found | undefined;

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
    const { key, name } = table.bound.local;
    const keys = key.map((column) => `source.${quoteName(column)}`);
    const lacks = columns.map(
      (column) =>
        `source.${quoteName(column)} IS NOT NULL AND instr(kept.base, ${quoteText(`[${JSON.stringify(column)},`)}) = 0`,
    );
    const select = (more: string) => `SELECT ${keys.join(', ')}, kept.central_id, kept.row_key
      FROM ${quoteName(name)} AS source JOIN ${quoteName(`sync_row_${name}`)} AS kept
        ON kept.row_key = ${rowKeySql('source', key)}
      WHERE kept.base IS NOT NULL AND (${lacks.join(' OR ')})${more}
      ORDER BY ${keys.join(', ')} LIMIT ${ROWS_AT_ONCE}`;
    const after = ` AND (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`;
    this.#first = db.prepare<[], Found>(select('')).raw().safeIntegers();
    this.#after = db.prepare<Found, Found>(select(after)).raw().safeIntegers();
  }

  /** Inside a transaction of ours. @returns how many were entered; 0: none is left */
  next(): number {
    const { length } = this.#table.bound.local.key;
    const rows = this.#last === undefined ? this.#first.all() : this.#after.all(...this.#last);
    const { number } = numbered(this.#db, this.#table.bound);
    const enter = this.#db.prepare(
      `INSERT INTO sync_outbox (table_number, op, row_key, handle, at_ms, entry_id)
       VALUES (?, 'f', ?, ?, ${NOW_MS_SQL}, random())`,
    );
    for (const row of rows) enter.run(number, row[length + 1], row[length]);
    this.#last = rows.at(-1)?.slice(0, length) ?? this.#last;
    return rows.length;
  }
}
