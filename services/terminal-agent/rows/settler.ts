/** What settlement does to the till's file: outcomes in the outbox, links, and the rows as they are then shown. */
import type { Logger } from 'pino';
import type { CentralId, Origin, Outcome } from '../../shared/records/change-record.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { fateByProgress, rangeOf, type Fate, type Progress } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import type { AppTriggers } from './app-triggers.ts';
import { keyNow } from './moved-key.ts';
import { isRefusal } from './refusal.ts';
import { isInsert, type OpenChanges, type OpenEntry } from './open-changes.ts';
import type { RowApplier } from './row-applier.ts';
import type { TillTable, TillTables } from './till-tables.ts';
import type { UnlinkedRows } from './unlinked.ts';

export interface SettlerParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly open: OpenChanges;
  readonly unlinked: UnlinkedRows;
  readonly applier: RowApplier;
  readonly triggers: AppTriggers;
  readonly log: Logger;
}

export class Settler {
  readonly #parts: SettlerParts;
  #givenUp: boolean | undefined;
  /** Entries settled in this transaction. */
  settled = 0;
  /** Changes of push-only tables that were put back in this transaction, by local table. */
  readonly putBack = new Map<string, number>();

  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  /** A link record: the till's row of this identity is the central row `centralId`. */
  link(table: TillTable, identity: string, centralId: string): void {
    const { open, unlinked, applier } = this.#parts;
    const entries = open.ofIdentity(table.name, identity);
    const gone = entries.some((entry) => entry.op === 'd');
    // Of a refused insert only the insert itself is known here; the newest entry says the newest key.
    const entered = entries.some(isInsert)
      ? entries.at(-1)?.rowKey
      : unlinked.byIdentity(table.name, identity);
    if (entered === undefined || entered === null) return;
    const known = keyNow(this.#parts.till.db, table, identity, entered);
    const here = !gone && known !== null && table.writer.exists(known);
    // The app edited it after all, and the centre took it.
    if (this.#anyGivenUp) this.#forgetGivenUp(table, known);
    applier.link(table, centralId, here ? known : null, identity);
  }

  /**
   * Settles the changes that a row record answers; an insert's row is linked by it.
   * @returns the local key of a row that was deleted here, null without one, undefined where nothing was settled
   */
  byOrigins(table: TillTable, centralId: CentralId, origins: readonly Origin[]): SqliteValue | undefined {
    let key: SqliteValue | undefined;
    for (const origin of origins) {
      const entry = this.#parts.open.get(origin.seq);
      if (entry?.table !== table.name) continue;
      if (key === undefined) key = null;
      if (entry.op === 'd') key = entry.rowKey;
      const taken = origin.outcome !== 'rejected' && origin.outcome !== 'discarded';
      if (isInsert(entry) && entry.centralId === null && entry.identity !== null && taken) {
        this.link(table, entry.identity, centralId);
      }
      this.#settle(table, entry, origin.outcome);
    }
    return key;
  }

  /** Settles everything that the progress record accounts for, and shows the rows accordingly. */
  byProgress(progress: Progress): void {
    const { till, open, tables, applier, unlinked, log } = this.#parts;
    const rows = new Map<string, { table: TillTable; centralId: string; key: SqliteValue }>();
    for (const entry of open.upTo(progress.lastSeq)) {
      const fate = fateByProgress(progress, entry.seq);
      if (fate === 'open' || fate === 'held') continue;
      this.#noteReason(entry, fate, progress);
      if (entry.rejected && fate === 'rejected') continue;
      const table = tables.byLocal(entry.table);
      if (table === undefined) {
        open.settle(entry, fate);
        continue;
      }
      if (isInsert(entry) && entry.centralId === null && fate === 'applied') {
        log.warn(
          { table: entry.table, seq: entry.seq },
          'the centre counts an insert as applied that has no link',
        );
      }
      this.#settle(table, entry, fate);
      if (entry.centralId === null) {
        // Where records were lost its link comes late, ahead of the row itself.
        if (isInsert(entry) && entry.identity !== null && fate === 'applied') {
          unlinked.add(table, keyNow(till.db, table, entry.identity, entry.rowKey));
        }
        continue;
      }
      const key = entry.op === 'd' ? entry.rowKey : null;
      rows.set(`${entry.table}:${entry.centralId}`, { table, centralId: entry.centralId, key });
    }
    for (const { table, centralId, key } of rows.values()) applier.restore(table, centralId, key);
  }

  #settle(table: TillTable, entry: OpenEntry, outcome: Outcome): void {
    this.#parts.open.settle(entry, outcome);
    this.settled += 1;
    // One that is given up at the centre stays here like one that is refused, and the app sees it alike.
    const refused = (outcome === 'rejected' || outcome === 'discarded') && isInsert(entry);
    if (!refused || entry.rowKey === null || !table.writer.exists(entry.rowKey)) return;
    this.#parts.triggers.suspend(table.name, 'update');
    table.writer.setStatus(entry.rowKey, 'rejected');
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
  #noteReason(entry: OpenEntry, fate: Fate, { exceptions }: Progress): void {
    const isRefused = fate === 'discarded' || (fate === 'rejected' && !entry.explained);
    const why = isRefused && isInsert(entry) ? rangeOf(exceptions, entry.seq)?.reason : undefined;
    if (why === undefined) return;
    this.#givenUp = true;
    this.#parts.till.db
      .prepare('INSERT OR REPLACE INTO sync_given_up (table_name, row_key, reason) VALUES (?, ?, ?)')
      .run(entry.table, entry.rowKey, why);
    if (fate === 'rejected') this.#parts.open.explain(entry);
  }

  /**
   * A table that the till only receives: what was edited here is put back, newest change first, and counted.
   * The centre never hears of it.
   */
  putBackEdits(): void {
    for (const table of this.#parts.tables.all()) {
      if (table.bound.mapping.direction !== 'push') continue;
      const entries = this.#parts.open.ofTable(table.name);
      if (entries.length === 0) continue;
      for (const kind of ['insert', 'update', 'delete'] as const)
        this.#parts.triggers.suspend(table.name, kind);
      for (const entry of entries.reverse()) this.#undo(table, entry);
      const rows = new Map(entries.map((entry) => [entry.centralId, entry]));
      for (const [centralId] of rows) if (centralId !== null) this.#parts.applier.restore(table, centralId);
      this.putBack.set(table.name, (this.putBack.get(table.name) ?? 0) + entries.length);
    }
  }

  #undo(table: TillTable, entry: OpenEntry): void {
    const { open, applier, log } = this.#parts;
    const { edits } = open.change(entry, table.bound);
    const old = new Map(
      table.bound.columns.flatMap(({ local }) => {
        const edit = edits.get(local);
        return edit === undefined ? [] : [[local, edit.old] as const];
      }),
    );
    open.settle(entry, 'lost');
    this.settled += 1;
    const { writer } = table;
    try {
      if (isInsert(entry)) writer.guard.insist(() => writer.delete(entry.rowKey));
      else if (entry.op === 'u') writer.guard.insist(() => writer.set(entry.rowKey, old));
      else {
        const [keyColumn] = table.bound.local.key;
        const row = new Map(old);
        if (table.bound.surrogateKey && keyColumn !== undefined) row.set(keyColumn, entry.rowKey);
        const key = writer.guard.insist(() => writer.putBack(row));
        if (entry.centralId !== null) applier.link(table, entry.centralId, key, null);
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Another row came into its place meanwhile.
      log.warn(
        { table: table.name, centralId: entry.centralId, op: entry.op, err: error },
        'an edit of a table that only head office changes can not be undone; the row is as the centre has it after its next change, or `payflow replay`',
      );
    }
  }
}
