/**
 * Whether the till file still holds what we know of it: the newest entry that is in a unit, as it stood there when it
 * was cut, and the number of our own writes. A file that does not was put back to an older state under our hands,
 * which SQLite shows like any commit: nothing may be cut from it, sent of it or written to it before it is known what
 * it is.
 *
 *   the file has                                  | known by
 *   ----------------------------------------------+-------------------------------------------------------------
 *   none of our tables                            | they were there
 *   no such entry, or another one under its seq   | the entry
 *   another number of writes than we have made    | the number: also where the app has sold nothing since, and
 *                                                 | only what came down would be lost
 */
import type { Statement } from 'better-sqlite3';
import { PayflowError } from '../../shared/errors.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { NEWEST_ENTRY_SQL } from '../file/outbox-schema.ts';

export interface CutEntryPrint {
  readonly seq: number;
  /** Its own, random. */
  readonly id: string;
}

const TABLES_SQL = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('sync_meta', 'sync_outbox')`;
const ENTRY_SQL = 'SELECT entry_id FROM sync_outbox WHERE seq = ?';
const HIGHEST_SQL = `SELECT ${NEWEST_ENTRY_SQL}`;
const WRITES_SQL = `SELECT value FROM sync_meta WHERE name = 'writes'`;
const COUNT_SQL = `INSERT OR REPLACE INTO sync_meta (name, value) VALUES ('writes', ?)`;

export class FileProof {
  readonly #db: SqliteDatabase;
  #entry: CutEntryPrint | null = null;
  /** null: not asked yet. */
  #writes: number | null = null;
  readonly #statements = new Map<string, Statement>();
  #count: Statement<[string]> | undefined;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** From here on it is this file: our tables are in it. */
  begin(): void {
    this.#writes = this.#stored();
  }

  /** How often we have written to the file. */
  get writes(): number {
    return this.#writes ?? this.#stored();
  }

  /** It was cut. */
  note(entry: CutEntryPrint): void {
    this.#entry = entry;
  }

  /**
   * Inside the transaction, or the snapshot, that cuts, sends or writes.
   * @throws PayflowError TERMINAL_DB_REPLACED
   */
  check(): void {
    if (this.#entry === null && this.#writes === null) return;
    if (this.#prepared<[], [bigint]>(TABLES_SQL).get()?.[0] !== 2n)
      throw this.#replaced('has none of our tables any more');
    if (this.#entry !== null && !this.holds(this.#entry))
      throw this.#replaced(`does not hold change ${this.#entry.seq} any more, which was sent`);
    if (this.#writes !== null && this.#stored() !== this.#writes)
      throw this.#replaced(`does not hold what was written to it last`);
  }

  /** Last in a transaction of ours. @returns to be called when it is committed */
  count(): () => void {
    const next = this.writes + 1;
    (this.#count ??= this.#db.prepare<[string]>(COUNT_SQL)).run(String(next));
    return () => (this.#writes = next);
  }

  holds({ seq, id }: CutEntryPrint): boolean {
    return this.idOf(seq) === id;
  }

  /** null: there is no such entry. */
  idOf(seq: number): string | null {
    return this.#prepared<[number], [bigint]>(ENTRY_SQL).get(seq)?.[0].toString() ?? null;
  }

  /** The newest entry that there ever was; 0: none. One statement is one snapshot, which ends between two transactions. */
  highest(): number {
    return Number(this.#prepared<[], [bigint]>(HIGHEST_SQL).get()?.[0] ?? 0n);
  }

  #stored(): number {
    return Number(this.#prepared<[], [string]>(WRITES_SQL).get()?.[0] ?? 0);
  }

  /** Only once the tables are there can what asks them be prepared. */
  #prepared<P extends unknown[], R>(sql: string): Statement<P, R> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).raw().safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement as Statement<P, R>;
  }

  #replaced(what: string): PayflowError {
    return new PayflowError('TERMINAL_DB_REPLACED', `${this.#db.name} ${what}`);
  }
}
