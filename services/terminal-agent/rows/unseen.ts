/**
 * What a stream does not say any more. While a stream is read from its beginning because what is stored of it is
 * in doubt (DESIGN §3.8), deletes may be missing in it for good. So the rows that this till has of it are
 * written down first, each record that comes takes its row off that list, and what is left when the stream's
 * then end is reached is gone at the centre. Of a table that was not yet seeded whole nothing can be said.
 *
 * Rows whose own image never came (linked, not read yet) are not on the list: their record is still to come.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import { quoteName } from '../till/local-schema.ts';
import type { TillTable } from './till-tables.ts';

/** A row, linked or parked, that the stream did not name. */
export interface UnseenRow {
  readonly table: string;
  readonly centralId: string;
}

/** What a stream is, as its reading begins. */
export interface StreamExtent {
  /** Offset behind its last record. */
  readonly end: number;
  /** false: it has lost records, so that only a seeding still to come says that a table is whole. */
  readonly whole: boolean;
}

interface Reading {
  /** Offset from which on nothing of the list can come any more. */
  readonly until: number;
  /** A record before this offset does not say that a table is whole. */
  readonly seededFrom: number;
}

export class UnseenRows {
  readonly #db: SqliteDatabase;
  readonly #reading = new Map<string, Reading>();
  readonly #see: Statement<[string, string, string]>;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    this.#see = db.prepare('DELETE FROM sync_unseen WHERE topic = ? AND table_name = ? AND central_id = ?');
    this.reload();
  }

  /** After a rollback. */
  reload(): void {
    const rows = this.#db
      .prepare<[], Reading & { topic: string }>(
        'SELECT topic, until_offset AS until, seeded_from AS seededFrom FROM sync_reread',
      )
      .all();
    this.#reading.clear();
    for (const { topic, ...reading } of rows) this.#reading.set(topic, reading);
  }

  /**
   * Inside a transaction: the stream is read from its beginning, also after a crash. By then the stored offset
   * might look right again, and what lies before it would count as not named.
   * @param tables those whose rows come in it
   */
  begin(topic: string, { end, whole }: StreamExtent, tables: readonly TillTable[]): void {
    const reading = { until: end, seededFrom: whole ? 0 : end };
    this.#db.prepare('UPDATE sync_stream SET next_offset = 0 WHERE topic = ?').run(topic);
    this.#db.prepare('DELETE FROM sync_unseen WHERE topic = ?').run(topic);
    this.#db.prepare('DELETE FROM sync_seeded WHERE topic = ?').run(topic);
    this.#db
      .prepare('INSERT OR REPLACE INTO sync_reread (topic, until_offset, seeded_from) VALUES (?, ?, ?)')
      .run(topic, reading.until, reading.seededFrom);
    for (const { name } of tables) {
      this.#db
        .prepare(
          `INSERT INTO sync_unseen (topic, table_name, central_id) SELECT ?, ?, central_id
             FROM ${quoteName(`sync_row_${name}`)} WHERE row_key IS NOT NULL AND position > ?`,
        )
        .run(topic, name, encodePosition(ZERO_POSITION));
      // What waits for its turn would be written some day, although the centre has it no more.
      this.#db
        .prepare(
          `INSERT OR IGNORE INTO sync_unseen (topic, table_name, central_id) SELECT ?, table_name, central_id
             FROM sync_parked WHERE table_name = ?`,
        )
        .run(topic, name);
    }
    this.#reading.set(topic, reading);
  }

  /** Whether the stream is being read again, so that `see` and `seeded` have to be told. */
  reading(topic: string): boolean {
    return this.#reading.size > 0 && this.#reading.has(topic);
  }

  /** A record of this row came. */
  see(topic: string, table: string, centralId: string): void {
    this.#see.run(topic, table, centralId);
  }

  /** A record said that the table was seeded whole. */
  seeded(topic: string, { table, epoch, offset }: { table: string; epoch: number; offset: number }): void {
    if (offset < (this.#reading.get(topic)?.seededFrom ?? 0)) return;
    this.#db
      .prepare('INSERT OR REPLACE INTO sync_seeded (topic, central_table, epoch) VALUES (?, ?, ?)')
      .run(topic, table, epoch);
  }

  /** It is seeded again, perhaps because the stream had lost rows of it: what was said before holds no more. */
  seeding(topic: string, table: string): void {
    this.#db.prepare('DELETE FROM sync_seeded WHERE topic = ? AND central_table = ?').run(topic, table);
  }

  /**
   * The rows that are gone, once the stream was read as far as it went at the beginning; each is told once.
   * @param nextOffset first offset not read yet
   * @param epoch the newest in the stream
   */
  gone(
    topic: string,
    { nextOffset, epoch }: { nextOffset: number; epoch: number },
    tables: readonly TillTable[],
  ): UnseenRow[] {
    const reading = this.#reading.get(topic);
    if (reading === undefined || nextOffset < reading.until) return [];
    const seeded = new Set(
      this.#db
        .prepare<[string, number], string>(
          'SELECT central_table FROM sync_seeded WHERE topic = ? AND epoch >= ?',
        )
        .pluck()
        .all(topic, epoch),
    );
    const known = tables.filter(({ bound }) => seeded.has(bound.mapping.central)).map(({ name }) => name);
    const rows = known.flatMap((table) => this.#take(topic, table));
    if (known.length === tables.length) this.#end(topic);
    return rows;
  }

  #take(topic: string, table: string): UnseenRow[] {
    const where = 'topic = ? AND table_name = ?';
    const ids = this.#db
      .prepare<[string, string], string>(`SELECT central_id FROM sync_unseen WHERE ${where}`)
      .pluck()
      .all(topic, table);
    if (ids.length > 0) this.#db.prepare(`DELETE FROM sync_unseen WHERE ${where}`).run(topic, table);
    return ids.map((centralId) => ({ table, centralId }));
  }

  #end(topic: string): void {
    for (const table of ['sync_unseen', 'sync_seeded', 'sync_reread']) {
      this.#db.prepare(`DELETE FROM ${table} WHERE topic = ?`).run(topic);
    }
    this.#reading.delete(topic);
  }
}
