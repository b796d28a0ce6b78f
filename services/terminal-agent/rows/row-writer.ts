/**
 * Writes one local table on behalf of the centre: prepared statements per set of columns, the columns that the
 * agent keeps itself (link, identity, status), and nothing about why. A refusal by the table's own
 * constraints comes out as SQLite's error; it undoes its statement only, so that the transaction goes on.
 */
import Database, { type Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName } from '../till/local-schema.ts';
import type { ColumnSet } from './image.ts';
import { UuidMinter } from './minted-uuid.ts';
import { rowKeyOf, rowKeyParts, sameValue } from './row-key.ts';

export type SyncStatus = 'synced' | 'rejected';

interface SetPlan {
  readonly insert: Statement;
  readonly insertWithKey: Statement;
  readonly update: Statement;
  readonly updateQuietly: Statement;
  /** Where the key columns stand in the set, in key order; null while the set does not hold all of them. */
  readonly keyAt: readonly number[] | null;
  /** The same among all that an insert binds: the key may be a UUID that is minted for the row. */
  readonly insertKeyAt: readonly number[] | null;
  /** Where that UUID stands, if it is the whole key. */
  readonly mintedKeyAt: number | null;
  /** Columns of our own in the insert, in this order. */
  readonly mints: boolean;
  readonly links: boolean;
}

/** A local constraint (UNIQUE, CHECK, NOT NULL …) or type refused the row. */
export function isRefusal(error: unknown): error is Error {
  return (
    error instanceof Database.SqliteError &&
    (error.code.startsWith('SQLITE_CONSTRAINT') || error.code === 'SQLITE_MISMATCH')
  );
}

export class RowWriter {
  readonly table: BoundTable;
  readonly #db: SqliteDatabase;
  readonly #name: string;
  readonly #whereKey: string;
  readonly #plans = new Map<string, SetPlan>();
  readonly #lastPlan: { set: ColumnSet | null; plan: SetPlan | null } = { set: null, plan: null };
  readonly #statements = new Map<string, Statement>();
  readonly #uuids = new UuidMinter();
  readonly #linkIsNumeric: boolean;
  /** What the insert in hand binds; used again, so that a row leaves no list behind. */
  #bound: SqliteValue[] = [];
  #nowMs = 0;
  /** In the form of the columns; set by `stamp`. */
  #syncedAt: SqliteValue = null;
  /** Values of the status columns of a row that is as the centre has it. */
  #synced: readonly SqliteValue[] = [];

  constructor(db: SqliteDatabase, table: BoundTable) {
    this.#db = db;
    this.table = table;
    this.#name = quoteName(table.local.name);
    this.#whereKey = table.local.key.map((column) => `${quoteName(column)} = ?`).join(' AND ');
    const link = table.local.columns.find(({ name }) => name === table.linkColumn);
    this.#linkIsNumeric = link?.affinity === 'INTEGER' || link?.affinity === 'NUMERIC';
  }

  /** The time that goes into last_sync_at from now on. */
  stamp(nowMs: number): void {
    this.#nowMs = nowMs;
    const column = this.table.local.columns.find(({ name }) => name === 'last_sync_at');
    this.#syncedAt = column?.affinity === 'INTEGER' ? BigInt(nowMs) : new Date(nowMs).toISOString();
    this.#synced = this.#statusValues('synced');
  }

  /**
   * @param key the local key to give the row, where the till's own numbers are used and it had one before
   * @returns the row key
   */
  insert(set: ColumnSet, values: readonly SqliteValue[], centralId: string, key?: SqliteValue): SqliteValue {
    const plan = this.#plan(set);
    const bound = this.#bind(plan, values, centralId);
    if (!this.table.surrogateKey) {
      const { insertKeyAt, mintedKeyAt } = plan;
      // A row that comes back keeps the UUID by which others on this till may name it.
      if (mintedKeyAt !== null && key != null && !this.exists(key)) this.#bound[mintedKeyAt] = key;
      plan.insert.run(bound);
      return insertKeyAt === null ? null : rowKeyOf(insertKeyAt.map((at) => bound[at] ?? null));
    }
    if (key !== undefined && key !== null && !this.exists(key)) {
      plan.insertWithKey.run(bound, key);
      return key;
    }
    return BigInt(plan.insert.run(bound).lastInsertRowid);
  }

