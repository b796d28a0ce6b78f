/**
 * One run of capture on one replication session: the parts, and the loop that drives them. Nothing of it
 * survives an error; the next session starts from what the slot and the streams say.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { PayflowError } from '../shared/errors.ts';
import type { Health, Service } from '../shared/lifecycle.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { publicationName, slotName } from '../shared/database/slot-names.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import type { Lsn } from '../shared/records/position.ts';
import { SchemaRegistry } from '../shared/records/schema-registry.ts';
import { Acker } from './wal/acker.ts';
import type { CaptureCounts } from './capture-metrics.ts';
import { hasLost, noteOtherHistory, rememberStreams, type CentreState } from './centre-state.ts';
import { ChunkRunner } from './seeding/chunks.ts';
import { DownStreams } from './streams/down-streams.ts';
import { Heartbeats } from './streams/heartbeat.ts';
import { Introductions } from './streams/introductions.ts';
import { AwaitedParents } from './routing/awaited-parents.ts';
import { TransactionOrigins } from './routing/origins.ts';
import { PgoutputDecoder } from './wal/pgoutput-decoder.ts';
import type { ReplicationStream } from './wal/replication-stream.ts';
import { Routes } from './routing/routes.ts';
import type { RowRouter } from './routing/row-router.ts';
import { routingParts } from './session-routing.ts';
import { Seeding } from './seeding/seeding.ts';
import { StreamKeys } from './streams/stream-keys.ts';
import type { StreamLimits } from './streams/stream-limits.ts';
import type { StreamWriter } from './streams/stream-writer.ts';
import { TopicNotes } from './streams/topic-notes.ts';
import { TopicWatch } from './streams/topic-watch.ts';
import { ResendWatch, type StreamTail } from './streams/tail-check.ts';
import { TransactionRouter } from './routing/transaction.ts';
import { TransactionWriter } from './streams/transaction-writer.ts';
import { CatalogWatch, type StateOfTable } from './watch/catalog-watch.ts';
import type { PgoutputMemory } from './watch/pgoutput-memory.ts';
import { Watermarks } from './seeding/watermarks.ts';

export interface SessionOptions {
  readonly pool: Pool;
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly horizonDays: number;
  readonly state: CentreState;
  readonly wal: ReplicationStream;
  readonly captureId: string;
  readonly heartbeatMs: number;
  readonly counts: CaptureCounts;
  readonly limits: StreamLimits;
  readonly pgoutput: PgoutputMemory;
  readonly onTopics?: ((health: Health) => void) | undefined;
  /** An append has to wait for the log. */
  readonly onTrouble: (error: PayflowError) => void;
  /** Appends go through again. */
  readonly onRecovered: () => void;
  /** All states that tables have now. */
  readonly onStates: (states: readonly StateOfTable[]) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export class CaptureSession {
  readonly streams: DownStreams;
  readonly services: readonly Service[];
  readonly rows: RowRouter;
  readonly watch: CatalogWatch;
  readonly #wal: ReplicationStream;
  readonly #acker = new Acker();
  readonly #decoder = new PgoutputDecoder();
  readonly #router: TransactionRouter;
  readonly #chunks: ChunkRunner;
  readonly #introductions: Introductions;
  readonly #seeding: Seeding;
  readonly #awaited: AwaitedParents;
  readonly #resend = new ResendWatch();
  readonly #pool: Pool;
  readonly #state: CentreState;
  /** Streams that the centre has been told of in this session. */
  readonly #known = new Set<string>();
  #isRunning = false;
  readonly #writer: TransactionWriter;
  readonly #counts: CaptureCounts;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => undefined;
  #inTransaction = false;
  /** As soon as all before it is durable, a session that begins there takes over. */
  #endsAt: Lsn | undefined;

  static async create(options: SessionOptions): Promise<CaptureSession> {
    const schemas = new SchemaRegistry(options);
    const { pool, state } = options;
    const routes = await Routes.read({ pool, schemas, mapping: state.mapping });
    routes.cache.decodedUpTo(state.seen);
    const session = new CaptureSession(options, routes, schemas);
    await session.#awaited.load();
    await session.streams.openCatalog();
    await session.#know(session.streams.catalog);
    await session.#introductions.prepare(session.streams.catalog, routes);
    return session;
  }

  private constructor(options: SessionOptions, routes: Routes, schemas: SchemaRegistry) {
    const { pool, state, limits, log, signal } = options;
    const { epoch } = state;
    const notes = new TopicNotes({ pool, epoch });
    this.#wal = options.wal;
    this.#pool = pool;
    this.#state = state;
    this.#counts = options.counts;
    this.#failed = new Promise((_, reject) => (this.#fail = reject));
    // Somebody may fail before the loop looks.
    this.#failed.catch(() => undefined);
    const watermarks = new Watermarks(state.committing);
    const origins = new TransactionOrigins();
    this.#awaited = new AwaitedParents(pool);
    this.#chunks = new ChunkRunner({
      pool,
      watermarks,
      log,
      signal,
      cache: () => this.rows.routes.cache,
      isUnstored: () => this.#awaited.isUnstored,
    });
    this.streams = new DownStreams({
      ...options,
      notes,
      knownId: (topic) => state.remembered.get(topic)?.streamId,
      onDurable: (writer, records) => this.#durable(writer, records),
      onFailure: (error) => this.#fail(limits.learn(error)),
      isHeld: () => this.#awaited.isUnstored,
      onForeign: (keys) => seeding.repair(keys),
    });
    const { streams } = this;
    this.#writer = new TransactionWriter({ epoch, acker: this.#acker, streams, log });
    this.#introductions = new Introductions({
      pool,
      epoch,
      writer: this.#writer,
      hasLost: (stream) => hasLost(stream, state),
    });
    const openStore = (storeId: string) => this.openStore(storeId);
    const { looks, sender, rows } = routingParts({
      ...options,
      routes,
      origins,
      watermarks,
      streams,
      openStore,
      awaited: this.#awaited,
      writer: this.#writer,
      oblige: () => this.#obligation(),
      onWork: () => seeding.hurry(),
    });
    this.rows = rows;
    this.watch = new CatalogWatch({
      ...options,
      epoch,
      publication: publicationName(options.prefix),
      mapping: () => rows.routes.mapping,
      everyMs: options.heartbeatMs,
      onSweep: (work) => seeding.truncated(work),
      onPartition: (work) => seeding.partition(work),
      onStale: (lsn) => (this.#endsAt ??= lsn),
    });
    const { watch } = this;
    const seeding = new Seeding({
      pool,
      epoch,
      watch,
      chunks: this.#chunks,
      rows,
      writer: this.#writer,
      streams,
      keys: new StreamKeys(options),
      looks,
      sender,
      log,
    });
    this.#seeding = seeding;
    const topics = new TopicWatch({
      ...options,
      streams,
      schemas,
      notes,
      routes: () => rows.routes,
      takeOmitted: (topic) => this.#writer.takeOmitted(topic),
      everyMs: options.heartbeatMs,
      onHealth: options.onTopics,
    });
    const heartbeats = new Heartbeats({
      pool,
      streams,
      slot: slotName(options.prefix),
      everyMs: options.heartbeatMs,
      acknowledged: () => this.acknowledged,
      isAwaited: () => this.#endsAt !== undefined,
      log,
    });
    this.#router = new TransactionRouter({
      writer: this.#writer,
      rows,
      sender,
      origins,
      watermarks,
      heartbeats,
      introductions: this.#introductions,
      openStore,
      reload: (source) =>
        Routes.read({ pool, schemas, mapping: source === null ? rows.routes.mapping : parseMapping(source) }),
      onSeedingWanted: (xid) => seeding.want(xid),
      onRelation: (relation) =>
        watch.described(relation, this.#writer.position.lsn, () => this.#obligation()),
      onOldRowMissing: (table) => watch.tell(table, this.#writer.position.lsn, () => this.#obligation()),
      onParentEmptied: (table) => looks.wantAll(table),
      onTruncate: (table, at) => seeding.truncated({ table, at, done: this.#obligation() }),
      onChunk: (id, verdict, endLsn) => this.#chunks.decided(id, verdict, endLsn),
      log,
    });
    this.services = [{ name: 'wal', run: (stop) => this.#readWal(stop) }, heartbeats, seeding, watch, topics];
  }

  /** It ends with this error, whatever it waits for. */
  end(error: PayflowError): void {
    this.#fail(error);
  }

  /** Up to here PostgreSQL may forget. */
  get acknowledged(): Lsn {
    return this.#acker.ackLsn;
  }

  get newestCommitMs(): number {
    return this.#writer.commitTimeMs;
  }

  async openStore(storeId: string): Promise<StreamWriter> {
    const stream = await this.streams.openStore(storeId);
    await this.#know(stream);
    await this.#introductions.prepare(stream, this.rows.routes);
    if (this.#inTransaction) this.#introductions.write();
    return stream;
  }

  /** What is known before anything is read from the WAL. @throws PayflowError PUBLICATION_LOST */
  async start(): Promise<void> {
    await this.watch.start();
    await this.#seeding.prepare();
  }

  /** The tails that have to come again. */
  expect(tails: readonly StreamTail[]): void {
    this.#resend.expect(tails);
    this.#isRunning = true;
  }

  /** The centre knows of a stream before anything is written to it. */
  async #know(stream: StreamWriter): Promise<void> {
    const { topic } = stream.stream;
    if (this.#state.remembered.has(topic) || this.#known.has(topic)) return;
    this.#known.add(topic);
    const other = this.#isRunning ? this.#resend.late({ topic, tail: stream.tail }, this.#state) : undefined;
    if (other !== undefined) await this.#endHistory(other);
    // Where it begins later, records are missing: whoever dies before their tables are wanted again has not hidden it.
    await rememberStreams(this.#pool, [stream], { begin: 'at 0' });
  }

  /** resume point → read → route → flush → acknowledge */
  async #readWal(signal: AbortSignal): Promise<void> {
    let stop = (): void => undefined;
    // The loop itself may be waiting for a log that does not answer.
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([this.#pump(), this.#failed, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#wal.close();
    }
  }

  async #pump(): Promise<void> {
    for await (const batch of this.#wal) {
      for (const item of batch) {
        if (Buffer.isBuffer(item)) {
          const message = this.#decoder.decode(item);
          if (message.kind === 'begin') this.#inTransaction = true;
          const wait = this.#router.handle(message);
          if (wait !== undefined) await wait;
          if (message.kind === 'commit') await this.#committed(message);
        }
      }
      if (this.#awaited.isUnstored) await this.#awaited.store();
      this.streams.flush();
      this.#acknowledge();
      await this.streams.room();
    }
  }

  async #committed({ commitLsn, endLsn }: { commitLsn: Lsn; endLsn: Lsn }): Promise<void> {
    this.#inTransaction = false;
    this.#counts.transactions += 1;
    const { commitTimeUs } = this.#writer;
    const other = this.#resend.committed(commitLsn, { endLsn, commitTimeUs });
    if (other !== undefined) await this.#endHistory(other);
  }

  /** It stays so, for setup too, until a new epoch begins. */
  async #endHistory(error: PayflowError): Promise<never> {
    await noteOtherHistory(this.#pool, error);
    throw error;
  }

  #durable(writer: StreamWriter, records: number): void {
    this.#counts.records += records;
    this.#acker.durable(writer.stream.topic, records);
    this.#acknowledge();
  }

  #acknowledge(): void {
    this.#wal.acknowledge(this.#acker.ackLsn);
    this.#chunks.durable(this.#acker.durableLsn);
    if (this.#endsAt === undefined || this.#acker.ackLsn < this.#endsAt) return;
    this.#fail(
      new PayflowError(
        'REPLICATION_PROTOCOL',
        'partitions changed, which PostgreSQL 14 tells a new session only',
      ),
    );
  }

  /** The work that a transaction left behind: it is not acknowledged before that is done. */
  #obligation(): () => void {
    const release = this.#acker.oblige();
    return () => {
      release();
      this.#acknowledge();
    };
  }
}
