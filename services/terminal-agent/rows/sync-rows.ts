/** `sync_row_<table>`: which central row is which local row, and what was last applied to it. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName } from '../till/local-schema.ts';

export interface SyncRow {
  /** null once the local row is gone. */
  readonly rowKey: SqliteValue;
  /** Encoded, so that Buffer.compare orders it. */
  readonly position: Buffer;
  readonly deleted: boolean;
  /** Newest image (rows/image.ts) while there are unsettled changes. */
  readonly base: string | null;
}

type Stored = [SqliteValue, Buffer, bigint, string | null];

export class SyncRows {
  readonly #get: Statement<[string], Stored>;
  readonly #byKey: Statement<[SqliteValue], string>;
  readonly #add: Statement;
  readonly #put: Statement;
  readonly #advance: Statement;

  constructor(db: SqliteDatabase, localTable: string) {
    const table = quoteName(`sync_row_${localTable}`);
    this.#get = db
      .prepare<[string], Stored>(`SELECT row_key, position, deleted, base FROM ${table} WHERE central_id = ?`)
      .raw()
      .safeIntegers();
    this.#byKey = db
      .prepare<[SqliteValue], string>(`SELECT central_id FROM ${table} WHERE row_key = ?`)
      .pluck();
    // The key's index is left alone where the key stays.
    this.#advance = db.prepare(
      `UPDATE ${table} SET position = ?, deleted = 0, base = NULL WHERE central_id = ?`,
    );
    this.#add = db.prepare(`INSERT INTO ${table} (central_id, row_key, position) VALUES (?, ?, ?)`);
    this.#put = db.prepare(
      `INSERT INTO ${table} (central_id, row_key, position, deleted, base) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (central_id) DO UPDATE SET row_key = excluded.row_key, position = excluded.position,
         deleted = excluded.deleted, base = excluded.base`,
    );
  }

  get(centralId: string): SyncRow | undefined {
    const row = this.#get.get(centralId);
    if (row === undefined) return undefined;
    return { rowKey: row[0], position: row[1], deleted: row[2] !== 0n, base: row[3] };
  }

  centralIdOf(rowKey: SqliteValue): string | undefined {
    return this.#byKey.get(rowKey);
  }

  /** A newer image was written to the same local row, and nothing is open. */
  advance(centralId: string, position: Buffer): void {
    this.#advance.run(position, centralId);
  }

  /** Of a central row that `get` has just not found. */
  add(centralId: string, rowKey: SqliteValue, position: Buffer): void {
    this.#add.run(centralId, rowKey, position);
  }

  put(centralId: string, row: SyncRow): void {
    this.#put.run(centralId, row.rowKey, row.position, row.deleted ? 1 : 0, row.base);
  }
}
