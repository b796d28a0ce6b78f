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
import { waitOf } from './reference-circles.ts';
import { isRefusal } from './refusal.ts';
import { shownRow } from './row-writer.ts';
import { mayBeOwnRow } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import type { Applied, Arrival } from './arrival.ts';
import type { WriteKind } from './app-triggers.ts';
import type { Scope } from './apply-scope.ts';
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
    const { table, position } = arrival;
    if (arrival.fromCatalog && !arrival.known && this.#mayBeOwn(table, position)) {
      return this.#park(arrival, 'own', 'may be a row of this till whose link is on its way');
    }
    return this.#insert(arrival, image, { isNew: true });
  }

  /**
   * Of a central row that is new here: the local row that it is.
   * @returns undefined where there is none
   */
  #adopt(arrival: Arrival, image: Image, values: readonly SqliteValue[]): Applied | undefined {
    const { table, centralId } = arrival;
    const match = this.#parts.unlinked.match(table, centralId, image, values);
    if (match.kind === 'none') return undefined;
    if (match.kind === 'clash') {
      const claimed = `local row ${String(match.rowKey)} claims this id; run bootstrap`;
      return this.#park(arrival, 'server-id', claimed);
    }
    this.link(table, centralId, match.rowKey, match.identity);
    return this.apply(arrival);
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
    const {
      values,
      missing: [parent],
    } = this.#parts.tables.resolve(image);
    if (parent !== undefined) return this.#awaitParent(arrival, parent);
    return this.#update(arrival, image, values, row.rowKey);
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

  /** @param options.isNew nothing is known of the central row yet */
  #insert(arrival: Arrival, image: Image, { isNew = false }: { isNew?: boolean } = {}): Applied {
    const { values, missing } = this.#parts.tables.resolve(image);
    const [parent, ...others] = missing;
    if (parent === undefined) return this.#insertValues(arrival, image, { values, isNew });
    const us = parentKey(arrival.table.name, arrival.centralId);
    const { key } = arrival.table.bound.local;
    const wait = waitOf(us, [parent, ...others], { ...this.#parts, key });
    if (!wait.isFirst) this.#askCircle(us, arrival, wait.circle);
    else {
      // The till's own constraint may still be in the way.
      if (this.#insertValues(arrival, image, { values, isNew }) === 'parked') return 'parked';
      // It may wait for nobody but itself.
      this.#scope.wakes.push(us);
    }
    return this.#awaitParent(arrival, wait.parent);
  }

  #insertValues(
    arrival: Arrival,
    image: Image,
    { values, isNew }: { values: readonly SqliteValue[]; isNew: boolean },
  ): Applied {
    const { table, centralId, position } = arrival;
    const adopted = isNew ? this.#adopt(arrival, image, values) : undefined;
    if (adopted !== undefined) return adopted;
    this.#touch(table, 'insert');
    let rowKey: SqliteValue;
    try {
      rowKey = table.writer.insert(image.set, values, centralId, arrival.key);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.#park(arrival, 'refused', error.message);
    }
    if (isNew) table.rows.add(centralId, rowKey, position);
    else table.rows.put(centralId, { rowKey, position, deleted: false, base: null });
    this.#arrive(table, centralId);
    return 'applied';
  }

  #awaitParent(arrival: Arrival, { column, table, centralId }: MissingParent): Applied {
    const waitsFor = parentKey(table, centralId);
    return this.#park(arrival, 'parent', `${column.local} refers to ${waitsFor}`, waitsFor);
  }

  /** Those that wait in the circle of this row are tried again, once for each image of it. */
  #askCircle(us: string, { position }: Arrival, circle: readonly string[]): void {
    const { asked, wakes } = this.#scope;
    const image = `${us} ${position.toString('hex')}`;
    if (circle.length === 0 || asked.has(image)) return;
    asked.add(image);
    wakes.push(us, ...circle);
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
    if (resolved.missing.length > 0) return;
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
    if (this.#parts.parked.any) this.#scope.wakes.push(parentKey(table.name, centralId));
  }
}
