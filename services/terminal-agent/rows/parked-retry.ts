/** Tries parked rows again: those that something in this transaction may have set free. */
import { decodePosition } from '../../shared/records/position.ts';
import { mayBeOwnRow, type StreamReach } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import type { Flight } from '../settle/flight.ts';
import type { ParkedRow, ParkedRows } from './parked.ts';
import { fromParked, type Applied, type Arrival } from './arrival.ts';
import type { Scope } from './apply-scope.ts';
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
  readonly arrive: (arrival: Arrival) => Applied;
}

/** Rows of one kind tried again in one go, so that thousands of hopeless ones do not slow the stream. */
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
   * @param written local tables in which the app may have made room
   */
  all({ settled, written }: { readonly settled: boolean; readonly written: readonly string[] }): void {
    const { parked, tables: bound } = this.#parts;
    if (!parked.any) return;
    const { unswept } = this.#parts.scope;
    for (const row of parked.uncutOutside(unswept)) this.#retry(row);
    for (const row of parked.ofBootstrap(bound.pastBootstrap(), MAX_RETRIES)) this.#retry(row);
    for (const row of parked.ofReason('own')) if (!this.#stillMaybeOwn(row)) this.#retry(row);
    if (settled) for (const row of parked.ofReason('children')) this.#retry(row);
    const tables = new Set(written);
    if (bound.isFresh) {
      for (const row of parked.waiting(MAX_RETRIES)) this.#retry(row);
      for (const { name } of bound.all()) tables.add(name);
    }
    this.#retryWoken();
    for (let found = true; found;) {
      for (const table of this.#parts.scope.touched) tables.add(table);
      found = false;
      // A row that finds room may make room itself, and be the parent that others waited for.
      for (const table of tables) found = this.#retryRefused(table) || found;
      found ||= this.#parts.scope.wakes.length > 0;
      this.#retryWoken();
    }
  }

  /** Children of the rows that came, and rows that waited for their own link. */
  #retryWoken(): void {
    const { parked, scope } = this.#parts;
    const { wakes } = scope;
    for (let key = wakes.shift(); key !== undefined; key = wakes.shift()) {
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
      ...fromParked(table.bound, row.image),
      topic: row.topic,
      fromCatalog: row.topic === this.#parts.catalogTopic,
      known: row.reason !== 'own',
    });
    if (result === 'older') this.#parts.parked.remove(row.table, row.centralId);
    return result;
  }

  #stillMaybeOwn(row: ParkedRow): boolean {
    const rows = this.#parts.tables.byLocal(row.table)?.rows;
    // Its link has come: there is nothing left to wait for.
    if (rows?.get(row.centralId) !== undefined) return false;
    const place = { position: decodePosition(row.position), fromCatalog: true, ownOrigin: false };
    const hasUnlinked = this.#parts.flight.hasUnlinkedInserts(row.table) || rows?.hasUnlinked === true;
    return mayBeOwnRow(place, hasUnlinked, this.#parts.reach.store());
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
