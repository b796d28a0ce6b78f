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
import { ParentNames } from '../rows/parent-names.ts';
import { unlinkedHandle } from '../rows/sync-rows.ts';
import { isPublished } from './captured-tables.ts';
import { offerRows, type UnknownRow } from './offered-rows.ts';
import { hasEarlierRows } from './earlier-rows.ts';

export interface SweptTableParts {
  readonly till: TillHost;
  readonly table: TillTable;
  readonly tables: TillTables;
}

/** Some 20 ms. */
const ROWS_AT_ONCE = 500;
const KEPT_AT_ONCE = 2_000;
/** So many may well have been deleted. */
const FEW = 20;

/** The key's columns, then the row key. */
type Found = SqliteValue[];

export class SweptTable {
  /** Kept rows that should be in the table, and are not. */
  gone: UnknownRow[] = [];
  /** Those that should be. */
  kept = 0;
  differing = 0;
  /** Rows that may be from before the agent. */
  unknown = 0;
  /** Handles of kept rows that a row under another key names as itself. */
  readonly moved = new Set<string>();
  readonly #parts: SweptTableParts;
  readonly #first: Statement<[], Found>;
  readonly #after: Statement<Found, Found>;
  readonly #keptAfter: Statement<[string], [string, SqliteValue]>;
  readonly #mayBeEarlier: boolean;
  #last: Found | undefined;
  #lastKept = '';

  /** Inside a transaction of ours: the app may make the table anew at any other time. */
  constructor(parts: SweptTableParts) {
    this.#parts = parts;
    const { till, table } = parts;
    const { name, key } = table.bound.local;
    const keys = key.map((column) => quoteName(column)).join(', ');
    // Rows without a key are nobody's, and behind one of them nothing is greater.
    const hasKey = key.map((column) => `${quoteName(column)} IS NOT NULL`).join(' AND ');
    const select = (more: string) =>
      `SELECT ${keys}, ${rowKeySql('source', key)} FROM ${quoteName(name)} AS source
       WHERE ${hasKey}${more} ORDER BY ${keys} LIMIT ${ROWS_AT_ONCE}`;
    this.#first = till.db.prepare<[], Found>(select('')).raw().safeIntegers();
    this.#after = till.db
      .prepare<Found, Found>(select(` AND (${keys}) > (${key.map(() => '?').join(', ')})`))
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

  /** The same with single rows. @param rowKeys of rows that may be gone */
  offer(rowKeys: readonly SqliteValue[], flight: Flight): void {
    const { table, till } = this.#parts;
    const here = rowKeys.filter((rowKey) => rowKey !== null && table.writer.exists(rowKey));
    offerRows(
      till.db,
      here.flatMap((rowKey) => this.#find(rowKey, flight)),
    );
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
    const link = linkColumn === null ? null : (table.writer.read(rowKey)?.get(linkColumn) ?? null);
    const former = this.#formerOf(rowKey, link);
    if (former !== undefined) {
      this.moved.add(former);
      return [];
    }
    const isClaimed = link !== null && mapping.naturalKey.length === 0;
    if (this.#mayBeEarlier || isClaimed) {
      this.unknown += 1;
      return [];
    }
    this.differing += 1;
    return [{ table, rowKey, op: 'r' }];
  }

  /** The kept row that one under another key says to be. */
  #formerOf(rowKey: SqliteValue, link: SqliteValue): string | undefined {
    const { rows } = this.#parts.table;
    if (link !== null && rows.get(String(link)) !== undefined) return String(link);
    const name = usableName(this.#parts.table, rowKey);
    return name === null ? undefined : rows.named(name);
  }

  /** What a row says who it is by. */
  get marks(): string {
    const { linkColumn, identityColumn } = this.#parts.table.bound;
    return [linkColumn, identityColumn].filter((column) => column !== null).join(' and ');
  }

  /** They are gone like most of the table, or all of it: nobody deletes so many without a word. */
  get hasVanished(): boolean {
    const { length } = this.gone;
    return length > 1 && (length === this.kept || (length > FEW && length * 2 > this.kept));
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
    const rules = columnRules(table.bound, base, new ParentNames(tables, parents));
    return judge(state, { row: values, uncut: null }, rules);
  }

  /** The kept rows are looked for from the first one on. */
  keptAnew(): void {
    this.gone = [];
    this.kept = 0;
    this.#lastKept = '';
  }

  /** Inside a transaction of ours; reads only. @returns whether rows are left */
  nextKept(flight: Flight): boolean {
    const { table } = this.#parts;
    const rows = this.#keptAfter.all(this.#lastKept);
    for (const [handle, rowKey] of rows) {
      this.#lastKept = handle;
      if (rowKey === null) continue;
      const isHere = table.writer.exists(rowKey) || this.moved.has(handle);
      if (!isHere && this.#judge(handle, undefined, flight).kind === 'clean') continue;
      this.kept += 1;
      if (!isHere) this.gone.push({ table, rowKey: null, handle, op: 'd' });
    }
    return rows.length === KEPT_AT_ONCE;
  }
}
