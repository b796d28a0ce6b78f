/**
 * One SQLite transaction of the apply side: rows, links and progress as they come, then what they set free
 * (parked rows, settled changes), then checkpoints. Nothing of it survives a rollback.
 */
import {
  LINK_TABLE,
  PROGRESS_TABLE,
  type CentralId,
  type CentralRow,
  type ChangeRecord,
  type Origin,
} from '../shared/records/change-record.ts';
import { CATALOG_POSITION_HEADER, DELETED_HEADER, type ChangeFrame } from '../shared/records/envelope.ts';
import { ORIGIN_UNITS_HEADER } from '../shared/records/origin-units.ts';
import type { StoredRecord } from '../shared/log/event-log.ts';
import { encodePosition, ZERO_POSITION } from '../shared/records/position.ts';
import { positionBytes, readChange, readRow, type Incoming, type Unreadable } from './streams/incoming.ts';
import { ParkedRetry } from './rows/parked-retry.ts';
import { AppTriggers } from './rows/app-triggers.ts';
import type { RowChange } from './rows/image.ts';
import { timestampOf, type Applied, type Arrival } from './rows/arrival.ts';
import type { ApplyTransactionParts } from './apply-transaction-parts.ts';
import type { Scope } from './rows/apply-scope.ts';
import { RowApplier } from './rows/row-applier.ts';
import { markSwept, unsweptTables } from './file/unswept.ts';
import { showPending } from './settle/pending-rows.ts';
import { putBack } from './settle/put-back.ts';
import { Settler } from './settle/settler.ts';
import type { TillTable } from './rows/till-tables.ts';
import type { UnseenRow } from './rows/unseen.ts';
import {
  judgeProgress,
  newerProgress,
  ownOrigins,
  progressToText,
  readProgress,
  type Me,
  type Progress,
} from './settlement.ts';

/** In sync_meta: up to here the centre has confirmed this file's own units; beyond, only origins may have settled. */
export const CONFIRMED_SEQ = 'confirmed_seq';

export const AHEAD = 'the centre counts changes that this file never made: it is an older copy';

/** The app has changed its schema since the tables were bound: nothing was done. */
export class SchemaMoved extends Error {}

export class ApplyTransaction {
  progress: { newest: Progress | null; done: boolean };
  /** The centre counts changes that this file never made. */
  ahead = false;
  applied = 0;
  older = 0;
  /** Commit time of the newest row. */
  newestCommitMs: number | null = null;
  /** Rows applied, by local table. */
  readonly rows = new Map<string, number>();
  /** Edits of push-only tables that were put back, by local table. */
  putBack: ReadonlyMap<string, number> = new Map();
  readonly #newest = new Map<TillTable, { arrival: Arrival; rows: number }>();
  readonly #parts: ApplyTransactionParts;
  readonly #me: Me;
  readonly #generation: number;
  readonly #scope: Scope;
  readonly #applier: RowApplier;
  readonly #settler: Settler;
  readonly #retry: ParkedRetry;
  readonly #triggers: AppTriggers;