  /** The values, then our own columns in the plan's order. */
  #bind(plan: SetPlan, values: readonly SqliteValue[], centralId: string): readonly SqliteValue[] {
    const bound = this.#bound;
    let at = 0;
    for (const value of values) bound[at++] = value;
    if (plan.links) bound[at++] = this.#linkValue(centralId);
    if (plan.mints) bound[at++] = this.#uuids.mint(this.#nowMs);
    for (const value of this.#synced) bound[at++] = value;
    bound.length = at;
    return bound;
  }

  /**
   * @param settled whether the row is now as the centre has it, so that its status may say so
   * @returns the row key afterwards, undefined where there is no such row
   */
  update(
    rowKey: SqliteValue,
    set: ColumnSet,
    values: readonly SqliteValue[],
    settled: boolean,
  ): SqliteValue | undefined {
    const plan = this.#plan(set);
    const key = this.#keyParts(rowKey);
    const done = settled ? plan.update.run(values, this.#synced, key) : plan.updateQuietly.run(values, key);
    return done.changes === 0 ? undefined : this.#keyIn(plan, values, rowKey);
  }

  delete(rowKey: SqliteValue): void {
    this.#prepare(`DELETE FROM ${this.#name} WHERE ${this.#whereKey}`).run(...this.#keyParts(rowKey));
  }

  exists(rowKey: SqliteValue): boolean {
    const sql = `SELECT 1 FROM ${this.#name} WHERE ${this.#whereKey}`;
    return this.#prepare(sql).get(...this.#keyParts(rowKey)) !== undefined;
  }

  /** Every stored column of the row, by local name. */
  read(rowKey: SqliteValue): Map<string, SqliteValue> | undefined {
    const columns = this.table.local.columns.filter((column) => !column.generated).map(({ name }) => name);
    const sql = `SELECT ${columns.map(quoteName).join(', ')} FROM ${this.#name} WHERE ${this.#whereKey}`;
    const row = this.#prepare(sql)
      .raw()
      .get(...this.#keyParts(rowKey)) as SqliteValue[] | undefined;
    return row === undefined ? undefined : new Map(columns.map((name, i) => [name, row[i] ?? null]));
  }

  /** Writes a row back whole, after `read` and `delete`. */
  putBack(row: ReadonlyMap<string, SqliteValue>): SqliteValue {
    const names = [...row.keys()];
    const marks = names.map(() => '?').join(', ');
    this.#prepare(`INSERT INTO ${this.#name} (${names.map(quoteName).join(', ')}) VALUES (${marks})`).run(
      ...row.values(),
    );
    return rowKeyOf(this.table.local.key.map((column) => row.get(column) ?? null));
  }

  /** Row key of another row that holds these values in these columns. */
  findOther(columns: readonly string[], values: readonly SqliteValue[], rowKey: SqliteValue): SqliteValue {
    const key = this.table.local.key.map(quoteName).join(', ');
    const where = columns.map((column) => `${quoteName(column)} = ?`).join(' AND ');
    const rows = this.#prepare(`SELECT ${key} FROM ${this.#name} WHERE ${where} LIMIT 2`)
      .raw()
      .all(...values) as SqliteValue[][];
    return rows.map(rowKeyOf).find((found) => !sameValue(found, rowKey)) ?? null;
  }

  /** Sets single columns, the status aside: what rebase and putting back need. */
  set(rowKey: SqliteValue, values: ReadonlyMap<string, SqliteValue>): void {
    if (values.size === 0) return;
    const assignments = [...values.keys()].map((name) => `${quoteName(name)} = ?`).join(', ');
    this.#prepare(`UPDATE ${this.#name} SET ${assignments} WHERE ${this.#whereKey}`).run(
      ...values.values(),
      ...this.#keyParts(rowKey),
    );
  }

