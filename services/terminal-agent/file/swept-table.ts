/** One table while it is looked through: its rows in key order, then those that are kept and no longer in it. */
import type { Statement } from 'better-sqlite3';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { decodeImage } from '../rows/image.ts';
import { stateWith } from '../rows/row-base.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import type { Flight } from '../settle/flight.ts';
import type { TillHost } from '../till/till-host.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { usableName } from '../up/folded-tables.ts';
import { Parents } from '../up/parents.ts';
import { judge, type Judgement, type RowState } from '../up/row-state.ts';
import { columnRules, rowValues } from '../up/row-values.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import { isPublished } from './captured-tables.ts';
import { offerRows, type UnknownRow } from './offered-rows.ts';
import { hasEarlierRows } from './unswept.ts';

export interface SweptTableParts {
  readonly till: TillHost;
  readonly table: TillTable;
  readonly tables: TillTables;
}

/** Some 20 ms. */
const ROWS_AT_ONCE = 500;
const KEPT_AT_ONCE = 5_000;

/** The key's columns, then the row key. */
type Found = SqliteValue[];

export class SweptTable {
  /** Kept rows that are not in the table. */
  readonly gone: UnknownRow[] = [];
  kept = 0;
  differing = 0;
  /** Rows that may be from before the agent. */
  unknown = 0;
  readonly #parts: SweptTableParts;
  readonly #first: Statement<[], Found>;
  readonly #after: Statement<Found, Found>;
  readonly #keptAfter: Statement<[string], [string, SqliteValue]>;
  readonly #mayBeEarlier: boolean;
  #last: Found | undefined;
  #lastKept = '';

  constructor(parts: SweptTableParts) {
    this.#parts = parts;
    const { till, table } = parts;
    const { name, key } = table.bound.local;
    const keys = key.map((column) => quoteName(column)).join(', ');
    const select = (where: string) =>
      `SELECT ${keys}, ${rowKeySql('source', key)} FROM ${quoteName(name)} AS source ${where} ORDER BY ${keys} LIMIT ${ROWS_AT_ONCE}`;
    this.#first = till.db.prepare<[], Found>(select('')).raw().safeIntegers();
    this.#after = till.db
      .prepare<Found, Found>(select(`WHERE (${keys}) > (${key.map(() => '?').join(', ')})`))
      .raw()
      .safeIntegers();
    this.#keptAfter = till.db
      .prepare<[string], [string, SqliteValue]>(
        `SELECT central_id, row_key FROM ${quoteName(`sync_row_${name}`)}
         WHERE central_id > ? ORDER BY central_id LIMIT ${KEPT_AT_ONCE}`,
      )
      .raw()
      .safeIntegers();
    this.#mayBeEarlier = hasEarlierRows(till.db, name);
  }

  /** Inside a transaction of ours, in which all that the app wrote is cut. @returns whether rows are left */
  nextRows(flight: Flight): boolean {
    const { length } = this.#parts.table.bound.local.key;
    const rows = this.#last === undefined ? this.#first.all() : this.#after.all(...this.#last);
    const found = rows.flatMap((row) => this.#find(row[length] ?? null, flight));
    offerRows(this.#parts.till.db, found);
    this.#last = rows.at(-1)?.slice(0, length) ?? this.#last;
    return rows.length === ROWS_AT_ONCE;
  }

  #find(rowKey: SqliteValue, flight: Flight): UnknownRow[] {
    const { table } = this.#parts;
    if (rowKey === null) return [];
    const handle = table.rows.handleAt(rowKey);
    if (handle === undefined) return this.#unknownRow(rowKey);
    const { kind, ...found } = this.#judge(handle, rowKey, flight);
    if (kind === 'clean' || !('sums' in found)) return [];
    this.differing += 1;
    return [{ table, rowKey, handle, op: 'u', sums: found.sums }];
  }

  #unknownRow(rowKey: SqliteValue): UnknownRow[] {
    const { table } = this.#parts;
    const { linkColumn, mapping } = table.bound;
    if (!isPublished(table.bound)) return [];
    const isClaimed =
      linkColumn !== null &&
      mapping.naturalKey.length === 0 &&
      (table.writer.read(rowKey)?.get(linkColumn) ?? null) !== null;
    if (this.#mayBeEarlier || isClaimed) {
      this.unknown += 1;
      return [];
    }
    this.differing += 1;
    return [{ table, rowKey, op: 'r' }];
  }

  #judge(handle: string, rowKey: SqliteValue | undefined, flight: Flight): Judgement {
    const { table, tables, till } = this.#parts;
    const row = table.rows.get(handle);
    const cut = flight.ofRow(table.name, handle).map((change) => change.cut);
    const base = row?.base == null ? null : decodeImage(table.bound, row.base);
    const state: RowState = { ...stateWith(handle, row, base), flight: cut };
    const parents = new Parents({
      db: till.db,
      binding: till.binding,
      tables,
      folded: new Map(),
      takeAlong: (parent, key) => unlinkedHandle(usableName(parent, key) ?? ''),
    });
    const raw = rowKey === undefined ? undefined : table.writer.look(rowKey);
    const values = raw === undefined ? null : rowValues(table.bound, raw, parents.handleOf);
    const now = (parent: string, name: string) =>
      isUnlinked(name) ? (tables.byLocal(parent)?.rows.named(name.slice(1)) ?? name) : name;
    const rules = columnRules(table.bound, base, (column, name) => now(column.reference?.table ?? '', name));
    return judge(state, { row: values, uncut: null }, rules);
  }

  /** Reads only. @returns whether rows are left */
  nextKept(flight: Flight): boolean {
    const { table } = this.#parts;
    const rows = this.#keptAfter.all(this.#lastKept);
    for (const [handle, rowKey] of rows) {
      this.#lastKept = handle;
      if (rowKey === null) continue;
      this.kept += 1;
      if (table.writer.exists(rowKey) || this.#judge(handle, undefined, flight).kind === 'clean') continue;
      this.gone.push({ table, rowKey: null, handle, op: 'd' });
    }
    return rows.length === KEPT_AT_ONCE;
  }
}