  constructor(parts: ApplyTransactionParts) {
    this.#parts = parts;
    this.#generation = parts.till.generation;
    this.progress = { ...parts.progress };
    this.#me = { terminal: parts.till.terminalId, incarnation: parts.till.incarnation };
    this.#triggers = new AppTriggers(parts.till, parts.bulk, parts.tables);
    this.#scope = {
      nowMs: parts.nowMs,
      triggers: this.#triggers,
      store: parts.reach.store,
      touched: new Set(),
      wakes: [],
      asked: new Set(),
      uncut: new Set(),
      unswept: new Set(),
    };
    this.#applier = new RowApplier(parts);
    this.#settler = new Settler({ ...parts, applier: this.#applier, triggers: this.#triggers });
    this.#retry = new ParkedRetry({
      ...parts,
      scope: this.#scope,
      arrive: (arrival) => this.#arrive(arrival),
    });
  }

  /** Inside BEGIN IMMEDIATE: from here on the app can write nothing until the commit. */
  run(body: () => void): void {
    const { till, parked, checkpoints, cut, uncut } = this.#parts;
    if (till.generation !== this.#generation) throw new SchemaMoved();
    for (const table of unsweptTables(till.db).keys()) this.#scope.unswept.add(table);
    const { noted, edited, written } = cut();
    for (const key of uncut()) this.#scope.uncut.add(key);
    till.db.exec('INSERT INTO sync_silence (silent) VALUES (1)');
    parked.begin();
    this.#applier.begin(this.#scope);
    const here = { ...this.#parts, triggers: this.#triggers };
    showPending(here, noted);
    this.putBack = putBack(here, edited);
    body();
    this.#settleByProgress();
    this.#retry.all({ settled: this.#settler.settled > 0, written });
    this.applied += this.#retry.unblocked;
    for (const [table, { arrival, rows }] of this.#newest) {
      checkpoints.count(table.name, {
        position: arrival.position,
        lastTimestamp: timestampOf(arrival),
        rows,
      });
      this.rows.set(table.name, rows);
    }
    this.#triggers.restore();
    till.db.exec('DELETE FROM sync_silence');
  }

  /** Like `take`, for a record that was read before. */
  replay(topic: string, item: Incoming, dryRun: boolean): void {
    if (!dryRun) return this.take(topic, item);
    if (item.content.kind !== 'row' || item.position === null) return;
    const { frame } = item.content;
    const table = this.#parts.tables.byCentral(frame.table);
    // Rows of ours, and of tables that this till lacks, change nothing in it.
    if (table === undefined || 'kind' in readRow(item.record, frame, table.images, this.#parts.log)) return;
    const stored = table.rows.get(frame.id);
    const older = stored !== undefined && Buffer.compare(encodePosition(item.position), stored.position) < 0;
    if (older) this.older += 1;
    else this.applied += 1;
  }

  take(topic: string, item: Incoming): void {
    const { content } = item;
    switch (content.kind) {
      case 'row':
        this.#takeFrame(topic, item, content.frame);
        break;
      case 'unreadable':
        this.#see(topic, this.#parts.tables.byCentral(content.table), content.id);
        this.#parkUnreadable(topic, item, content);
        break;
      case 'seeded':
        if (this.#parts.unseen.reading(topic)) this.#parts.unseen.seeded(topic, content);
        this.#parts.firstImages.seeded(this.#parts.tables.byCentral(content.table)?.name ?? content.table);
        break;
      case 'seeding':
        if (this.#parts.unseen.reading(topic))
          this.#parts.unseen.seeding(topic, {
            table: content.table,
            offset: item.record.offset,
            position: item.position,
          });
        break;
      case 'stream-id':
      case 'control':
        break;
    }
  }

  /**
   * A table is looked through: what waited for that is written. In a transaction after those that enter what was found, so
   * that it is cut by then and nothing is written over it.
   */
  swept(name: string, { vanished }: { readonly vanished: number }): void {
    const { till, tables } = this.#parts;
    markSwept(till.db, name, vanished);
    this.#scope.unswept.delete(name);
    const table = tables.byLocal(name);
    if (table === undefined) return;
    // What was answered while it had to be looked through.
    for (const handle of this.#parts.flight.rowsOf(name).keys()) this.#applier.settle(table, handle);
  }

  /**
   * Rows that the stream, read again from its beginning, no longer names: they left it, or the centre has deleted them.
   * Of tables whose rows outlive that, deletes stand in the stream for ever, unless it is another one than before.
   */
  sweep(topic: string, gone: readonly UnseenRow[], { isSameStream }: { isSameStream: boolean }): void {
    const { tables, parked, log, nowMs } = this.#parts;
    const deletedAtMs = isSameStream ? undefined : nowMs;
    for (const { table: name, centralId } of gone) {
      const table = tables.byLocal(name);
      if (table === undefined) continue;
      const row = table.rows.get(centralId);
      // An image that could not be written yet is the newest that came of the row.
      const newest = parked.get(name, centralId) ?? (row?.deleted === true ? undefined : row);
      if (newest === undefined) continue;
      const { position } = newest;
      const fromCatalog = topic === this.#parts.catalogTopic;
      this.#arrive({ table, centralId, position, image: null, deletedAtMs, topic, fromCatalog, known: true });
    }
    if (gone.length > 0)
      log.warn({ topic, rows: gone.length }, 'rows that the centre deleted meanwhile are taken away');
  }

  #takeFrame(topic: string, item: Incoming, frame: ChangeFrame): void {
    const { tables, log } = this.#parts;
    const table = tables.byCentral(frame.table);
    if (table !== undefined) {
      this.#see(topic, table, frame.id);
      const change = readRow(item.record, frame, table.images, log);
      if ('kind' in change) this.#parkUnreadable(topic, item, change);
      else this.#takeRow(topic, table, item.record, frame.id, change);
    } else if (frame.table === LINK_TABLE || frame.table === PROGRESS_TABLE) {
      const change = readChange(item.record, frame, log);
      if ('kind' in change) return;
      if (frame.table === LINK_TABLE) this.#takeLink(change.after);
      else this.#takeProgress(change, item.record);
    } else if (!frame.table.startsWith('payflow_sync.')) this.#skip(frame.table);
  }

  /** The stream names the row, whatever it says of it. */
  #see(topic: string, table: TillTable | undefined, centralId: string): void {
    const { unseen } = this.#parts;
    if (table !== undefined && unseen.reading(topic)) unseen.see(topic, table.name, centralId);
  }

  #skip(central: string): void {
    if (this.#parts.skipped.has(central)) return;
    this.#parts.skipped.add(central);
    this.#parts.log.info({ table: central }, 'this till has no such table; its rows are skipped');
  }

  #takeRow(
    topic: string,
    table: TillTable,
    record: StoredRecord,
    centralId: CentralId,
    change: RowChange,
  ): void {
    const origins = this.#parts.fenced ? [] : this.#ownOrigins(record, change);
    const key = origins.length === 0 ? undefined : this.#settler.byOrigins(table, centralId, origins);
    if (change.commitTimeUs > 0n) this.newestCommitMs = Number(change.commitTimeUs / 1000n);
    if (table.bound.mapping.direction === 'pull') {
      if (key !== undefined) this.#applier.settle(table, centralId, key);
      return;
    }
    const result = this.#arrive({
      table,
      centralId,
      position: positionBytes(record),
      image: change.image,
      deletedAtMs: DELETED_HEADER in record.headers ? Number(change.commitTimeUs / 1000n) : undefined,
      topic,
      fromCatalog: topic === this.#parts.catalogTopic,
      known: origins.length > 0,
      key,
    });
    if (key !== undefined && result === 'older') this.#applier.settle(table, centralId, key);
  }

  #ownOrigins({ headers }: StoredRecord, { origins }: RowChange): readonly Origin[] {
    const units = headers[ORIGIN_UNITS_HEADER];
    return ownOrigins({ origins, units }, this.#me, this.#parts.ownUnits);
  }

  #arrive(arrival: Arrival): Applied {
    const result = this.#applier.apply(arrival);
    if (result === 'older') this.older += 1;
    if (result !== 'applied') return result;
    this.applied += 1;
    const seen = this.#newest.get(arrival.table);
    if (seen === undefined) this.#newest.set(arrival.table, { arrival, rows: 1 });
    else {
      seen.rows += 1;
      if (Buffer.compare(arrival.position, seen.arrival.position) >= 0) seen.arrival = arrival;
    }
    return result;
  }

  #takeLink(row: CentralRow | null): void {
    if (row?.['terminal_id'] !== this.#me.terminal) return;
    const table = this.#parts.tables.byCentral(String(row['table_name']));
    if (table !== undefined) this.#settler.link(table, String(row['identity']), String(row['central_id']));
  }

  #takeProgress(change: ChangeRecord, record: StoredRecord): void {
    const arrived = readProgress(change, record.headers[CATALOG_POSITION_HEADER], this.#me.terminal);
    if (arrived === null) return;
    const { newest: known } = this.progress;
    // Stored by an earlier version, without its place in the stream: what is read again can't be told from news.
    const placeless = known !== null && known.at.lsn === ZERO_POSITION.lsn;
    const own = known?.incarnation === this.#me.incarnation;
    if (placeless && own && arrived.incarnation !== known.incarnation) return;
    const newest = newerProgress(this.progress.newest, arrived);
    if (newest === this.progress.newest) return;
    this.progress = { newest, done: false };
    this.#parts.till.setMeta('progress', progressToText(newest));
  }

  #settleByProgress(): void {
    const { newest, done } = this.progress;
    if (newest === null || done || this.#parts.fenced) return;
    const { flight, reach, log } = this.#parts;
    const streams = { catalog: reach.catalog(), store: reach.store() };
    const verdict = judgeProgress(newest, this.#me, flight.highest, streams);
    if (verdict === 'ahead') {
      this.ahead = true;
      log.error({ lastSeq: newest.lastSeq, highestSeq: flight.highest }, AHEAD);
    }
    if (verdict === 'settle') {
      this.#settler.byProgress(newest);
      this.#parts.till.setMeta(CONFIRMED_SEQ, String(newest.lastSeq));
    }
    this.progress.done = verdict !== 'wait';
  }

  #parkUnreadable(topic: string, item: Incoming, { table, id, error }: Unreadable): void {
    const local = this.#parts.tables.byCentral(table);
    if (local === undefined || item.position === null) return;
    this.#parts.parked.put(
      {
        table: local.name,
        centralId: id,
        position: encodePosition(item.position),
        topic,
        image: item.record.value?.toString('base64') ?? '',
        reason: 'unreadable',
        message: error.message,
        waitsFor: null,
      },
      this.#parts.nowMs,
    );
  }
}

/** Counts by local table, put together. */
export function addCounts(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [table, count] of counts) sums.set(table, (sums.get(table) ?? 0) + count);
}
