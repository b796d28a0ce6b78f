/** `sync_row_<table>`: which central row is which local row, and what both sides last agreed on. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName } from '../till/local-schema.ts';

/** How a row is called here: the central id, or `~` and its name while the centre has not taken it. */
export function unlinkedHandle(identity: string): string {
  return `~${identity}`;
}

export function isUnlinked(handle: string): boolean {
  return handle.startsWith('~');
}

export interface SyncRow {
  /** null once the local row is gone. */
  readonly rowKey: SqliteValue;
  /** Encoded, so that Buffer.compare orders it. */
  readonly position: Buffer;
  readonly deleted: boolean;
  /** Newest image (rows/image.ts), or what was inserted; null: neither. */
  readonly base: string | null;
  /** Under which it was cut first; null: never. */
  readonly identity: string | null;
  /** The centre has not taken its insert. */
  readonly refused: boolean;
}

type Stored = [SqliteValue, Buffer, bigint, string | null, string | null, bigint];

export class SyncRows {
  readonly #get: Statement<[string], Stored>;
  readonly #byKey: Statement<[SqliteValue], string>;
  readonly #byIdentity: Statement<[string], string>;
  readonly #add: Statement;
  readonly #put: Statement;
  readonly #advance: Statement;
  readonly #move: Statement;
  readonly #former: Statement<[string], SqliteValue>;
  readonly #name: Statement;
  readonly #remove: Statement;
  readonly #rename: Statement;
  readonly #unlinked: Statement<[], number>;

  constructor(db: SqliteDatabase, localTable: string) {
    const table = quoteName(`sync_row_${localTable}`);
    this.#get = db
      .prepare<[string], Stored>(
        `SELECT row_key, position, deleted, base, identity, refused FROM ${table} WHERE central_id = ?`,
      )
      .raw()
      .safeIntegers();
    this.#byKey = db
      .prepare<[SqliteValue], string>(`SELECT central_id FROM ${table} WHERE row_key = ?`)
      .pluck();
    this.#byIdentity = db
      .prepare<[string], string>(`SELECT central_id FROM ${table} WHERE identity = ?`)
      .pluck();
    // The key's index is left alone where the key stays.
    this.#advance = db.prepare(
      `UPDATE ${table} SET position = ?, deleted = 0, refused = 0, base = ? WHERE central_id = ?`,
    );
    this.#move = db.prepare(
      `UPDATE ${table} SET former_key = CASE WHEN ? IS NULL THEN coalesce(row_key, former_key) END, row_key = ?
        WHERE central_id = ?`,
    );
    this.#former = db
      .prepare<[string], SqliteValue>(`SELECT former_key FROM ${table} WHERE central_id = ?`)
      .pluck()
      .safeIntegers();
    this.#name = db.prepare(`UPDATE ${table} SET identity = ? WHERE central_id = ? AND identity IS NULL`);
    this.#remove = db.prepare(`DELETE FROM ${table} WHERE central_id = ?`);
    this.#rename = db.prepare(`UPDATE ${table} SET central_id = ? WHERE central_id = ?`);
    this.#unlinked = db
      .prepare<[], number>(
        `SELECT 1 FROM ${table} WHERE central_id GLOB '~*' AND refused = 0 AND row_key IS NOT NULL LIMIT 1`,
      )
      .pluck();
    this.#add = db.prepare(`INSERT INTO ${table} (central_id, row_key, position, base) VALUES (?, ?, ?, ?)`);
    this.#put = db.prepare(
      `INSERT INTO ${table} (central_id, row_key, position, deleted, base, identity, refused) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (central_id) DO UPDATE SET row_key = excluded.row_key, position = excluded.position,
         former_key = CASE WHEN excluded.row_key IS NULL THEN coalesce(row_key, former_key) END,
         deleted = excluded.deleted, base = excluded.base, identity = excluded.identity, refused = excluded.refused`,
    );
  }

  get(handle: string): SyncRow | undefined {
    const row = this.#get.get(handle);
    if (row === undefined) return undefined;
    const [rowKey, position, deleted, base, identity, refused] = row;
    return { rowKey, position, deleted: deleted !== 0n, base, identity, refused: refused !== 0n };
  }

  handleAt(rowKey: SqliteValue): string | undefined {
    return this.#byKey.get(rowKey);
  }

  /** The central id of the row under a local key; undefined for one that has none. */
  centralIdOf(rowKey: SqliteValue): string | undefined {
    const handle = this.handleAt(rowKey);
    return handle === undefined || isUnlinked(handle) ? undefined : handle;
  }

  named(identity: string): string | undefined {
    return this.#byIdentity.get(identity);
  }

  /** Whether rows are here whose link may come: cut, or to be cut. */
  get hasUnlinked(): boolean {
    return this.#unlinked.get() !== undefined;
  }

  /** A newer image was written to the same local row, and nothing is open. */
  advance(handle: string, position: Buffer, base: string): void {
    this.#advance.run(position, base, handle);
  }

  /** Of a central row that `get` has just not found. */
  add(handle: string, rowKey: SqliteValue, { position, base }: Pick<SyncRow, 'position' | 'base'>): void {
    this.#add.run(handle, rowKey, position, base);
  }

  /** The app gave the row another key; null: it is gone. */
  move(handle: string, rowKey: SqliteValue): void {
    this.#move.run(rowKey, rowKey, handle);
  }

  /** Under which a row that is gone lived last; null: of one that lives, or went before this was kept. */
  formerKey(handle: string): SqliteValue {
    return this.#former.get(handle) ?? null;
  }

  /** The name under which it is cut first. */
  name(handle: string, identity: string): void {
    this.#name.run(identity, handle);
  }

  /** A row without link gets its central id. */
  rename(handle: string, centralId: string): void {
    this.#rename.run(centralId, handle);
  }

  remove(handle: string): void {
    this.#remove.run(handle);
  }

  put(handle: string, row: SyncRow): void {
    const { rowKey, position, deleted, base, identity, refused } = row;
    this.#put.run(handle, rowKey, position, deleted ? 1 : 0, base, identity, refused ? 1 : 0);
  }
}
