/**
 * Heartbeats go through the WAL like everything else, so that they move an idle slot, come in order, and
 * measure the whole way. Streams that were written get one each time, the others once a minute; the catalog's also
 * when much WAL waits to be forgotten, or somebody for that, which it is only by a record. Each tells what a reader saw when it was sent:
 * all of that has come out of the WAL when it does.
 *
 * A catch-up's marker is answered by a heartbeat at the marker's own place: the till waits for that position.
 */
import type { ClientBase, Pool } from 'pg';
import type { Logger } from 'pino';
import { z } from 'zod';
import { sleep, type Service } from '../../shared/lifecycle.ts';
import { errorLine, PayflowError } from '../../shared/errors.ts';
import { inTransaction, wrapPostgresError } from '../../shared/database/postgres.ts';
import type { Lsn } from '../../shared/records/position.ts';
import { rememberStreams } from '../centre-state.ts';
import type { DownStreams } from './down-streams.ts';
import type { StreamWriter } from './stream-writer.ts';
import type { TransactionWriter } from './transaction-writer.ts';

export const HEARTBEAT_PREFIX = 'payflow.heartbeat';
export const MARKER_PREFIX = 'payflow.marker';
const QUIET_EVERY_MS = 60_000;
/** WAL that concerns no stream is forgotten by a heartbeat of its own when there is so much of it. */
const MOST_KEPT_BYTES = 16n << 20n;
const markerSchema = z.object({ streams: z.union([z.literal('all'), z.array(z.string())]) });

/** A row where commits of the centre wait for capture. */
const SYNCHRONOUS_SQL = `
  SELECT current_setting('synchronous_standby_names') AS names
  FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
  WHERE s.slot_name = $1 AND r.sync_state IN ('sync', 'quorum', 'potential')`;

export interface HeartbeatsOptions {
  readonly pool: Pool;
  readonly streams: DownStreams;
  readonly slot: string;
  readonly everyMs: number;
  /** Up to here PostgreSQL may forget. */
  readonly acknowledged: () => Lsn;
  /** Somebody waits for more to be acknowledged, which a record has to be for. */
  readonly isAwaited: () => boolean;
  readonly log: Logger;
}

export class Heartbeats implements Service {
  readonly name = 'heartbeats';
  readonly #options: HeartbeatsOptions;
  readonly #lastMs = new Map<StreamWriter, number>();
  readonly #storedOffset = new Map<StreamWriter, number>();
  #isSynchronous: boolean | undefined;
  #seen: { readonly text: string; readonly at: Lsn } | null = null;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { pool, everyMs } = this.#options;
    while (!signal.aborted) {
      try {
        await inTransaction(pool, (client) => this.#emit(client));
        await sleep(everyMs, signal);
        await this.store();
      } catch (error) {
        throw wrapPostgresError(error);
      }
    }
  }

  /** Whoever waits for a standby must not wait for one that waits for us. */
  async #emit(client: ClientBase): Promise<void> {
    const { slot, streams, log } = this.#options;
    await client.query('SET LOCAL synchronous_commit = local');
    await client.query('SELECT pg_logical_emit_message(true, $1, pg_current_snapshot()::text)', [
      HEARTBEAT_PREFIX,
    ]);
    const { rows } = await client.query<{ names: string }>(SYNCHRONOUS_SQL, [slot]);
    const [standbys] = rows;
    if ((standbys !== undefined) === this.#isSynchronous) return;
    this.#isSynchronous = standbys !== undefined;
    const code = standbys === undefined ? null : 'DB_SYNC_STANDBY';
    const { topic } = streams.catalog.stream;
    await client.query('UPDATE payflow_sync.stream SET problem = $2 WHERE topic = $1', [topic, code]);
    if (code === null) return;
    const error = new PayflowError(code, `synchronous_standby_names = '${standbys?.names}' takes capture in`);
    log.error({ code, err: error }, errorLine(error));
  }

  /** Our own message came back. @param seen what its sender saw */
  beat(writer: TransactionWriter, seen: string): void {
    this.#seen = { text: seen, at: writer.position.lsn };
    const nowMs = Date.now();
    const { streams, acknowledged, isAwaited } = this.#options;
    const isDue = isAwaited() || writer.position.lsn - acknowledged() > MOST_KEPT_BYTES;
    for (const stream of streams.all()) {
      const quietMs = nowMs - (this.#lastMs.get(stream) ?? 0);
      const isWanted = stream.busy || quietMs >= QUIET_EVERY_MS || (isDue && stream === streams.catalog);
      if (isWanted) this.#send(writer, stream, nowMs);
    }
  }

  /** Somebody waits to see this position in these streams. */
  answer(writer: TransactionWriter, content: Buffer): void {
    const marker = this.#readMarker(content);
    if (marker === undefined) return;
    const { streams } = this.#options;
    const wanted =
      marker.streams === 'all' ? streams.all() : marker.streams.map((topic) => streams.byTopic(topic));
    for (const stream of wanted) if (stream !== undefined) this.#send(writer, stream, Date.now());
  }

  /** How far each stream is durable: a stream that later ends before it has lost data. */
  async store(): Promise<void> {
    await this.#storeSeen();
    const changed = this.#options.streams
      .all()
      .filter((stream) => stream.lastOffset !== this.#storedOffset.get(stream));
    if (changed.length === 0) return;
    const offsets = changed.map((stream) => [stream, stream.lastOffset] as const);
    await rememberStreams(this.#options.pool, changed);
    for (const [stream, offset] of offsets) this.#storedOffset.set(stream, offset);
  }

  /** What the next session may take for decoded. */
  async #storeSeen(): Promise<void> {
    const { pool, streams, acknowledged } = this.#options;
    const seen = this.#seen;
    if (seen === null || seen.at >= acknowledged()) return;
    this.#seen = null;
    await pool.query('UPDATE payflow_sync.stream SET seen = $2 WHERE topic = $1', [
      streams.catalog.stream.topic,
      seen.text,
    ]);
  }

  #send(writer: TransactionWriter, stream: StreamWriter, nowMs: number): void {
    writer.control(stream, { kind: 'heartbeat', streamId: stream.streamId, sentAtMs: nowMs });
    stream.busy = false;
    this.#lastMs.set(stream, nowMs);
  }

  /** Anybody with a login may write a message; a malformed one is nobody's order. */
  #readMarker(content: Buffer): z.infer<typeof markerSchema> | undefined {
    try {
      return markerSchema.parse(JSON.parse(content.toString('utf8')));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a marker in the WAL is malformed');
      return undefined;
    }
  }
}
