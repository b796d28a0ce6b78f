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
import {
  comparePositions,
  decodePosition,
  encodePosition,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';
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
  /** It has all that it ever had of deletes that rows outlive (`DELETED_HEADER`). */
  readonly isSame?: boolean | undefined;
  /** Offset of its first record; what stood before was deleted, and with it, perhaps, rows of a seeding. */
  readonly first?: number | undefined;
}

/** How far a stream was read. */
export interface Reached {
  readonly nextOffset: number;
  readonly epoch: number;
}

interface Reading {
  /** Offset from which on nothing of the list can come any more. */
  readonly until: number;
  /** A seeding that begins before this offset does not make a table whole, */
  readonly seededFrom: number;
  /**
   * unless it begins behind this position: the highest that was read before the stream lost its end. All that was left
   * had been read by then, so what is beyond was written after the loss.
   */
  readonly lostAt: Position | null;
}

/** Where a table's seeding begins. */
export interface SeedBegin {
  readonly table: string;
  readonly offset: number;
  readonly position: Position | null;
}

/** In sync_meta. */
function sameName(topic: string): string {
  return `same_stream:${topic}`;
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
      .prepare<[], Omit<Reading, 'lostAt'> & { topic: string; lostAt: Buffer | null }>(
        `SELECT r.topic, r.until_offset AS until, r.seeded_from AS seededFrom, l.position AS lostAt
           FROM sync_reread r LEFT JOIN sync_lost l ON l.topic = r.topic`,
      )
      .all();
    this.#reading.clear();
    for (const { topic, lostAt, ...reading } of rows) {
      this.#reading.set(topic, { ...reading, lostAt: lostAt === null ? null : decodePosition(lostAt) });
    }
  }

  /**
   * Inside a transaction, before a list is made: one that a reading is still striking rows off counts no more.
   * The doubt outlives a crash on the way, whatever the stream looks like by then: nothing of it was ever read.
   */
  doubt(topic: string): void {
    this.#db.prepare('DELETE FROM sync_reread WHERE topic = ?').run(topic);
    this.#db.prepare('UPDATE sync_stream SET newest_record_ms = 1 WHERE topic = ?').run(topic);
    this.#reading.delete(topic);
  }

  /**
   * Inside a transaction: throws away a piece of a list made before.
   * @param most rows
   * @returns whether there may be more
   */
  forget(topic: string, most: number): boolean {
    const { changes } = this.#db
      .prepare(
        `DELETE FROM sync_unseen WHERE topic = ? AND (table_name, central_id) IN
           (SELECT table_name, central_id FROM sync_unseen WHERE topic = ? LIMIT ?)`,
      )
      .run(topic, topic, most);
    return changes === most;
  }

  /**
   * Inside a transaction: writes down a piece of a table's rows, in the order of their ids.
   * @param after the last id of the piece before, '' at first
   * @param most rows
   * @returns the last id, null when there is none left
   */
  list(topic: string, { name }: TillTable, { after, most }: { after: string; most: number }): string | null {
    const piece = `FROM ${quoteName(`sync_row_${name}`)} WHERE central_id > ? ORDER BY central_id`;
    const last = this.#db
      .prepare<[string, number], string | null>(
        `SELECT max(central_id) FROM (SELECT central_id ${piece} LIMIT ?)`,
      )
      .pluck()
      .get(after, most);
    if (last === undefined || last === null) return null;
    this.#db
      .prepare(
        `INSERT OR IGNORE INTO sync_unseen (topic, table_name, central_id)
           SELECT ?, ?, central_id FROM ${quoteName(`sync_row_${name}`)}
            WHERE central_id > ? AND central_id <= ? AND row_key IS NOT NULL AND position > ?`,
      )
      .run(topic, name, after, last, encodePosition(ZERO_POSITION));
    return last;
  }

  /**
   * Inside a transaction, once everything is listed: from now on the stream is read from its beginning, also
   * after a crash. By then the stored offset might look right again, and what lies before it would count as
   * not named.
   * @param tables those whose rows come in it
   */
  begin(
    topic: string,
    { end, whole, isSame = false, first = 0 }: StreamExtent,
    tables: readonly TillTable[],
  ): void {
    this.#db.prepare('DELETE FROM sync_lost WHERE topic = ?').run(topic);
    if (!whole) {
      this.#db
        .prepare(
          'INSERT INTO sync_lost (topic, position) SELECT topic, position FROM sync_stream WHERE topic = ?',
        )
        .run(topic);
    }
    if (isSame)
      this.#db.prepare('INSERT OR REPLACE INTO sync_meta (name, value) VALUES (?, 1)').run(sameName(topic));
    else this.#db.prepare('DELETE FROM sync_meta WHERE name = ?').run(sameName(topic));
    this.#db.prepare('UPDATE sync_stream SET next_offset = 0 WHERE topic = ?').run(topic);
    this.#db.prepare('DELETE FROM sync_seeded WHERE topic = ?').run(topic);
    this.#db.prepare('DELETE FROM sync_begun WHERE topic = ?').run(topic);
    this.#db
      .prepare('INSERT OR REPLACE INTO sync_reread (topic, until_offset, seeded_from) VALUES (?, ?, ?)')
      .run(topic, end, whole ? first : end);
    for (const { name } of tables) {
      // What waits for its turn would be written some day, although the centre has it no more.
      this.#db
        .prepare(
          `INSERT OR IGNORE INTO sync_unseen (topic, table_name, central_id) SELECT ?, table_name, central_id
             FROM sync_parked WHERE table_name = ?`,
        )
        .run(topic, name);
    }
    this.reload();
  }

  /** Whether the stream is being read again, so that `see` and `seeded` have to be told. */
  reading(topic: string): boolean {
    return this.#reading.size > 0 && this.#reading.has(topic);
  }

  /** Whether a delete that a row outlives would stand in it still. */
  isSameStream(topic: string): boolean {
    return this.#db.prepare('SELECT 1 FROM sync_meta WHERE name = ?').get(sameName(topic)) !== undefined;
  }

  /** A record of this row came. */
  see(topic: string, table: string, centralId: string): void {
    this.#see.run(topic, table, centralId);
  }

  /** A record said that the table was seeded whole: where the stream has lost records, since it began. */
  seeded(topic: string, { table, epoch }: { table: string; epoch: number }): void {
    if ((this.#reading.get(topic)?.seededFrom ?? 0) > 0 && !this.#isBegun(topic, table)) return;
    this.#db
      .prepare('INSERT OR REPLACE INTO sync_seeded (topic, central_table, epoch) VALUES (?, ?, ?)')
      .run(topic, table, epoch);
  }

  /** It is seeded again, perhaps because the stream had lost rows of it: what was said before holds no more. */
  seeding(topic: string, { table, offset, position }: SeedBegin): void {
    this.#db.prepare('DELETE FROM sync_seeded WHERE topic = ? AND central_table = ?').run(topic, table);
    const { seededFrom = 0, lostAt = null } = this.#reading.get(topic) ?? {};
    const isBehindLoss = lostAt !== null && position !== null && comparePositions(position, lostAt) > 0;
    if (offset < seededFrom && !isBehindLoss) return;
    this.#db
      .prepare('INSERT OR REPLACE INTO sync_begun (topic, central_table) VALUES (?, ?)')
      .run(topic, table);
  }

  /**
   * Whether the stream has lost records of these tables that no seeding has brought again: this till may miss rows.
   */
  isIncomplete(topic: string, reached: Reached, tables: readonly TillTable[]): boolean {
    const reading = this.#reading.get(topic);
    if (reading === undefined || reading.seededFrom === 0) return false;
    return this.#seededOf(topic, reached, tables).length < tables.length;
  }

  /**
   * Whether something can be said about rows that are gone: the stream was read as far as it went at the
   * beginning, and some of its tables were seeded whole.
   * @param nextOffset first offset not read yet
   * @param epoch the newest in the stream
   */
  isDue(topic: string, reached: Reached, tables: readonly TillTable[]): boolean {
    const reading = this.#reading.get(topic);
    if (reading === undefined || reached.nextOffset < reading.until) return false;
    const known = this.#seededOf(topic, reached, tables);
    return (
      known.length === tables.length || known.some(({ name }) => this.#listed(topic, name, 1).length > 0)
    );
  }

  /**
   * Inside a transaction, when that is due: takes rows that are gone off the list.
   * @param most rows
   */
  take(topic: string, reached: Reached, tables: readonly TillTable[], most: number): UnseenRow[] {
    const known = this.#seededOf(topic, reached, tables);
    const rows: UnseenRow[] = [];
    for (const { name } of known) {
      for (const centralId of this.#listed(topic, name, most - rows.length)) {
        this.see(topic, name, centralId);
        rows.push({ table: name, centralId });
      }
    }
    if (rows.length < most && known.length === tables.length) this.#end(topic);
    return rows;
  }

  #isBegun(topic: string, table: string): boolean {
    return (
      this.#db.prepare('SELECT 1 FROM sync_begun WHERE topic = ? AND central_table = ?').get(topic, table) !==
      undefined
    );
  }

  #seededOf(topic: string, { epoch }: Reached, tables: readonly TillTable[]): TillTable[] {
    const seeded = new Set(
      this.#db
        .prepare<[string, number], string>(
          'SELECT central_table FROM sync_seeded WHERE topic = ? AND epoch >= ?',
        )
        .pluck()
        .all(topic, epoch),
    );
    return tables.filter(({ bound }) => seeded.has(bound.mapping.central));
  }

  #listed(topic: string, table: string, most: number): string[] {
    return this.#db
      .prepare<[string, string, number], string>(
        'SELECT central_id FROM sync_unseen WHERE topic = ? AND table_name = ? LIMIT ?',
      )
      .pluck()
      .all(topic, table, most);
  }

  #end(topic: string): void {
    // Tables that are no longer here may have left rows on the list.
    for (const table of ['sync_unseen', 'sync_seeded', 'sync_begun', 'sync_lost', 'sync_reread']) {
      this.#db.prepare(`DELETE FROM ${table} WHERE topic = ?`).run(topic);
    }
    this.#reading.delete(topic);
  }
}
