/**
 * Brings one central row into the till: guarded by the row's position, rebased under unsettled changes, parked
 * where it cannot be written yet. Runs inside the transaction that moves the stream's offset; a refused row
 * undoes only its own statement.
 */
import type { Logger } from 'pino';
import { decodePosition, encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { parentKey, type ParkedRows, type ParkReason } from './parked.ts';
import { rebase, type LocalValues } from './rebase.ts';
import { isRefusal } from './refusal.ts';
import { shownRow } from './row-writer.ts';
import { mayBeOwnRow, type StreamReach } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import type { Applied, Arrival } from './arrival.ts';
import type { AppTriggers, WriteKind } from './app-triggers.ts';
import { forgetRow } from './forgotten-row.ts';
import { completedImage, decodeImage, encodeImage, type Image } from './image.ts';
import { unsettledChild, type OpenChanges, type OpenEntry } from './open-changes.ts';
import { sameValue } from './row-key.ts';
import type { SyncRow } from './sync-rows.ts';
import { policyOf, type MissingParent, type TillTable, type TillTables } from './till-tables.ts';
import type { UnlinkedRows } from './unlinked.ts';

export interface ApplierParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly open: OpenChanges;
  readonly parked: ParkedRows;
  readonly unlinked: UnlinkedRows;
  readonly log: Logger;
}

/** What one transaction knows and gathers. */
export interface Scope {
  readonly nowMs: number;
  readonly triggers: AppTriggers;
  readonly store: () => StreamReach;
  /** Local tables whose rows changed. */
  readonly touched: Set<string>;
  /** `parentKey` of rows that were not here, or not linked, before: others may have waited for them. */
  readonly arrived: string[];
  /** `parentKey` of parked rows that close a circle and can't break it: each asks those that wait for it once. */
  readonly circles: Set<string>;
  /** Tables with unsettled changes; a superset, since nothing can come in during the transaction. */
  readonly open: Map<string, boolean>;
}

const ZERO = encodePosition(ZERO_POSITION);
const NO_ENTRIES: readonly OpenEntry[] = [];

