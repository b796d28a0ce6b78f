/**
 * One session of a logical replication slot, as an async iterable of raw WAL messages.
 *
 * pg-logical-replication is only the socket and the START_REPLICATION handshake here. What it does beyond that
 * loses data: its `acknowledge(lsn)` reports lsn + 1, which skips a transaction committed back to back with
 * the acknowledged one; its timer acknowledges what was merely received; a second `subscribe` on one object
 * starts behind what was received; its flow control goes on after a handler threw; its parsers round. So this
 * class takes the bytes off the connection itself, says exactly what was told to be durable, answers
 * keepalives also while reading is paused, and is used for one connection only.
 */
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { LogicalReplicationService } from 'pg-logical-replication';
import { PayflowError } from '../../shared/errors.ts';
import type { ClientConfig } from 'pg';
import { connectionOf } from '../../shared/database/connection-url.ts';
import { SESSION_SQL, wrapPostgresError } from '../../shared/database/postgres.ts';
import { decideTls } from '../../shared/database/tls-choice.ts';
import { formatLsn, type Lsn } from '../../shared/records/position.ts';
import { replicationError } from './replication-error.ts';

export interface ReplicationStreamOptions {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly log: Logger;
  /** Reading pauses while more than this was received and not taken. */
  readonly maxBufferedBytes?: number;
  /** The session counts as dead when nothing came for so long although reading was not paused. */
  readonly watchdogMs?: number;
}

/** The end of the server's WAL at this point of the stream: everything before it has been sent. */
export interface Keepalive {
  readonly walEnd: Lsn;
}
/** A pgoutput message, or a keepalive in its place among them. */
export type WalItem = Buffer | Keepalive;

/** What we use of pg's connection object. */
interface WalConnection {
  readonly stream: Socket;
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  removeAllListeners(event: 'copyData'): void;
  sendCopyFromChunk(bytes: Buffer): void;
}
type Client = Parameters<Parameters<LogicalReplicationService['subscribe']>[0]['start']>[0];

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
const XLOG_HEADER_BYTES = 25;
const BATCH_ITEMS = 500;
const STANDBY_STATUS = 0x72;
const STATUS_BYTES = 34;
/** A server that shuts down asks again as soon as it is answered, while it has nothing more to send. */
const QUESTIONS_OF_THE_END = 8;
const QUESTIONS_WITHIN_MS = 10_000;
/** Acknowledgements closer together than this are sent as one. */
const ACK_EVERY_MS = 20;
const MAX_STATUS_INTERVAL_MS = 10_000;
/**
 * PostgreSQL 16 and later can miss the wake-up of a commit: the walsender looks for new WAL, and only then puts
 * itself on the list of those who are told of it. What is committed in between, likely on a busy machine, is
 * sent when the next one commits, or when anything arrives from us. A walsender that has just sent something is
 * about to go to sleep, so it hears from us more often then.
 */
const NUDGE_MS = 20;
const IDLE_NUDGE_MS = 100;
const IDLE_AFTER_MS = 200;
const CLOSE_WITHIN_MS = 500;
const PG_EPOCH_MS = 946_684_800_000;

export class ReplicationStream implements AsyncIterable<readonly WalItem[]> {
  readonly #options: Required<ReplicationStreamOptions>;
  /** Where to; read by the service when it connects. */
  readonly #connectionConfig: ClientConfig = { application_name: 'payflow-capture' };
  readonly #service: LogicalReplicationService;
  #connection: WalConnection | null = null;
  #items: WalItem[] = [];
  #bufferedBytes = 0;
  #paused = false;
  #wake: (() => void) | null = null;
  #failure: PayflowError | null = null;
  #closed = false;
  #acknowledged = 0n as Lsn;
  #reported = 0n as Lsn;
  #ackTimer: NodeJS.Timeout | null = null;
  #statusTimer: NodeJS.Timeout | null = null;
  #nudgeTimer: NodeJS.Timeout | null = null;
  #lastReceivedMs = Date.now();
  #lastSentMs = 0;
  /** Requests for a reply that came without new WAL between them. */
  #questions = 0;
  #askedAt = 0n;
  #askedMs = 0;

