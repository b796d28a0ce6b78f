/** Tries parked rows again: those that something in this transaction may have set free. */
import { decodePosition } from '../../shared/records/position.ts';
import { mayBeOwnRow, type StreamReach } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import { decodeImage } from './image.ts';
import type { Flight } from '../settle/flight.ts';
import type { ParkedRow, ParkedRows } from './parked.ts';
import type { Applied, Arrival } from './arrival.ts';
import type { Scope } from './row-applier.ts';
import type { TillTables } from './till-tables.ts';
import { unblock } from './unblock.ts';

export interface ParkedRetryParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly flight: Flight;
  readonly parked: ParkedRows;
  readonly catalogTopic: string;
  readonly reach: { readonly store: () => StreamReach };
  readonly scope: Scope;
  /** Local tables in which the app may have made room. */
  readonly written: ReadonlySet<string>;
  readonly arrive: (arrival: Arrival) => Applied;
}

/** Refused rows tried again in one go, so that thousands of hopeless ones do not slow the stream. */
const MAX_RETRIES = 500;

export class ParkedRetry {
  /** Rows that were written together with the rows in their way. */
  unblocked = 0;
  readonly #parts: ParkedRetryParts;

  constructor(parts: ParkedRetryParts) {
    this.#parts = parts;
  }

  /**
   * Each row goes through the same door as when it first came.
   * @param settled whether changes were settled in this transaction
   */
  all(settled: boolean): void {
    const { parked, tables: bound } = this.#parts;
    const { isFresh } = bound;
    bound.isFresh = false;
    if (!parked.any) return;
    for (const row of parked.ofReason('uncut')) this.#retry(row);
    for (const row of parked.ofReason('own')) if (!this.#stillMaybeOwn(row)) this.#retry(row);
    if (settled) for (const row of parked.ofReason('children')) this.#retry(row);
    this.#retryArrived();
    const tables = new Set(this.#parts.written);
    if (isFresh) for (const { name } of bound.all()) tables.add(name);
    for (let found = true; found;) {
      for (const table of this.#parts.scope.touched) tables.add(table);
      found = false;
      // A row that finds room may make room itself, and be the parent that others waited for.
      for (const table of tables) found = this.#retryRefused(table) || found;
      this.#retryArrived();
    }
  }

  /** Children of the rows that came, and rows that waited for their own link. */
  #retryArrived(): void {
    const { parked, scope } = this.#parts;
    const { arrived } = scope;
    for (let key = arrived.shift(); key !== undefined; key = arrived.shift()) {
      for (const row of parked.freedBy(key)) this.#retry(row);
    }
  }

  #retry(row: ParkedRow): Applied {
    const table = this.#parts.tables.byLocal(row.table);
    if (table === undefined) return 'parked';
    const result = this.#parts.arrive({
      table,
      centralId: row.centralId,
      position: row.position,
      image: decodeImage(table.bound, row.image),
      topic: row.topic,
      fromCatalog: row.topic === this.#parts.catalogTopic,
      known: row.reason !== 'own',
    });
    if (result === 'older') this.#parts.parked.remove(row.table, row.centralId);
    return result;
  }

  #stillMaybeOwn(row: ParkedRow): boolean {
    // Its link has come: there is nothing left to wait for.
    if (this.#parts.tables.byLocal(row.table)?.rows.get(row.centralId) !== undefined) return false;
    const place = { position: decodePosition(row.position), fromCatalog: true, ownOrigin: false };
    return mayBeOwnRow(place, this.#parts.flight.hasUnlinkedInserts(row.table), this.#parts.reach.store());
  }

  /** @returns whether a row found room */
  #retryRefused(name: string): boolean {
    const { parked, tables, till, scope, flight } = this.#parts;
    const table = tables.byLocal(name);
    const rows = parked.refusedIn(name, MAX_RETRIES);
    if (table === undefined || rows.length === 0) return false;
    const left = new Map(
      rows.filter((row) => this.#retry(row) === 'parked').map((row) => [row.centralId, row] as const),
    );
    for (const row of left.values()) {
      for (const centralId of unblock(
        { db: till.db, tables, table, triggers: scope.triggers, flight },
        row,
        left,
      )) {
        left.delete(centralId);
        parked.remove(name, centralId);
        this.unblocked += 1;
      }
    }
    return left.size < rows.length;
  }
}
