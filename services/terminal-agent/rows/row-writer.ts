/**
 * Writes one local table on behalf of the centre: prepared statements per set of columns, the columns that the
 * agent keeps itself (link, identity, status), and nothing about why. A refusal by the table's own
 * constraints comes out as SQLite's error; it undoes its statement only, so that the transaction goes on.
 */
import type { RunResult, Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { CentralValue } from '../../shared/records/change-record.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName } from '../till/local-schema.ts';
import { asRead, boundSql, storedValue } from '../till/exact-text.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import type { CentralSide, ColumnSet, Image } from './image.ts';
import { appTriggersThatRun } from './running-triggers.ts';
import { WriteGuard } from './write-guard.ts';
import { changedColumns, type SameRow } from './changed-columns.ts';
import { UuidMinter } from './minted-uuid.ts';
import { rowKeyOf } from './row-key.ts';
import { NothingWritten } from './refusal.ts';
import { RowReader } from './row-reader.ts';

export type SyncStatus = 'synced' | 'rejected';

/** Statements are prepared when they are first run: triggers that a write does not fire may not compile here. */
interface SetPlan {
  readonly insertSql: string;
  readonly insertWithKeySql: string;
  /** The set's columns, in its order. */
  readonly standing: Statement;
  /** By which columns of the set they write, and whether the status too. */
  readonly updates: Map<string, Statement>;
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

/** What a row is to show: the image's columns with values of this till, parents as local keys. */
export interface ShownRow {
  readonly set: ColumnSet;
  readonly values: readonly SqliteValue[];
  readonly central?: ShownCentral | undefined;
}

/** undefined: the column shows a value of the till that the centre has not answered. */
export interface ShownCentral {
  readonly types: CentralSide['types'];
  readonly values: readonly (CentralValue | undefined)[];
}

/**
 * The image with some columns shown otherwise: there the till's own value counts, and the centre's does not.
 * @param answered what the row would show of the image alone
 */
export function shownRow(
  { set, central }: Image,
  answered: readonly SqliteValue[],
  values: readonly SqliteValue[],
): ShownRow {
  if (central === undefined) return { set, values };
  const isAnswered = (at: number) => sameStored(values[at] ?? null, answered[at] ?? null);
  const said = central.values.map((value, at) => (isAnswered(at) ? value : undefined));
  return { set, values, central: { types: central.types, values: said } };
}

/** Statements for so many different choices of columns are kept; beyond, the rows have nothing in common. */
const MAX_UPDATES = 64;

export class RowWriter extends RowReader {
  readonly #plans = new Map<string, SetPlan>();
  readonly #lastPlan: { set: ColumnSet | null; plan: SetPlan | null } = { set: null, plan: null };
  readonly #uuids = new UuidMinter();
  readonly #linkIsNumeric: boolean;
  /** What the insert in hand binds; used again, so that a row leaves no list behind. */
  #bound: SqliteValue[] = [];
  #nowMs = 0;
  /** In the form of the columns; set by `stamp`. */
  #syncedAt: SqliteValue = null;
  /** Values of the status columns of a row that is as the centre has it. */
  #synced: readonly SqliteValue[] = [];

  readonly guard: WriteGuard;
  readonly #sameRow: SameRow;

  /** @param sameRow whether two values of a reference column name one row of its parent */
  constructor(db: SqliteDatabase, table: BoundTable, sameRow: SameRow = () => false) {
    super(db, table);
    this.guard = new WriteGuard(db, table);
    this.#sameRow = sameRow;
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
    return this.guard.run(() => this.#insert(this.#plan(set), values, centralId, key));
  }

  #insert(plan: SetPlan, values: readonly SqliteValue[], centralId: string, key?: SqliteValue): SqliteValue {
    const bound = this.#bind(plan, values, centralId);
    if (!this.table.surrogateKey) {
      const { insertKeyAt, mintedKeyAt } = plan;
      // A row that comes back keeps the UUID by which others on this till may name it.
      if (mintedKeyAt !== null && key != null && !this.exists(key)) this.#bound[mintedKeyAt] = key;
      this.#written(this.prepare(plan.insertSql).run(bound));
      return insertKeyAt === null ? null : rowKeyOf(insertKeyAt.map((at) => bound[at] ?? null));
    }
    if (key !== undefined && key !== null && !this.exists(key)) {
      this.#written(this.prepare(plan.insertWithKeySql).run(bound, key));
      return key;
    }
    return BigInt(this.#written(this.prepare(plan.insertSql).run(bound)).lastInsertRowid);
  }

  /** What changed nothing has no rowid either: the driver gives that of an earlier insert. */
  #written(result: RunResult): RunResult {
    if (result.changes === 0) throw new NothingWritten(this.table.local.name);
    return result;
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
   * Writes the columns whose meaning differs from what stands there, and no other: the app finds its rows by the
   * form in which it wrote them.
   * @param settled whether the row is now as the centre has it, so that its status may say so
   * @returns the row key afterwards, undefined where there is no such row
   */
  update(rowKey: SqliteValue, row: ShownRow, settled: boolean): SqliteValue | undefined {
    const plan = this.#plan(row.set);
    const standing = this.standing(plan.standing, row.set.columns, rowKey);
    if (standing === undefined) return undefined;
    const changed = changedColumns(row, standing, this.#sameRow);
    const status = settled ? this.#synced : [];
    if (changed.length + status.length === 0) return rowKey;
    const bound = [...changed.map(({ value }) => value), ...status, ...this.keyParts(rowKey)];
    const write = () =>
      this.guard.run(() => this.#written(this.#updateOf(plan, row.set, changed, settled).run(bound)));
    if (changed.length === 0) this.guard.note(write);
    else write();
    if (plan.keyAt?.some((at) => changed.some((column) => column.at === at)) !== true) return rowKey;
    const now = new Map(changed.map(({ at, value }) => [at, value]));
    return rowKeyOf(plan.keyAt.map((at) => (now.has(at) ? (now.get(at) ?? null) : (standing[at] ?? null))));
  }

  /** Makes a whole row, as `read` gives it, mean what it is to show; what means the same keeps its form. */
  show(row: Map<string, SqliteValue>, shown: ShownRow): void {
    const { columns } = shown.set;
    const standing = columns.map((column) => asRead(row.get(column.local) ?? null, column));
    for (const { at, value } of changedColumns(shown, standing, this.#sameRow)) {
      const column = columns[at];
      if (column !== undefined) row.set(column.local, value);
    }
  }

  #updateOf(plan: SetPlan, set: ColumnSet, changed: readonly { at: number }[], settled: boolean): Statement {
    let name = settled ? '+' : '';
    for (const { at } of changed) name += `${at},`;
    let statement = plan.updates.get(name);
    if (statement === undefined) {
      if (plan.updates.size >= MAX_UPDATES) plan.updates.clear();
      const columns = changed.flatMap(({ at }) => set.columns.slice(at, at + 1));
      statement = this.db.prepare(this.#updateSql(columns, settled ? this.#statusColumns() : []));
      plan.updates.set(name, statement);
    }
    return statement;
  }

  delete(rowKey: SqliteValue): void {
    this.#writeRow(rowKey, `DELETE FROM ${this.name} WHERE ${this.whereKey}`, this.keyParts(rowKey));
  }

  /** A row that is not there may stay so. */
  #writeRow(rowKey: SqliteValue, sql: string, values: readonly SqliteValue[]): void {
    this.guard.run(() => {
      const done = this.prepare(sql).run(...values);
      if (done.changes === 0 && this.exists(rowKey)) throw new NothingWritten(this.table.local.name);
    });
  }

  /** Writes a row back whole, after `read` and `delete`. */
  putBack(row: ReadonlyMap<string, SqliteValue>): SqliteValue {
    const names = [...row.keys()];
    const marks = names.map((name) => this.mark(name, row.get(name))).join(', ');
    const sql = `INSERT ${this.#onConflict} INTO ${this.name} (${names.map(quoteName).join(', ')}) VALUES (${marks})`;
    this.guard.run(() => this.#written(this.prepare(sql).run(...[...row.values()].map(storedValue))));
    return rowKeyOf(this.table.local.key.map((column) => row.get(column) ?? null));
  }

  /** Sets single columns, the status aside: what rebase and putting back need. */
  set(rowKey: SqliteValue, values: ReadonlyMap<string, SqliteValue>): void {
    if (values.size === 0) return;
    const assignments = [...values]
      .map(([name, value]) => `${quoteName(name)} = ${this.mark(name, value)}`)
      .join(', ');
    const sql = `UPDATE ${this.#onConflict} ${this.name} SET ${assignments} WHERE ${this.whereKey}`;
    this.#writeRow(rowKey, sql, [...[...values.values()].map(storedValue), ...this.keyParts(rowKey)]);
  }

  setLink(rowKey: SqliteValue, centralId: string): void {
    const { linkColumn } = this.table;
    if (linkColumn === null) return;
    const link = new Map([[linkColumn, this.#linkValue(centralId)]]);
    this.guard.note(() => this.set(rowKey, link));
  }

  setStatus(rowKey: SqliteValue, status: SyncStatus): void {
    const values = this.#statusValues(status);
    if (values.length === 0) return;
    const columns = new Map(this.#statusColumns().map((column, at) => [column, values[at] ?? null]));
    this.guard.note(() => this.set(rowKey, columns));
  }

  /** The app has written the row, and it is on its way. */
  setPending(rowKey: SqliteValue, operation: 'insert' | 'update'): void {
    const values = new Map<string, SqliteValue>([
      ['sync_status', 'pending'],
      ['sync_operation', operation],
    ]);
    const wanted = [...values].filter(([column]) => this.table.statusColumns.includes(column));
    if (wanted.length === 0) return;
    const row = this.read(rowKey);
    if (row?.get('sync_status') === 'pending' && row.get('sync_operation') === 'insert') return;
    if (wanted.every(([column, value]) => row?.get(column) === value)) return;
    this.guard.note(() => this.set(rowKey, new Map(wanted)));
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
      insertSql: this.#insertSql(columns, own),
      insertWithKeySql: this.#insertSql(columns, [...own, ...local.key]),
      standing: this.standingStatement(columns),
      updates: new Map(),
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

  #updateSql(columns: readonly BoundColumn[], own: readonly string[]): string {
    const assignments = [
      ...columns.map((column) => `${quoteName(column.local)} = ${boundSql(column)}`),
      ...own.map((name) => `${quoteName(name)} = ?`),
    ];
    return `UPDATE ${this.#onConflict} ${this.name} SET ${assignments.join(', ')} WHERE ${this.whereKey}`;
  }

  #insertSql(columns: readonly BoundColumn[], own: readonly string[]): string {
    const names = [...columns.map(({ local }) => local), ...own];
    if (names.length === 0) return `INSERT ${this.#onConflict} INTO ${this.name} DEFAULT VALUES`;
    const marks = [...columns.map(boundSql), ...own.map(() => '?')];
    return `INSERT ${this.#onConflict} INTO ${this.name} (${names.map(quoteName).join(', ')}) VALUES (${marks.join(', ')})`;
  }

  /**
   * With ABORT, SQLite keeps a journal of each statement on a table that has triggers, which costs more than the
   * insert itself. For one row, with triggers silent, both leave the same behind: all constraints are checked before
   * anything is written. It also overrides an ON CONFLICT REPLACE of the app's schema, which would evict another row.
   * A trigger of the app that runs may fail behind the row, and its own conflict clauses must hold in it: where the
   * table has some too, such a trigger does not run.
   */
  get #onConflict(): string {
    const running = appTriggersThatRun(this.table);
    if (running.length === 0) return 'OR FAIL';
    return running.some(({ conflictClause }) => conflictClause === true) ? '' : 'OR ABORT';
  }
}
