/**
 * Central rows that cannot be written yet, newest image only, kept in the till's file in the transaction that
 * moves the stream's offset. A parked row never blocks the stream.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';

export type ParkReason =
  /** A row it refers to is not here. */
  | 'parent'
  /** It may be the till's own row, whose link is still under way. */
  | 'own'
  /** The app has written the row, and that can't be cut now. */
  | 'uncut'
  /** A constraint of the till's table refused it. */
  | 'refused'
  /** It deletes a row that unsettled rows refer to. */
  | 'children'
  /** A local row claims its central id, but is another row by its natural key. */
  | 'server-id'
  /** It may be one of the rows that were here before, and they were not offered yet. */
  | 'bootstrap'
  /** The record cannot be read. */
  | 'unreadable';

export interface ParkedRow {
  readonly table: string;
  readonly centralId: string;
  readonly position: Buffer;
  readonly topic: string;
  /** Coded by rows/image.ts. */
  readonly image: string;
  readonly reason: ParkReason;
  readonly message: string;
  /** `parentKey` of the missing parent. */
  readonly waitsFor: string | null;
}

const COLUMNS = `table_name AS "table", central_id AS centralId, position, topic, record AS image, reason, message,
  waits_for AS waitsFor`;

export function parentKey(localTable: string, centralId: string): string {
  return `${localTable}:${centralId}`;
}

const OF_BOOTSTRAP = `reason = 'bootstrap' AND table_name IN (SELECT value FROM json_each(?))`;

export class ParkedRows {
  readonly #db: SqliteDatabase;
  readonly #statements = new Map<string, Statement>();
  #any = true;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** At the start of each transaction; while nothing is parked, the rows need not be looked for one by one. */
  begin(): void {
    this.#any = this.#prepare('SELECT 1 FROM sync_parked LIMIT 1').get() !== undefined;
  }

  get any(): boolean {
    return this.#any;
  }

  get(table: string, centralId: string): ParkedRow | undefined {
    if (!this.#any) return undefined;
    return this.#all('table_name = ? AND central_id = ?', table, centralId)[0];
  }

  /** @param key of `parentKey` */
  byKey(key: string): ParkedRow | undefined {
    const colon = key.indexOf(':');
    return this.get(key.slice(0, colon), key.slice(colon + 1));
  }

  put(row: ParkedRow, nowMs: number): void {
    this.#any = true;
    this.#prepare(
      `INSERT OR REPLACE INTO sync_parked
       (table_name, central_id, position, topic, record, reason, message, waits_for, parked_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      row.table,
      row.centralId,
      row.position,
      row.topic,
      row.image,
      row.reason,
      row.message,
      row.waitsFor,
      nowMs,
    );
  }

  remove(table: string, centralId: string): void {
    if (!this.#any) return;
    this.#prepare('DELETE FROM sync_parked WHERE table_name = ? AND central_id = ?').run(table, centralId);
  }

  /** What waited for a row (by `parentKey`) that has just come or was linked: its children, and its own image. */
  freedBy(key: string): ParkedRow[] {
    if (!this.#any) return [];
    const children = this.#all('waits_for = ?', key);
    const own = this.byKey(key);
    return own?.reason === 'server-id' || own?.reason === 'bootstrap' ? [own, ...children] : children;
  }

  ofReason(reason: ParkReason): ParkedRow[] {
    return this.#any ? this.#all('reason = ? ORDER BY position', reason) : [];
  }

  /** Those of these tables wait for more than a cut, and may be very many. */
  uncutOutside(tables: ReadonlySet<string>): ParkedRow[] {
    if (!this.#any) return [];
    const elsewhere = 'table_name NOT IN (SELECT value FROM json_each(?))';
    return this.#all(`reason = 'uncut' AND ${elsewhere} ORDER BY position`, JSON.stringify([...tables]));
  }

  /** Of those that waited for bootstrap, what is in these tables. */
  ofBootstrap(tables: readonly string[], limit: number): ParkedRow[] {
    if (!this.#any) return [];
    return this.#all(`${OF_BOOTSTRAP} ORDER BY position LIMIT ${limit}`, JSON.stringify(tables));
  }

  countOfBootstrap(tables: readonly string[]): number {
    if (!this.#any) return 0;
    const sql = `SELECT count(*) AS n FROM sync_parked WHERE ${OF_BOOTSTRAP}`;
    return Number((this.#prepare(sql).get(JSON.stringify(tables)) as { n: number }).n);
  }

  /** Least recently tried first (each try puts its row behind the others), so that hopeless rows starve none. */
  waiting(limit: number): ParkedRow[] {
    return this.#any ? this.#all(`reason = 'parent' ORDER BY rowid LIMIT ${limit}`) : [];
  }

  /** The least recently tried first, too. */
  refusedIn(table: string, limit: number): ParkedRow[] {
    if (!this.#any) return [];
    return this.#all(`table_name = ? AND reason = 'refused' ORDER BY rowid LIMIT ${limit}`, table);
  }

  all(): ParkedRow[] {
    return this.#all('1 ORDER BY table_name, central_id');
  }

  count(): number {
    return Number((this.#prepare('SELECT count(*) AS n FROM sync_parked').get() as { n: number }).n);
  }

  #all(where: string, ...values: string[]): ParkedRow[] {
    return this.#prepare(`SELECT ${COLUMNS} FROM sync_parked WHERE ${where}`).all(...values) as ParkedRow[];
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
