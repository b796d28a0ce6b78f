/** How far the till has read: per stream (offset and position), and per table for status. */
import type { Statement } from 'better-sqlite3';
import { decodePosition, encodePosition, ZERO_POSITION, type Position } from '../shared/position.ts';
import type { SqliteDatabase } from '../shared/sqlite.ts';

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

interface TableProgress {
  position: Buffer;
  lastTimestamp: string | null;
  rows: number;
}

export class Checkpoints {
  readonly #db: SqliteDatabase;
  readonly #getStream: Statement;
  readonly #putStream: Statement;
  readonly #putTable: Statement;
  readonly #tables = new Map<string, TableProgress>();

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

  /** Counts one applied row; written by `flush`. */
  count(table: string, position: Buffer, timestamp: string | null): void {
    const seen = this.#tables.get(table);
    if (seen === undefined) {
      this.#tables.set(table, { position, lastTimestamp: timestamp, rows: 1 });
      return;
    }
    seen.rows += 1;
    if (Buffer.compare(position, seen.position) > 0) seen.position = position;
    if (timestamp !== null) seen.lastTimestamp = timestamp;
  }

  /** Inside the transaction that applied the rows. @returns rows by local table */
  flush(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [table, { position, lastTimestamp, rows }] of this.#tables) {
      this.#putTable.run(table, position, lastTimestamp, rows);
      counts.set(table, rows);
    }
    this.#tables.clear();
    return counts;
  }

  /** After a rollback. */
  forget(): void {
    this.#tables.clear();
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
