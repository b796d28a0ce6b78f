/** How far the till has read: per stream (offset and position), and per table for status. */
import type { Statement } from 'better-sqlite3';
import {
  decodePosition,
  encodePosition,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';
import type { StreamReach } from '../settlement.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';

export interface StreamState {
  readonly topic: string;
  readonly streamId: string | null;
  readonly nextOffset: number;
  /** Highest position read; never goes back, also when the stream is read again. */
  readonly position: Position;
  readonly newestRecordMs: number;
}

export interface TableCheckpoint {
  readonly table: string;
  readonly position: Position;
  readonly lastTimestamp: string | null;
  readonly rows: number;
}

/** What one transaction adds to a table's checkpoint. */
export interface TableAdvance {
  readonly position: Buffer;
  readonly lastTimestamp: string | null;
  readonly rows: number;
}

export class Checkpoints {
  readonly #db: SqliteDatabase;
  readonly #getStream: Statement;
  readonly #putStream: Statement;
  readonly #putTable: Statement;
  readonly #catchUpEnds = new Map<string, number>();

  constructor(db: SqliteDatabase) {
    this.#db = db;
    this.#getStream = db.prepare(
      `SELECT topic, stream_id AS streamId, next_offset AS nextOffset, position, newest_record_ms AS newestRecordMs
       FROM sync_stream WHERE topic = ?`,
    );
    this.#putStream = db.prepare(
      `INSERT OR REPLACE INTO sync_stream (topic, stream_id, next_offset, position, newest_record_ms)
       VALUES (?, ?, ?, ?, ?)`,
    );
    this.#putTable = db.prepare(
      `INSERT INTO sync_checkpoint (table_name, position, last_timestamp, rows) VALUES (?, ?, ?, ?)
       ON CONFLICT (table_name) DO UPDATE SET position = max(position, excluded.position),
         last_timestamp = coalesce(excluded.last_timestamp, last_timestamp), rows = rows + excluded.rows`,
    );
  }

  stream(topic: string): StreamState {
    const row = this.#getStream.get(topic) as (StreamState & { position: Buffer }) | undefined;
    if (row === undefined) {
      return { topic, streamId: null, nextOffset: 0, position: ZERO_POSITION, newestRecordMs: 0 };
    }
    return { ...row, position: decodePosition(row.position) };
  }

  /** Where the stream ended when its reader started: to there, its order proves nothing. */
  setCatchUpEnd(topic: string, end: number): void {
    this.#catchUpEnds.set(topic, end);
  }

  reach(topic: string): StreamReach {
    const { position, nextOffset } = this.stream(topic);
    return { position, caughtUp: nextOffset >= (this.#catchUpEnds.get(topic) ?? 0) };
  }

  /** All is applied that stood there when its reader started; false before it did. */
  isRead(topic: string): boolean {
    return this.#catchUpEnds.has(topic) && this.reach(topic).caughtUp;
  }

  saveStream(state: StreamState): void {
    this.#putStream.run(
      state.topic,
      state.streamId,
      state.nextOffset,
      encodePosition(state.position),
      state.newestRecordMs,
    );
  }

  /** Makes the reader begin again; positions stay, and the rows' own positions make re-reading harmless. */
  rewindAll(): void {
    this.#db.exec('UPDATE sync_stream SET next_offset = 0');
  }

  /** Inside the transaction that applied the rows. */
  count(table: string, { position, lastTimestamp, rows }: TableAdvance): void {
    this.#putTable.run(table, position, lastTimestamp, rows);
  }

  tables(): TableCheckpoint[] {
    const rows = this.#db
      .prepare(
        `SELECT table_name AS "table", position, last_timestamp AS lastTimestamp, rows FROM sync_checkpoint
         ORDER BY table_name`,
      )
      .all() as (TableCheckpoint & { position: Buffer })[];
    return rows.map((row) => ({ ...row, position: decodePosition(row.position) }));
  }
}
