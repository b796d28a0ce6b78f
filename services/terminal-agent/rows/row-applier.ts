/**
 * Brings one central row into the till: guarded by the row's position, with what is not settled on top (row-state.ts),
 * parked where it cannot be written yet, and then what it answers waits with it. A refused row undoes only its own statement.
 */
import type { Logger } from 'pino';
import { decodePosition } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { Flight, FlightChange } from '../settle/flight.ts';
import { withAnswers } from '../settle/answers.ts';
import { imageValues } from '../up/row-values.ts';
import { expected, shown, type RowState, type Values } from '../up/row-state.ts';
import { parentKey, type ParkedRows, type ParkReason } from './parked.ts';
import { waitOf } from './reference-circles.ts';
import { isRefusal } from './refusal.ts';
import { mayBeOwnRow } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import { parkedText, type Applied, type Arrival } from './arrival.ts';
import type { WriteKind } from './app-triggers.ts';
import { askCircle, type Scope } from './apply-scope.ts';
import { fateOf, isPutAway, markedImage, putsAway } from './central-deletes.ts';
import { decodeImage, encodeImage, type Image } from './image.ts';
import { sameValue } from './row-key.ts';
import {
  answeredOf,
  completed,
  goneRow,
  retakeKey,
  retire,
  stateOf,
  withoutColumns,
  withState,
  type SettledRow,
} from './row-base.ts';
import { linkRow } from './row-link.ts';
import { RowShow } from './row-show.ts';
import { isUnlinked, type SyncRow } from './sync-rows.ts';
import type { MissingParent, TillTable, TillTables } from './till-tables.ts';
import type { UnlinkedRows } from './unlinked.ts';

export interface ApplierParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly flight: Flight;
  readonly parked: ParkedRows;
  readonly unlinked: UnlinkedRows;
  readonly log: Logger;
}

