/** What settlement does to the till's file: outcomes, links, and the rows as they are then shown. */
import type { CentralId, Origin, Outcome } from '../../shared/records/change-record.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import { fateByProgress, rangeOf, type Progress } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import type { AppTriggers } from '../rows/app-triggers.ts';
import type { RowApplier } from '../rows/row-applier.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import type { UnlinkedRows } from '../rows/unlinked.ts';
import { isInsert, isRefusal, type Flight, type FlightChange } from './flight.ts';

export interface SettlerParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly flight: Flight;
  readonly unlinked: UnlinkedRows;
  readonly applier: RowApplier;
  readonly triggers: AppTriggers;
}

export class Settler {
  readonly #parts: SettlerParts;
  #givenUp: boolean | undefined;
  /** Changes answered in this transaction. */
  settled = 0;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  /** A link record: the till's row of this identity is the central row `centralId`. */
  link(table: TillTable, identity: string, centralId: string): void {
    const { applier } = this.#parts;
    const own = table.rows.get(unlinkedHandle(identity));
    if (own === undefined && table.rows.named(identity) !== undefined) return;
    const rowKey = own === undefined ? this.#earlierRow(table, identity) : own.rowKey;
    if (own === undefined && rowKey === null) return;
    const here = rowKey !== null && table.writer.exists(rowKey);
    // The app edited it after all, and the centre took it.
    if (this.#anyGivenUp) this.#forgetGivenUp(table, rowKey);
    applier.link(table, centralId, here ? rowKey : null, identity);
  }

  /** One that was here before the agent. Since it was found, another row may have got its key. */
  #earlierRow(table: TillTable, identity: string): SqliteValue {
    const rowKey = this.#parts.unlinked.byIdentity(table.name, identity);
    return rowKey !== null && table.writer.identity(rowKey) === identity ? rowKey : null;
  }

  /**
   * Notes what a row record answers; an insert's row is linked by it. The row's own image, which comes with it, brings it up.
   * @returns the local key of a row that was deleted here, null without one, undefined where nothing was answered
   */
  byOrigins(table: TillTable, centralId: CentralId, origins: readonly Origin[]): SqliteValue | undefined {
    let key: SqliteValue | undefined;
    for (const origin of origins) {
      const change = this.#parts.flight.get(origin.seq);
      if (change?.table !== table.name || change.answer !== null) continue;
      if (key === undefined) key = null;
      if (change.op === 'd') key = change.rowKey;
      if (isInsert(change) && isUnlinked(change.handle) && !isRefusal(origin.outcome))
        this.link(table, change.identity, centralId);
      this.#answer(table, change, origin.outcome);
    }
    return key;
  }

  /** Settles everything that the progress record accounts for, and shows the rows accordingly. */
  byProgress(progress: Progress): void {
    const { flight, tables, applier, unlinked } = this.#parts;
    this.#byRefused(progress);
    flight.confirmSentAgain(progress.lastSeq);
    const rows = new Map<string, { table: TillTable; handle: string; key: SqliteValue }>();
    for (const change of flight.openUpTo(progress.lastSeq)) {
      const fate = fateByProgress(progress, change.number);
      if (fate === 'open' || fate === 'held') continue;
      this.#noteReason(change, fate, progress);
      const table = tables.byLocal(change.table);
      if (table === undefined) {
        flight.settle(change, fate);
        continue;
      }
      this.#answer(table, change, fate);
      const key = change.op === 'd' ? change.rowKey : null;
      rows.set(`${change.table}:${change.handle}`, { table, handle: change.handle, key });
    }
    for (const { table, handle, key } of rows.values()) {
      applier.settle(table, handle, key);
      // Where records were lost its link comes late, ahead of the row itself.
      const row = isUnlinked(handle) ? table.rows.get(handle) : undefined;
      if (row !== undefined && !row.refused) unlinked.add(table, row.rowKey);
    }
  }

  #byRefused(progress: Progress): void {
    for (const change of this.#parts.flight.refusedUpTo(progress.lastSeq)) {
      const fate = fateByProgress(progress, change.number);
      if (fate === 'open' || fate === 'held') continue;
      this.#noteReason(change, fate, progress);
      if (fate !== 'rejected') this.#parts.flight.endRefusal(change, fate);
    }
  }

  #answer(table: TillTable, change: FlightChange, outcome: Outcome): void {
    this.#parts.flight.answer(change, outcome);
    this.settled += 1;
    // One that is given up at the centre stays here like one that is refused, and the app sees it alike.
    const rowKey = table.rows.get(change.handle)?.rowKey ?? null;
    if (!isRefusal(outcome) || !isInsert(change) || rowKey === null || !table.writer.exists(rowKey)) return;
    this.#parts.triggers.suspend(table.name, 'update');
    table.writer.setStatus(rowKey, 'rejected');
  }

  /** Asked once in a transaction: links are many, and rows that were given up most often none. */
  get #anyGivenUp(): boolean {
    return (this.#givenUp ??=
      this.#parts.till.db.prepare('SELECT 1 FROM sync_given_up LIMIT 1').get() !== undefined);
  }

  #forgetGivenUp(table: TillTable, rowKey: SqliteValue): void {
    this.#parts.till.db
      .prepare('DELETE FROM sync_given_up WHERE table_name = ? AND row_key = ?')
      .run(table.name, rowKey);
  }

  /** For the app: why a row of its own is not at the centre. Asked with every progress record, so noted once. */
  #noteReason(change: FlightChange, fate: Outcome, { exceptions }: Progress): void {
    if (!isRefusal(fate) || !isInsert(change)) return;
    const why = rangeOf(exceptions, change.number)?.reason;
    if (why === undefined) return;
    if (!this.#parts.flight.explain(change) && fate === 'rejected') return;
    this.#givenUp = true;
    const rowKey = this.#parts.tables.byLocal(change.table)?.rows.get(change.handle)?.rowKey ?? change.rowKey;
    this.#parts.till.db
      .prepare('INSERT OR REPLACE INTO sync_given_up (table_name, row_key, reason) VALUES (?, ?, ?)')
      .run(change.table, rowKey, why);
  }
}