  /** What the identity column holds. */
  identity(rowKey: SqliteValue): string | null {
    const { identityColumn } = this.table;
    if (identityColumn === null) return null;
    const sql = `SELECT ${quoteName(identityColumn)} FROM ${this.#name} WHERE ${this.#whereKey}`;
    const value: unknown = this.#prepare(sql)
      .pluck()
      .get(...this.#keyParts(rowKey));
    return typeof value === 'string' ? value : null;
  }

  setLink(rowKey: SqliteValue, centralId: string): void {
    const { linkColumn } = this.table;
    if (linkColumn !== null) this.set(rowKey, new Map([[linkColumn, this.#linkValue(centralId)]]));
  }

  setStatus(rowKey: SqliteValue, status: SyncStatus): void {
    const values = this.#statusValues(status);
    if (values.length > 0)
      this.set(rowKey, new Map(this.#statusColumns().map((c, i) => [c, values[i] ?? null])));
  }

  /** sync_operation stays: it says what the app did last. */
  #statusColumns(): string[] {
    return this.table.statusColumns.filter((column) => column !== 'sync_operation');
  }

  #statusValues(status: SyncStatus): SqliteValue[] {
    return this.#statusColumns().map((column) => (column === 'sync_status' ? status : this.#syncedAt));
  }

  #linkValue(centralId: string): SqliteValue {
    return this.#linkIsNumeric && /^-?\d{1,18}$/.test(centralId) ? BigInt(centralId) : centralId;
  }

  #keyParts(rowKey: SqliteValue): SqliteValue[] {
    return rowKeyParts(rowKey, this.table.local.key.length);
  }

  #keyIn(plan: SetPlan, values: readonly SqliteValue[], fallback: SqliteValue): SqliteValue {
    return plan.keyAt === null ? fallback : rowKeyOf(plan.keyAt.map((at) => values[at] ?? null));
  }

  #plan(set: ColumnSet): SetPlan {
    const last = this.#lastPlan;
    if (last.set === set && last.plan !== null) return last.plan;
    let plan = this.#plans.get(set.key);
    if (plan === undefined) {
      plan = this.#makePlan(set.columns);
      this.#plans.set(set.key, plan);
    }
    last.set = set;
    last.plan = plan;
    return plan;
  }

  #makePlan(columns: readonly BoundColumn[]): SetPlan {
    const { linkColumn, identityColumn, local } = this.table;
    const names = columns.map((column) => column.local);
    const links = linkColumn !== null && !names.includes(linkColumn);
    const mints = identityColumn !== null && !names.includes(identityColumn);
    const status = this.#statusColumns();
    const own = [...(links ? [linkColumn] : []), ...(mints ? [identityColumn] : []), ...status];
    const keyAt = local.key.map((column) => names.indexOf(column));
    const inserted = [...names, ...own];
    const insertKeyAt = local.key.map((column) => inserted.indexOf(column));
    return {
      insert: this.#db.prepare(insertSql(this.#name, [...names, ...own])),
      insertWithKey: this.#db.prepare(insertSql(this.#name, [...names, ...own, ...local.key])),
      update: this.#db.prepare(this.#updateSql([...names, ...status])),
      updateQuietly: this.#db.prepare(this.#updateSql(names)),
      keyAt: keyAt.includes(-1) ? null : keyAt,
      mints,
      links,
      insertKeyAt: insertKeyAt.includes(-1) ? null : insertKeyAt,
      mintedKeyAt:
        mints && local.key.length === 1 && local.key[0] === identityColumn
          ? inserted.indexOf(identityColumn)
          : null,
    };
  }

  #updateSql(names: readonly string[]): string {
    const assignments = names.map((name) => `${quoteName(name)} = ?`).join(', ');
    return `UPDATE OR FAIL ${this.#name} SET ${assignments} WHERE ${this.#whereKey}`;
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * OR FAIL, here and in the update: with ABORT, SQLite keeps a journal of each statement on a table that has
 * triggers, which costs more than the insert itself. For one row, with triggers silent, both leave the same
 * behind: all constraints are checked before anything is written. It also overrides an ON CONFLICT REPLACE of
 * the app's schema, which would evict another row.
 */
function insertSql(table: string, names: readonly string[]): string {
  return `INSERT OR FAIL INTO ${table} (${names.map(quoteName).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
}
