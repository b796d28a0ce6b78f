/**
 * Puts the down streams into the till's file (DESIGN §3.7): whole central transactions, each SQLite transaction
 * with the stream's offset and the tables' checkpoints in it. Rows are guarded one by one by their position,
 * so that reading again repairs and never regresses. Settlement is in `rows/settler.ts`, one row in
 * `rows/row-applier.ts`; here is the order of things.
 */
import type { StoredRecord } from '../shared/log/event-log.ts';
import type { TillApplyOptions } from './apply-options.ts';
import { addCounts, AHEAD, ApplyTransaction, SchemaMoved } from './apply-transaction.ts';
import { noteBoundColumns } from './streams/bound-columns.ts';
import { Checkpoints } from './streams/checkpoints.ts';
import {
  decodeIncoming,
  isMapping,
  mappingIn,
  tablesOfMany,
  type Incoming,
  streamStateAfter,
} from './streams/incoming.ts';
import { Horizon } from './streams/horizon.ts';
import { PendingRecords, type InParts } from './streams/pending.ts';
import { replayRecords } from './streams/replay.ts';
import { Reread } from './streams/reread.ts';
import { ParkedRows } from './rows/parked.ts';
import { Sweep } from './file/sweep.ts';
import type { Flight } from './settle/flight.ts';
import { TriggerFault } from './rows/refusal.ts';
import { TillTables } from './rows/till-tables.ts';
import { NotScanned, UnlinkedRows } from './rows/unlinked.ts';
import { UnseenRows } from './rows/unseen.ts';
import { doubtIn } from './progress-check.ts';
import { progressFromText, type Progress } from './settlement.ts';
import { TillStanding } from './standing.ts';
import { inBoundSnapshot } from './till/bound-snapshot.ts';
import type { TillHost } from './till/till-host.ts';
import { waitForApp } from './till/write-gate.ts';

const DEFAULT_BATCH_SIZE = 1000;
const DEFAULT_TX_ROWS = 5000;
/** Rows of one table in one transaction from which taking our triggers away pays. */
const BULK_ROWS = 500;

export class TillApply {
  readonly checkpoints: Checkpoints;
  readonly flight: Flight;
  readonly parked: ParkedRows;
  /** What is stored of a stream is in doubt, and it is read from its beginning. */
  readonly reread: Reread;
  readonly horizon: Horizon;
  readonly sweep: Sweep;
  /** Mapped tables that were named in a record but are not on this till. */
  readonly skipped = new Set<string>();
  /** Rows applied since the start, by local table. */
  readonly applied = new Map<string, number>();
  /** Local edits of push-only tables that were put back since the start. */
  readonly putBack = new Map<string, number>();
  readonly standing: TillStanding;
  /** What was found wrong with the file. */
  doubt: string | null = null;
  progress: Progress | null = null;
  readonly #options: TillApplyOptions;
  readonly #till: TillHost;
  readonly #txRows: number;
  readonly #unlinked: UnlinkedRows;
  readonly #unseen: UnseenRows;
  readonly #pending: PendingRecords;
  readonly #newestCommitMs = new Map<string, number>();
  #tables: TillTables;
  #generation = -1;
  /** How often the streams had to be read again from the beginning, and what of it each reader knows. */
  #rewinds = 0;
  readonly #seenRewinds = new Map<string, number>();
  #progressDone = false;