export class RowApplier {
  readonly #parts: ApplierParts;
  #scope!: Scope;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
  }

  begin(scope: Scope): void {
    this.#scope = scope;
    const { tables, log } = this.#parts;
    tables.begin({ nowMs: scope.nowMs, triggers: scope.triggers, log });
  }

  apply(arrival: Arrival): Applied {
    const { table, centralId, position, image } = arrival;
    const { parked } = this.#parts;
    const row = table.rows.get(centralId);
    if (row !== undefined && Buffer.compare(position, row.position) < 0) return 'older';
    const waiting = parked.get(table.name, centralId);
    if (waiting !== undefined && Buffer.compare(position, waiting.position) < 0) return 'older';
    if (waiting !== undefined) parked.remove(table.name, centralId);
    if (image === null) return this.#remove(arrival, row);
    if (image.unfit !== undefined) return this.#park(arrival, 'refused', image.unfit);
    return row === undefined ? this.#firstSight(arrival, image) : this.#write(arrival, row, image);
  }

  /** The row's unsettled changes, in seq order. */
  openOf(table: TillTable, centralId: string): readonly OpenEntry[] {
    return this.#anyOpen(table) ? this.#parts.open.ofRow(table.name, centralId) : NO_ENTRIES;
  }

  #anyOpen(table: TillTable): boolean {
    let any = this.#scope.open.get(table.name);
    if (any === undefined) {
      any = this.#parts.open.hasAny(table.name);
      this.#scope.open.set(table.name, any);
    }
    return any;
  }

  /**
   * A local row is a central row. Its image comes, or has come, by itself.
   * @param rowKey null where the local row is gone already
   */
  link(table: TillTable, centralId: string, rowKey: SqliteValue, identity: string | null): void {
    const { open, unlinked, log } = this.#parts;
    const row = table.rows.get(centralId);
    if (identity !== null) open.link(table.name, identity, centralId);
    if (row !== undefined && row.rowKey !== null) {
      if (row.rowKey !== rowKey)
        log.warn({ table: table.name, centralId }, 'two local rows for one central row');
      return;
    }
    // A delete that came before its link still has to be carried out.
    const base = row?.deleted === true ? encodeImage(null) : (row?.base ?? null);
    table.rows.put(centralId, { rowKey, position: row?.position ?? ZERO, deleted: false, base });
    if (rowKey !== null) {
      this.#touch(table, 'update');
      table.writer.setLink(rowKey, centralId);
      unlinked.remove(table.name, rowKey);
      this.#arrive(table, centralId);
    }
    if (base !== null) this.restore(table, centralId);
  }

  /**
   * The row after something of it was settled: as the centre has it when nothing is open any more, else
   * rebased anew.
   * @param key what the row's local key was, for a row that comes back
   */
  restore(table: TillTable, centralId: string, key: SqliteValue = null): void {
    const row = table.rows.get(centralId);
    if (row === undefined) return;
    const open = this.openOf(table, centralId);
    if (open.length > 0) {
      if (row.base !== null) this.#showRebased(table, centralId, row, row.base, open);
      return;
    }
    if (row.base === null) {
      if (row.rowKey === null) return;
      this.#touch(table, 'update');
      table.writer.setStatus(row.rowKey, 'synced');
      return;
    }
    table.rows.put(centralId, { ...row, base: null });
    const image = decodeImage(table.bound, row.base);
    const home = { topic: '', fromCatalog: false, known: true };
    this.apply({ table, centralId, position: row.position, image, key, ...home });
  }

  #remove(arrival: Arrival, row: SyncRow | undefined): Applied {
    const { table, centralId, position } = arrival;
    const gone: SyncRow = { rowKey: null, position, deleted: true, base: null };
    if (row === undefined) {
      table.rows.put(centralId, gone);
      return 'applied';
    }
    if (this.openOf(table, centralId).length > 0) {
      table.rows.put(centralId, { ...row, position, base: encodeImage(null) });
      return 'applied';
    }
    if (row.rowKey !== null) {
      const child = unsettledChild(this.#parts, table, centralId, row.rowKey);
      if (child !== undefined)
        return this.#park(arrival, 'children', `unsettled rows of ${child} refer to it`);
      this.#touch(table, 'delete');
      const identity = table.writer.identity(row.rowKey);
      try {
        table.writer.delete(row.rowKey);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return this.#park(arrival, 'refused', error.message);
      }
      forgetRow(this.#parts.till.db, table.bound, { rowKey: row.rowKey, uuid: identity });
    }
    table.rows.put(centralId, gone);
    return 'applied';
  }

  #firstSight(arrival: Arrival, image: Image): Applied {
    const { table, centralId, position } = arrival;
    const { unlinked, tables } = this.#parts;
    if (arrival.fromCatalog && !arrival.known && this.#mayBeOwn(table, position)) {
      return this.#park(arrival, 'own', 'may be a row of this till whose link is on its way');
    }
    const resolved = tables.resolve(image);
    if (resolved.kind === 'values') {
      const match = unlinked.match(table, centralId, image, resolved.values);
      if (match.kind === 'clash') {
        return this.#park(
          arrival,
          'server-id',
          `local row ${String(match.rowKey)} claims this id; run bootstrap`,
        );
      }
      if (match.kind === 'adopt') {
        this.link(table, centralId, match.rowKey, match.identity);
        const row = table.rows.get(centralId);
        if (row !== undefined) return this.#write(arrival, row, image);
      }
    }
    return this.#insert(arrival, image, { isNew: true });
  }

  #mayBeOwn(table: TillTable, position: Buffer): boolean {
    // Inserts without a link are among the open entries: most tables have none at all.
    if (!this.#anyOpen(table) || !this.#parts.open.hasUnlinkedInserts(table.name)) return false;
    const place = { position: decodePosition(position), fromCatalog: true, ownOrigin: false };
    return mayBeOwnRow(place, true, this.#scope.store());
  }

  #write(arrival: Arrival, row: SyncRow, image: Image): Applied {
    const { table, centralId, position } = arrival;
    const open = this.openOf(table, centralId);
    if (open.length > 0) {
      const before = row.base === null ? null : decodeImage(table.bound, row.base);
      const base = encodeImage(before === null ? image : completedImage(image, before));
      const rebased: SyncRow = { ...row, position, deleted: false, base };
      table.rows.put(centralId, rebased);
      this.#showRebased(table, centralId, rebased, base, open);
      return 'applied';
    }
    if (row.rowKey === null) return this.#insert(arrival, image);
    const resolved = this.#parts.tables.resolve(image);
    if (resolved.kind === 'missing') return this.#awaitParent(arrival, image, resolved.parent, row.rowKey);
    return this.#update(arrival, image, resolved.values, row.rowKey);
  }

  #update(arrival: Arrival, image: Image, values: readonly SqliteValue[], rowKey: SqliteValue): Applied {
    const { table, centralId, position } = arrival;
    this.#touch(table, 'update');
    let key: SqliteValue | undefined;
    try {
      key = table.writer.update(rowKey, { ...image, values }, true);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.#park(arrival, 'refused', error.message);
    }
    // The row vanished while nobody watched: the centre still has it.
    if (key === undefined) return this.#insert({ ...arrival, key: rowKey }, image);
    if (sameValue(key, rowKey)) table.rows.advance(centralId, position);
    else table.rows.put(centralId, { rowKey: key, position, deleted: false, base: null });
    return 'applied';
  }

  /**
   * @param options.isNew nothing is known of the central row yet
   * @param options.without a column that is left empty although its parent is missing
   */
  #insert(
    arrival: Arrival,
    image: Image,
    { isNew = false, without }: { isNew?: boolean; without?: string } = {},
  ): Applied {
    const { table, centralId, position } = arrival;
    const resolved = this.#parts.tables.resolve(image, without);
    if (resolved.kind === 'missing') {
      // A second missing parent: nothing is written for the sake of the first.
      if (without !== undefined) return 'parked';
      return this.#awaitParent(arrival, image, resolved.parent, null);
    }
    this.#touch(table, 'insert');
    let rowKey: SqliteValue;
    try {
      rowKey = table.writer.insert(image.set, resolved.values, centralId, arrival.key);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.#park(arrival, 'refused', error.message);
    }
    if (isNew) table.rows.add(centralId, rowKey, position);
    else table.rows.put(centralId, { rowKey, position, deleted: false, base: null });
    this.#arrive(table, centralId);
    return 'applied';
  }

  /**
   * Parks a child. Rows that refer to each other in a circle would wait for ever: one whose column may be NULL is
   * written without it, and stays parked so that the column is filled in when the other one is there. Whichever comes
   * last closes the circle; where it is not the one that can break it, those that wait for it are tried again.
   */
  #awaitParent(arrival: Arrival, image: Image, parent: MissingParent, rowKey: SqliteValue): Applied {
    const { table, centralId } = arrival;
    const [us, waitsFor] = [parentKey(table.name, centralId), parentKey(parent.table, parent.centralId)];
    if (rowKey === null && this.#parts.parked.waitsFor(waitsFor, us)) {
      if (parent.column.notNull) this.#askCircle(us);
      else {
        this.#insert(arrival, image, { without: parent.column.local });
        // The till's own constraint is in the way now.
        if (this.#parts.parked.get(table.name, centralId) !== undefined) return 'parked';
      }
    }
    return this.#park(arrival, 'parent', `${parent.column.local} refers to ${waitsFor}`, waitsFor);
  }

  #askCircle(us: string): void {
    const { circles, arrived } = this.#scope;
    if (circles.has(us)) return;
    circles.add(us);
    arrived.push(us);
  }

  #showRebased(
    table: TillTable,
    centralId: string,
    row: SyncRow,
    base: string,
    open: readonly OpenEntry[],
  ): void {
    const image = decodeImage(table.bound, base);
    if (row.rowKey === null || image === null || image.unfit !== undefined) return;
    const resolved = this.#parts.tables.resolve(image);
    // Settling brings the row up again; until then it shows what it shows.
    if (resolved.kind === 'missing') return;
    const central: LocalValues = new Map(
      image.set.columns.map((column, at) => [column.local, resolved.values[at] ?? null]),
    );
    const changes = open.map((entry) => this.#parts.open.change(entry, table.bound));
    const shown = rebase(central, changes, (column) => policyOf(table, column));
    if (shown.kind !== 'row') return;
    const values = image.set.columns.map((column) => shown.values.get(column.local) ?? null);
    this.#touch(table, 'update');
    try {
      const key = table.writer.update(row.rowKey, shownRow(image, resolved.values, values), false);
      if (key !== undefined && !sameValue(key, row.rowKey))
        table.rows.put(centralId, { ...row, rowKey: key });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#parts.log.debug({ table: table.name, centralId, err: error }, 'not shown until it is settled');
    }
  }

  #park(arrival: Arrival, reason: ParkReason, message: string, waitsFor: string | null = null): Applied {
    const { table, centralId, position, topic, image } = arrival;
    this.#parts.parked.put(
      { table: table.name, centralId, position, topic, image: encodeImage(image), reason, message, waitsFor },
      this.#scope.nowMs,
    );
    return 'parked';
  }

  /** Before a write. */
  #touch(table: TillTable, kind: WriteKind): void {
    this.#scope.touched.add(table.name);
    this.#scope.triggers.suspend(table.name, kind);
  }

  #arrive(table: TillTable, centralId: string): void {
    if (this.#parts.parked.any) this.#scope.arrived.push(parentKey(table.name, centralId));
  }
}