export class RowApplier {
  readonly #parts: ApplierParts;
  readonly #show: RowShow;
  #scope!: Scope;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
    this.#show = new RowShow(parts);
  }

  begin(scope: Scope): void {
    this.#scope = scope;
    const { tables, log } = this.#parts;
    tables.begin({ nowMs: scope.nowMs, triggers: scope.triggers, log });
    this.#show.begin((table, kind) => this.#touch(table, kind));
  }

  apply(arrival: Arrival): Applied {
    const { table, centralId, position, image } = arrival;
    const [{ parked }, row] = [this.#parts, table.rows.get(centralId)];
    if (row !== undefined && Buffer.compare(position, row.position) < 0) return 'older';
    const waiting = parked.get(table.name, centralId);
    if (waiting !== undefined && Buffer.compare(position, waiting.position) < 0) return 'older';
    if (waiting !== undefined) parked.remove(table.name, centralId);
    if (this.#scope.uncut.has(parentKey(table.name, centralId)))
      return this.#park(arrival, 'uncut', 'the app has written the row, and that is not cut yet');
    if (this.#scope.unswept.has(table.name))
      return this.#park(
        arrival,
        'uncut',
        'the table was written without triggers, and is looked through first',
      );
    if (image === null) return this.#take(arrival, row);
    if (image.unfit !== undefined) return this.#park(arrival, 'refused', image.unfit);
    return row === undefined ? this.#firstSight(arrival, image) : this.#write(arrival, row, image);
  }

  /**
   * A local row is a central row. Its image comes, or has come, by itself.
   * @param rowKey null where the local row is gone already
   */
  link(table: TillTable, centralId: string, rowKey: SqliteValue, identity: string | null): void {
    const linked = linkRow(this.#parts, { table, centralId, rowKey, identity });
    if (linked === undefined) return;
    if (rowKey !== null) {
      this.#touch(table, 'update');
      table.writer.setLink(rowKey, centralId);
      this.#arrive(table, centralId);
    }
    // A delete that came before its link still has to be carried out.
    if (linked.deleted) this.settle(table, centralId);
  }

  /**
   * What was answered of a row leaves its flight, and no image came with the answers: the row shows what it should then.
   * While an image waits, what it answers waits with it.
   * @param key what the row's local key was, for a row that comes back
   */
  settle(table: TillTable, handle: string, key: SqliteValue = null): void {
    if (this.#parts.parked.get(table.name, handle) !== undefined || this.#scope.unswept.has(table.name))
      return;
    const row = table.rows.get(handle);
    const isPulled = table.bound.mapping.direction === 'pull';
    const answered = withAnswers(stateOf(table, handle, row), this.#parts.flight.ofRow(table.name, handle), {
      isPulled,
    });
    const { changes, left, state } = answered;
    const isDue = row?.deleted === true && !isPutAway(table.bound, row);
    if (changes.length === 0 && !isDue) return;
    this.#settleChanges(changes);
    if (row === undefined) return;
    const isGone = state.base === null && isUnlinked(handle);
    if (isGone && left.length === 0) return table.rows.remove(handle);
    const kept = withState(table, row, state);
    if (left.length === 0 && putsAway(table.bound, kept, changes))
      return table.rows.put(handle, { ...kept, deleted: true });
    table.rows.put(handle, kept);
    this.#showSettled({ table, handle, row: kept, left, key });
  }

  #showSettled({ table, handle, row, left, key }: SettledRow): void {
    const state: RowState = { ...stateOf(table, handle, row), flight: left.map(({ cut }) => cut) };
    const values = shown(state);
    if (values === 'keep') return;
    const { position } = row;
    const home = { topic: '', fromCatalog: false, known: true, key };
    if (values === null) {
      if (row.deleted) this.#remove({ table, centralId: handle, position, image: null, ...home }, row);
      return;
    }
    const image = row.base === null ? null : decodeImage(table.bound, row.base);
    if (image === null || image.unfit !== undefined || row.refused) return;
    const isWhole = left.length === 0 && !isUnlinked(handle);
    if (row.rowKey === null) {
      if (isWhole) this.#write({ table, centralId: handle, position, image, ...home }, row, image);
      return;
    }
    const moved = this.#show.update({ table, rowKey: row.rowKey, image, values, isWhole });
    if (moved !== undefined && !sameValue(moved, row.rowKey)) table.rows.move(handle, moved);
  }

  /** It is in its stream no more: see central-deletes.ts. */
  #take(arrival: Arrival, row: SyncRow | undefined): Applied {
    const { table, centralId, position, deletedAtMs, key } = arrival;
    const { bound } = table;
    const fate = fateOf(bound, { isDeleted: deletedAtMs !== undefined, isShown: row?.rowKey != null });
    if (fate === 'removed' || row === undefined) return this.#remove(arrival, row);
    const base = row.base === null ? null : decodeImage(bound, row.base);
    const marked = fate === 'marked' ? markedImage(bound, base, deletedAtMs ?? 0) : null;
    if (marked !== null) return this.#write({ ...arrival, image: marked }, row, marked);
    table.rows.put(centralId, { ...row, position });
    this.settle(table, centralId, key);
    return 'applied';
  }

  #remove(arrival: Arrival, row: SyncRow | undefined): Applied {
    const { table, centralId, position } = arrival;
    const uuid = row?.rowKey == null ? null : table.writer.identity(row.rowKey);
    const gone = goneRow(row, position, uuid);
    if (row === undefined) {
      table.rows.put(centralId, gone);
      return 'applied';
    }
    const { changes, left } = this.#answeredOf(table, centralId, row);
    if (left.length > 0) {
      this.#settleChanges(changes);
      table.rows.put(centralId, { ...row, position, deleted: true });
      return 'applied';
    }
    if (row.rowKey !== null) {
      const child = this.#show.unsettledChild(table, centralId, row.rowKey);
      if (child !== undefined)
        return this.#park(arrival, 'children', `unsettled rows of ${child} refer to it`);
      this.#touch(table, 'delete');
      try {
        table.writer.delete(row.rowKey);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return this.#park(arrival, 'refused', error.message);
      }
      retire(this.#parts.till.db, table, gone.identity);
    }
    this.#settleChanges(changes);
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
    if (match.kind === 'waits') return this.#park(arrival, match.reason, match.why);
    this.link(table, centralId, match.rowKey, match.identity);
    return this.apply(arrival);
  }

  #mayBeOwn(table: TillTable, position: Buffer): boolean {
    // Most tables have no insert without a link at all.
    if (!this.#parts.flight.hasUnlinkedInserts(table.name) && !table.rows.hasUnlinked) return false;
    const place = { position: decodePosition(position), fromCatalog: true, ownOrigin: false };
    return mayBeOwnRow(place, true, this.#scope.store());
  }

  #write(arrival: Arrival, row: SyncRow, arrived: Image): Applied {
    const { table, centralId, position } = arrival;
    const { changes, left } = this.#answeredOf(table, centralId, row);
    if (isPutAway(table.bound, row)) {
      table.rows.put(centralId, { ...row, position, base: encodeImage(arrived) });
      return 'applied';
    }
    const image = completed(table, { row, image: arrived, answered: changes.map(({ cut }) => cut) });
    // Most rows have nothing in flight, and then the image is what they show.
    const isWhole = left.length === 0;
    const flight = left.map(({ cut }) => cut);
    const values = isWhole ? NO_EDITS : expected({ ...LINKED, base: imageValues(image), flight });
    const kept: SyncRow = { ...row, position, deleted: false, base: encodeImage(image), refused: false };
    if (values === null) {
      this.#settleChanges(changes);
      table.rows.put(centralId, kept);
      return 'applied';
    }
    if (row.rowKey === null) return this.#insert(arrival, image);
    // Nothing is written to it but what came.
    const written = isWhole ? arrived : image;
    const {
      values: resolved,
      missing: [parent],
    } = this.#parts.tables.resolve(written);
    if (parent !== undefined) return this.#awaitParent(arrival, parent);
    const whole = { table, rowKey: row.rowKey, image: written, values, isWhole };
    this.#touch(table, 'update');
    let key: SqliteValue | undefined;
    try {
      key = this.#show.write(whole, resolved);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.#park(arrival, 'refused', error.message);
    }
    if (key === undefined) return this.#insert({ ...arrival, key: row.rowKey }, image);
    this.#settleChanges(changes);
    if (sameValue(key, row.rowKey)) table.rows.advance(centralId, position, encodeImage(image));
    else table.rows.put(centralId, { ...kept, rowKey: key });
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
    if (!wait.isFirst) askCircle(this.#scope, us, arrival, wait.circle);
    else {
      // The till's own constraint may still be in the way.
      const leftOut = missing.map(({ column }) => column.local);
      if (this.#insertValues(arrival, image, { values, isNew, leftOut }) === 'parked') return 'parked';
      // It may wait for nobody but itself.
      this.#scope.wakes.push(us);
    }
    return this.#awaitParent(arrival, wait.parent);
  }

  #insertValues(
    arrival: Arrival,
    image: Image,
    { values, isNew, leftOut = [] }: { values: readonly SqliteValue[]; isNew: boolean; leftOut?: string[] },
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
    const base = encodeImage(withoutColumns(image, leftOut));
    const row = isNew ? undefined : table.rows.get(centralId);
    const { changes } = this.#answeredOf(table, centralId, row);
    this.#settleChanges(changes);
    retakeKey(table, rowKey);
    if (isNew) table.rows.add(centralId, rowKey, { position, base });
    else {
      const identity = row?.identity ?? null;
      table.rows.put(centralId, { rowKey, position, deleted: false, base, identity, refused: false });
    }
    this.#arrive(table, centralId);
    return 'applied';
  }

  #awaitParent(arrival: Arrival, { column, table, centralId }: MissingParent): Applied {
    const waitsFor = parentKey(table, centralId);
    return this.#park(arrival, 'parent', `${column.local} refers to ${waitsFor}`, waitsFor);
  }

  #answeredOf(table: TillTable, handle: string, row: SyncRow | undefined) {
    return answeredOf(table, { handle, row, flight: this.#parts.flight.ofRow(table.name, handle) });
  }

  #settleChanges(changes: readonly FlightChange[]): void {
    for (const change of changes) this.#parts.flight.settle(change, change.answer ?? 'applied');
  }

  #park(arrival: Arrival, reason: ParkReason, message: string, waitsFor: string | null = null): Applied {
    const { table, centralId, position, topic } = arrival;
    const record = { table: table.name, centralId, position, topic, image: parkedText(arrival) };
    this.#parts.parked.put({ ...record, reason, message, waitsFor }, this.#scope.nowMs);
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

const NO_EDITS: Values = new Map();
const LINKED = { mark: null, isLinked: true } as const;
