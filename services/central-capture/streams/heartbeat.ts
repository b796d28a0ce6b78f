/**
 * Heartbeats go through the WAL like everything else, so that they move an idle slot, come in order, and
 * measure the whole way. Streams that were written get one each time, the others once a minute.
 *
 * A catch-up's marker is answered by a heartbeat at the marker's own place: the till waits for that position.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { z } from 'zod';
import { sleep, type Service } from '../../shared/lifecycle.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { formatPosition } from '../../shared/records/position.ts';
import type { DownStreams } from './down-streams.ts';
import type { StreamWriter } from './stream-writer.ts';
import type { TransactionWriter } from './transaction-writer.ts';

export const HEARTBEAT_PREFIX = 'payflow.heartbeat';
export const MARKER_PREFIX = 'payflow.marker';
const QUIET_EVERY_MS = 60_000;
const markerSchema = z.object({ streams: z.union([z.literal('all'), z.array(z.string())]) });

export interface HeartbeatsOptions {
  readonly pool: Pool;
  readonly streams: DownStreams;
  readonly everyMs: number;
  readonly log: Logger;
}

export class Heartbeats implements Service {
  readonly name = 'heartbeats';
  readonly #options: HeartbeatsOptions;
  readonly #lastMs = new Map<StreamWriter, number>();
  readonly #storedOffset = new Map<StreamWriter, number>();

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { pool, everyMs } = this.#options;
    while (!signal.aborted) {
      try {
        await pool.query('SELECT pg_logical_emit_message(true, $1, $2)', [HEARTBEAT_PREFIX, '']);
        await sleep(everyMs, signal);
        await this.store();
      } catch (error) {
        throw wrapPostgresError(error);
      }
    }
  }

  /** Our own message came back. */
  beat(writer: TransactionWriter): void {
    const nowMs = Date.now();
    for (const stream of this.#options.streams.all()) {
      const quietMs = nowMs - (this.#lastMs.get(stream) ?? 0);
      if (stream.busy || quietMs >= QUIET_EVERY_MS) this.#send(writer, stream, nowMs);
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
    const changed = this.#options.streams
      .all()
      .filter((stream) => stream.lastOffset !== this.#storedOffset.get(stream));
    if (changed.length === 0) return;
    const rows = changed.map((stream) => ({ stream, offset: stream.lastOffset }));
    await this.#options.pool.query(
      `INSERT INTO payflow_sync.stream (topic, stream_id, last_offset, position, first_offset)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
       ON CONFLICT (topic) DO UPDATE
         SET stream_id = EXCLUDED.stream_id, last_offset = EXCLUDED.last_offset,
             position = EXCLUDED.position, first_offset = EXCLUDED.first_offset, updated_at = now()`,
      [
        rows.map((row) => row.stream.stream.topic),
        rows.map((row) => row.stream.streamId),
        rows.map((row) => row.offset),
        rows.map((row) => formatPosition(row.stream.durable)),
        rows.map((row) => row.stream.firstOffset),
      ],
    );
    for (const { stream, offset } of rows) this.#storedOffset.set(stream, offset);
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
