/** Looks at the rows of one local table, by their row key: values come to the byte. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import {
  asStored,
  exactText,
  mayBeReplaced,
  readSql,
  storedSql,
  storedValue,
  type ExactText,
} from '../till/exact-text.ts';
import { quoteName } from '../till/local-schema.ts';
import { rowKeyOf, rowKeyParts, sameValue } from './row-key.ts';

export class RowReader {
  readonly table: BoundTable;
  protected readonly db: SqliteDatabase;
  /** Quoted. */
  protected readonly name: string;
  protected readonly whereKey: string;
  readonly #statements = new Map<string, Statement>();
  #exactText: ExactText | undefined;
  #look: Statement | undefined;

  constructor(db: SqliteDatabase, table: BoundTable) {
    this.db = db;
    this.table = table;
    this.name = quoteName(table.local.name);
    this.whereKey = table.local.key.map((column) => `${quoteName(column)} = ?`).join(' AND ');
  }

  /** What some columns hold, to the byte; the statement is of `standingStatement`. */
  protected standing(
    statement: Statement,
    columns: readonly BoundColumn[],
    rowKey: SqliteValue,
  ): SqliteValue[] | undefined {
    const row = statement.get(...this.keyParts(rowKey)) as SqliteValue[] | undefined;
    if (row === undefined) return undefined;
    columns.forEach(({ local }, at) => {
      if (mayBeReplaced(row[at])) row[at] = this.#exact(local, rowKey);
    });
    return row;
  }

  protected standingStatement(columns: readonly BoundColumn[]): Statement {
    const read = columns.length === 0 ? '1' : columns.map(readSql).join(', ');
    return this.db.prepare(`SELECT ${read} FROM ${this.name} WHERE ${this.whereKey}`).raw().safeIntegers();
  }

  #exact(column: string, rowKey: SqliteValue): SqliteValue {
    const sql = `SELECT CAST(${quoteName(column)} AS BLOB) FROM ${this.name} WHERE ${this.whereKey}`;
    this.#exactText ??= exactText(this.db);
    return this.#exactText(
      this.prepare(sql)
        .pluck()
        .get(...this.keyParts(rowKey)),
    );
  }

  /**
   * Whether two values of a column name one row, as the column itself compares them.
   * @param b null: whether the first names none
   */
  namesSameRow(column: string, a: SqliteValue, b: SqliteValue): boolean {
    const is = `${quoteName(column)} = ?`;
    if (b === null) return this.prepare(`SELECT 1 FROM ${this.name} WHERE ${is}`).get(a) === undefined;
    const both = `SELECT 1 FROM ${this.name} WHERE ${is} AND ${is} LIMIT 1`;
    return this.prepare(both).get(a, b) !== undefined;
  }

  exists(rowKey: SqliteValue): boolean {
    const sql = `SELECT 1 FROM ${this.name} WHERE ${this.whereKey}`;
    return this.prepare(sql).get(...this.keyParts(rowKey)) !== undefined;
  }

  /** What the bound columns hold, in their order; undefined: there is no such row. */
  look(rowKey: SqliteValue): SqliteValue[] | undefined {
    this.#look ??= this.standingStatement(this.table.columns);
    return this.standing(this.#look, this.table.columns, rowKey);
  }

  /** Key of the row that holds this value in a column; undefined: there is none. */
  keyWith(column: string, value: SqliteValue): SqliteValue | undefined {
    const key = this.table.local.key.map(quoteName).join(', ');
    const sql = `SELECT ${key} FROM ${this.name} WHERE ${quoteName(column)} = ? LIMIT 1`;
    const row = this.prepare(sql).raw().get(value) as SqliteValue[] | undefined;
    return row === undefined ? undefined : rowKeyOf(row);
  }

  /** Every stored column of the row, by local name, to the byte. */
  read(rowKey: SqliteValue): Map<string, SqliteValue> | undefined {
    const columns = this.table.local.columns.filter((column) => !column.generated).map(({ name }) => name);
    const sql = `SELECT ${columns.map(quoteName).join(', ')} FROM ${this.name} WHERE ${this.whereKey}`;
    const row = this.prepare(sql)
      .raw()
      .get(...this.keyParts(rowKey)) as SqliteValue[] | undefined;
    if (row === undefined) return undefined;
    return new Map(
      columns.map((name, i) => {
        const value = row[i] ?? null;
        return [name, mayBeReplaced(value) ? this.#exact(name, rowKey) : asStored(value)];
      }),
    );
  }

  /** Row key of another row that holds these values in these columns. */
  findOther(columns: readonly string[], values: readonly SqliteValue[], rowKey: SqliteValue): SqliteValue {
    const key = this.table.local.key.map(quoteName).join(', ');
    const where = columns
      .map((column, at) => `${quoteName(column)} = ${this.mark(column, values[at])}`)
      .join(' AND ');
    const rows = this.prepare(`SELECT ${key} FROM ${this.name} WHERE ${where} LIMIT 2`)
      .raw()
      .all(...values.map(storedValue)) as SqliteValue[][];
    return rows.map(rowKeyOf).find((found) => !sameValue(found, rowKey)) ?? null;
  }

  /** What the identity column holds. */
  identity(rowKey: SqliteValue): string | null {
    const { identityColumn } = this.table;
    if (identityColumn === null) return null;
    const sql = `SELECT ${quoteName(identityColumn)} FROM ${this.name} WHERE ${this.whereKey}`;
    const value: unknown = this.prepare(sql)
      .pluck()
      .get(...this.keyParts(rowKey));
    return typeof value === 'string' ? value : null;
  }

  protected keyParts(rowKey: SqliteValue): SqliteValue[] {
    return rowKeyParts(rowKey, this.table.local.key.length);
  }

  /** Bytes that were read as a text go back as a text, those of a BLOB as a BLOB. */
  protected mark(name: string, value: SqliteValue | undefined): string {
    if (!Buffer.isBuffer(value)) return '?';
    const hasCharset = this.table.columns.some(
      (each) => each.local === name && each.options.charset !== undefined,
    );
    return storedSql(value, { hasCharset });
  }

  protected prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