  constructor(options: TillApplyOptions) {
    this.#options = options;
    this.#till = options.till;
    this.#txRows = options.txRows ?? DEFAULT_TX_ROWS;
    this.standing = options.standing ?? new TillStanding();
    this.#pending = new PendingRecords({
      batchSize: options.batchSize ?? DEFAULT_BATCH_SIZE,
      txRows: this.#txRows,
    });
    this.checkpoints = new Checkpoints(this.#till.db);
    this.flight = options.capture.flight;
    this.parked = new ParkedRows(this.#till.db);
    this.#unlinked = new UnlinkedRows(this.#till.db, this.flight);
    this.#unseen = new UnseenRows(this.#till.db);
    this.horizon = new Horizon({ ...options, unseen: this.#unseen });
    this.reread = new Reread({
      till: this.#till,
      unseen: this.#unseen,
      gate: (signal) => waitForApp(this.#till.gate, signal),
      tablesIn: (topic) => this.#boundNow().pushed({ global: topic === options.topics.catalog }),
      checkpoints: this.checkpoints,
      transaction: (body) => this.#transaction(body),
    });
    this.#tables = this.#bind();
    this.sweep = new Sweep({
      ...options,
      flight: this.flight,
      tables: () => this.#boundNow(),
      isFenced: () => this.fenced,
      transaction: (body) => this.#transaction(body),
    });
    options.capture.firstImages.readBy(() => this.isRead);
    const stored = this.#till.getMeta('progress');
    if (stored !== undefined) this.progress = progressFromText(stored);
  }

  /**
   * Applies records of one stream, in the stream's order. A central transaction whose end is still to come is
   * kept back; after an error the caller asks `resume` where to read again.
   * @returns false when the stream must be read again from `resume`: tables or columns are new here
   */
  async applyBatch(topic: string, records: readonly StoredRecord[], signal?: AbortSignal): Promise<boolean> {
    const { schemas, log, capture } = this.#options;
    const pending = this.#pending.of(topic, records);
    try {
      for (const item of await decodeIncoming(records, schemas, log)) pending.push(item);
      while (this.#pending.take(pending, { appIsWriting: false }) > 0) {
        const appIsWriting = await waitForApp(this.#till.gate, signal);
        if (signal?.aborted === true) return true;
        const items = pending.slice(0, this.#pending.take(pending, { appIsWriting }));
        if (!this.#mayApply(topic, items)) return false;
        const first = this.sweep.due(signal) ?? capture.columns.learn(items, this.#tables, signal);
        if (first !== undefined) {
          await first;
          continue;
        }
        this.#applyOne(topic, items, appIsWriting);
        this.#pending.applied(topic, items);
      }
      await this.reread.sweep(topic, signal);
      return true;
    } catch (error) {
      this.#pending.forget(topic);
      throw error;
    }
  }

  /**
   * Applies records again, whatever was read before; the offset of the stream stays where it is.
   * @param dryRun counts only
   */
  async replay(
    topic: string,
    records: readonly StoredRecord[],
    { dryRun }: { readonly dryRun: boolean } = { dryRun: false },
  ): Promise<{ applied: number; skipped: number }> {
    const items = await decodeIncoming(records, this.#options.schemas, this.#options.log);
    if (!dryRun) await this.#options.capture.columns.learnAll(items, () => this.#boundNow());
    return replayRecords({
      topic,
      items,
      txRows: this.#txRows,
      dryRun,
      till: this.#till,
      check: (some) => this.#checkProgress(some),
      transaction: (body) => this.#transaction(body),
    });
  }

  /** After the app wrote. @returns whether some rows that waited for bootstrap came in, and others still may */
  applyLocal(): boolean {
    const waiting = () => this.parked.countOfBootstrap(this.#boundNow().pastBootstrap());
    const before = waiting();
    if (before > 0 || this.#options.capture.isBehind) this.#transaction(() => undefined);
    const left = waiting();
    return left > 0 && left < before;
  }

  /** After a start or an error; drops what was kept back. @returns the offset of the first record not applied yet */
  resume(topic: string): number {
    this.#boundNow();
    this.#pending.forget(topic);
    this.#seenRewinds.set(topic, this.#rewinds);
    return this.checkpoints.stream(topic).nextOffset;
  }

  /** Tables on which triggers of the app stand still, and why. */
  get resting(): { table: string; why: string }[] {
    return this.#tables.resting();
  }

  get inParts(): InParts {
    return this.#pending.inParts;
  }

  /** Nothing is settled while the till may not be the one that made the changes. */
  get fenced(): boolean {
    return this.standing.current.kind !== 'ok';
  }

  /** Changes that the centre has not answered, in order. */
  unsettled(upTo = Infinity): { seq: number; table: string }[] {
    return this.flight.unsettled(upTo);
  }

  /** Local tables of the centre alone whose rows have to come before what refers to them can go up. */
  get awaited(): readonly string[] {
    return this.#options.capture.firstImages.awaited;
  }

  /** All is applied that stood in both streams when their readers started. */
  get isRead(): boolean {
    const { catalog, store } = this.#options.topics;
    return [catalog, store].every((topic) => this.checkpoints.isRead(topic));
  }

  /** ms from the newest applied record's commit at the centre until it was applied here. */
  lagMs(topic: string): number | null {
    return this.#newestCommitMs.get(topic) ?? null;
  }

  /** A mapping is taken before anything after it is read; it may show that the streams have to be read anew. */
  #mayApply(topic: string, [first]: readonly Incoming[]): boolean {
    if (first !== undefined && isMapping(first)) this.#takeMapping(first);
    this.#boundNow();
    return this.#knowsRewinds(topic);
  }

  #knowsRewinds(topic: string): boolean {
    return (this.#seenRewinds.get(topic) ?? 0) === this.#rewinds;
  }

  #applyOne(topic: string, items: readonly Incoming[], appIsWriting: boolean): void {
    this.#checkProgress(items);
    const after = streamStateAfter(this.checkpoints.stream(topic), items);
    const done = this.#transaction(
      (work) => {
        // The schema may have moved since: then the stream is read from its beginning.
        if (!this.#knowsRewinds(topic)) return;
        for (const item of items) work.take(topic, item);
        this.checkpoints.saveStream(after);
      },
      { bulk: appIsWriting ? NONE : this.#localNames(tablesOfMany(items, BULK_ROWS)) },
    );
    const { now = Date.now } = this.#options;
    if (done.newestCommitMs !== null)
      this.#newestCommitMs.set(topic, Math.max(0, now() - done.newestCommitMs));
  }

  /** Before any of it settles anything: the progress stands behind the rows that it accounts for. */
  #checkProgress(items: readonly Incoming[]): void {
    const { ownUnits, log } = this.#options;
    if (this.fenced) return;
    const doubt = doubtIn(items, { me: this.#till, known: this.progress, ownUnits, log });
    if (doubt !== null) this.#fence(doubt);
  }

  #fence(why: string): void {
    this.doubt = why;
    this.standing.set({ kind: 'fenced', why });
  }

  #transaction(
    body: (work: ApplyTransaction) => void,
    { bulk = NONE }: { bulk?: ReadonlySet<string> } = {},
  ): ApplyTransaction {
    this.#boundNow();
    const { log, topics, now = Date.now } = this.#options;
    const work = new ApplyTransaction({
      till: this.#till,
      tables: this.#tables,
      flight: this.flight,
      cut: () => this.#options.capture.settleIn(),
      uncut: () => this.#options.capture.uncutRows(),
      parked: this.parked,
      unlinked: this.#unlinked,
      unseen: this.#unseen,
      firstImages: this.#options.capture.firstImages,
      ownUnits: this.#options.ownUnits,
      checkpoints: this.checkpoints,
      catalogTopic: topics.catalog,
      reach: {
        catalog: () => this.checkpoints.reach(topics.catalog),
        store: () => this.checkpoints.reach(topics.store),
      },
      skipped: this.skipped,
      fenced: this.fenced,
      bulk,
      progress: { newest: this.progress, done: this.#progressDone },
      nowMs: now(),
      log,
    });
    try {
      this.#till.writeRepeatable(() => work.run(() => body(work)), { inBulk: bulk.size > 0 });
    } catch (error) {
      this.flight.reload();
      this.#unseen.reload();
      this.#unlinked.rolledBack();
      const why = error instanceof TriggerFault ? this.#tables.rest(error) : null;
      if (error instanceof NotScanned) this.#unlinked.scan(error);
      else if (why === null && !(error instanceof SchemaMoved)) throw error;
      if (why !== null) log.warn({ err: error }, why);
      return this.#transaction(body, { bulk });
    }
    this.#afterCommit(work);
    return work;
  }

  #afterCommit(work: ApplyTransaction): void {
    this.progress = work.progress.newest;
    this.#progressDone = work.progress.done;
    this.#tables.isFresh = false;
    this.#unlinked.committed();
    if (work.ahead) this.#fence(AHEAD);
    addCounts(this.applied, work.rows);
    addCounts(this.putBack, work.putBack);
  }

  #takeMapping(item: Incoming): void {
    const found = mappingIn(item, this.#options.log);
    if (found === null) return;
    if (this.horizon.hear(found, item.position)) this.#rewinds += 1;
    const newest = this.#till.unreadMapping?.version ?? this.#till.mappingVersion;
    if (found.version > newest) this.#till.adoptMapping(found.version, found.source);
  }

  #localNames(central: readonly string[]): ReadonlySet<string> {
    return new Set(central.flatMap((table) => this.#tables.byCentral(table)?.name ?? []));
  }

  #boundNow(): TillTables {
    if (this.#generation !== this.#till.generation) this.#tables = this.#bind();
    return this.#tables;
  }

  /** Also notices tables and columns that were not there before: their rows stand in the streams already. */
  #bind(): TillTables {
    const { tables, generation } = inBoundSnapshot(this.#till, () => {
      const bound = new TillTables(this.#till.db, this.#till.binding);
      this.#unlinked.load(bound.all());
      return { tables: bound, generation: this.#till.generation };
    });
    const added = noteBoundColumns(this.#till, tables.all(), this.checkpoints);
    if (added.length > 0) {
      this.#rewinds += 1;
      this.#options.log.info(
        { added },
        'tables or columns are new here; the streams are read from the beginning',
      );
    }
    this.#generation = generation;
    return tables;
  }
}
const NONE: ReadonlySet<string> = new Set();