  constructor(options: ReplicationStreamOptions) {
    this.#options = { maxBufferedBytes: 4 << 20, watchdogMs: 90_000, ...options };
    this.#service = new LogicalReplicationService(this.#connectionConfig, {
      acknowledge: { auto: false, timeoutSeconds: 0 },
    });
    this.#service.on('error', (error) => this.#fail(error));
  }

  /**
   * Connects and starts replication from what the slot has confirmed.
   * @throws PayflowError SLOT_LOST, SLOT_BUSY, DB_NO_REPLICATION, DB_UNREACHABLE, DB_AUTH
   */
  async open(): Promise<void> {
    await this.#decideConnection();
    const started = new Promise<void>((resolve) => this.#service.on('start', resolve));
    const plugin = {
      name: 'pgoutput',
      options: {},
      start: (client: Client) => this.#start(client),
      parse: (bytes: Buffer) => bytes,
    };
    const session = this.#service.subscribe(plugin, this.#options.slot, '0/0').then(
      () => this.#fail(new PayflowError('REPLICATION_PROTOCOL', 'the server ended the replication stream')),
      (error: unknown) => this.#fail(error),
    );
    await Promise.race([started, session]);
    if (this.#failure !== null) {
      await this.close();
      throw this.#failure;
    }
  }

  async #decideConnection(): Promise<void> {
    try {
      const { application_name: _ours, ...connection } = await decideTls(connectionOf(this.#options.url));
      Object.assign(this.#connectionConfig, connection);
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  /** Received and not taken. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** `lsn` and everything before it is durable downstream; the server may forget it. Never goes back. */
  acknowledge(lsn: Lsn): void {
    if (lsn <= this.#acknowledged) return;
    this.#acknowledged = lsn;
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = null;
      if (this.#acknowledged > this.#reported) this.#sendStatus(false);
    }, ACK_EVERY_MS);
  }

  /** Batches in WAL order. Asking for the next batch frees the room of the one before. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly WalItem[]> {
    while (!this.#closed) {
      if (this.#items.length > 0) {
        const batch = this.#items.splice(0, BATCH_ITEMS);
        yield batch;
        this.#bufferedBytes -= batch.reduce((sum, item) => sum + byteSize(item), 0);
        this.#resumeIfRoom();
        // Lets the sockets have their turn: a backlog must not keep appends from being answered.
        if (this.#items.length > 0) await setImmediate();
      } else if (this.#failure !== null) {
        throw this.#failure;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** Ends the session and the iteration; says a last time what is acknowledged. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#ackTimer !== null) clearTimeout(this.#ackTimer);
    if (this.#statusTimer !== null) clearInterval(this.#statusTimer);
    if (this.#nudgeTimer !== null) clearInterval(this.#nudgeTimer);
    const stream = this.#connection?.stream;
    if (stream !== undefined && !stream.destroyed) {
      this.#sendStatus(false);
      await endSocket(stream);
    }
    this.#wakeUp();
    await this.#service.destroy();
  }

  async #start(client: Client): Promise<unknown> {
    const { slot, publication } = this.#options;
    const connection = (client as unknown as { connection: WalConnection }).connection;
    this.#connection = connection;
    connection.removeAllListeners('copyData');
    connection.on('copyData', ({ chunk }) => this.#receive(chunk));
    // By SET and not as start-up options: poolers refuse those, and a URL may bring its own.
    await client.query(SESSION_SQL);
    const { rows } = await client.query<{ timeout_ms: number }>(
      `SELECT setting::int AS timeout_ms FROM pg_settings WHERE name = 'wal_sender_timeout'`,
    );
    this.#startTimer(rows[0]?.timeout_ms ?? 0);
    return client.query(
      `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 ` +
        `(proto_version '1', publication_names '"${publication}"', messages 'true')`,
    );
  }

  /**
   * Each tick says what is acknowledged and asks for an answer: that keeps the server from hanging up on us
   * while reading is paused, and lets the watchdog tell a silent network from a quiet database.
   */
  #startTimer(senderTimeoutMs: number): void {
    const fastest = senderTimeoutMs > 0 ? senderTimeoutMs / 4 : MAX_STATUS_INTERVAL_MS;
    this.#lastReceivedMs = Date.now();
    this.#statusTimer = setInterval(
      () => {
        const silentMs = Date.now() - this.#lastReceivedMs;
        if (!this.#paused && silentMs > this.#options.watchdogMs) {
          this.#fail(
            new PayflowError('REPLICATION_PROTOCOL', `nothing came from PostgreSQL for ${silentMs} ms`),
          );
        } else {
          this.#sendStatus(true);
        }
      },
      Math.min(MAX_STATUS_INTERVAL_MS, fastest),
    );
    this.#nudgeTimer = setInterval(() => this.#nudge(), NUDGE_MS);
  }

  #nudge(): void {
    const now = Date.now();
    const everyMs = now - this.#lastReceivedMs > IDLE_AFTER_MS ? IDLE_NUDGE_MS : NUDGE_MS;
    // The timer may come a little early.
    if (now - this.#lastSentMs >= everyMs - 1) this.#sendStatus(false);
  }

  #receive(chunk: Buffer): void {
    this.#lastReceivedMs = Date.now();
    if (chunk[0] === XLOG_DATA) {
      this.#questions = 0;
      // A copy: the driver's parser writes the next bytes from the socket over this very memory.
      this.#push(Buffer.from(chunk.subarray(XLOG_HEADER_BYTES)));
    } else if (chunk[0] === KEEPALIVE) {
      const walEnd = chunk.readBigUInt64BE(1) as Lsn;
      if (chunk[17] === 1) this.#answer(walEnd);
      this.#push({ walEnd });
    } else {
      this.#fail(
        new PayflowError('REPLICATION_PROTOCOL', `unknown replication message ${chunk[0] ?? 'of no length'}`),
      );
    }
  }

  /**
   * A server that shuts down waits until all it has is confirmed, which it may never be: what led to no record is
   * confirmed with the next heartbeat. So it is left as soon as it shows.
   */
  #answer(walEnd: Lsn): void {
    this.#sendStatus(false);
    const isAgain = walEnd === this.#askedAt && Date.now() - this.#askedMs < QUESTIONS_WITHIN_MS;
    this.#questions = isAgain ? this.#questions + 1 : 1;
    if (!isAgain) this.#askedMs = Date.now();
    this.#askedAt = walEnd;
    if (this.#questions < QUESTIONS_OF_THE_END) return;
    this.#fail(new PayflowError('DB_UNREACHABLE', 'PostgreSQL shuts down'));
  }

  #push(item: WalItem): void {
    this.#items.push(item);
    this.#bufferedBytes += byteSize(item);
    if (!this.#paused && this.#bufferedBytes > this.#options.maxBufferedBytes) {
      this.#paused = true;
      this.#connection?.stream.pause();
    }
    this.#wakeUp();
  }

  #resumeIfRoom(): void {
    if (!this.#paused || this.#closed || this.#bufferedBytes > this.#options.maxBufferedBytes / 2) return;
    this.#paused = false;
    this.#lastReceivedMs = Date.now();
    this.#connection?.stream.resume();
  }

  /** Exactly the acknowledged LSN: the next commit record may begin at that very byte. */
  #sendStatus(answerWanted: boolean): void {
    const connection = this.#connection;
    if (connection === null || connection.stream.destroyed || !connection.stream.writable) return;
    const status = Buffer.alloc(STATUS_BYTES);
    status[0] = STANDBY_STATUS;
    for (const offset of [1, 9, 17]) status.writeBigUInt64BE(this.#acknowledged, offset);
    status.writeBigInt64BE(BigInt(Date.now() - PG_EPOCH_MS) * 1000n, 25);
    status[33] = answerWanted ? 1 : 0;
    connection.sendCopyFromChunk(status);
    this.#reported = this.#acknowledged;
    this.#lastSentMs = Date.now();
  }

  #fail(thrown: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#failure = replicationError(thrown, this.#options);
    this.#options.log.debug(
      { code: this.#failure.code, acknowledged: formatLsn(this.#acknowledged) },
      'replication session ended',
    );
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function byteSize(item: WalItem): number {
  return item instanceof Buffer ? item.length : 0;
}

/** Lets what was written go out, then closes; a peer that does not listen is cut off. */
async function endSocket(stream: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    stream.resume();
    stream.end();
  });
}
