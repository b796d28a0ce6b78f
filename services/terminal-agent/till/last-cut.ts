/**
 * The newest entry that is in a unit, as it stood in the till file when it was cut. A file that does not hold it, or
 * another one under its number, was put back to an older state under our hands, which SQLite shows like any commit:
 * nothing may be cut from it or written to it before it is known what it is.
 */
import type { Statement } from 'better-sqlite3';
import { PayflowError } from '../../shared/errors.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { sameValue } from '../rows/row-key.ts';

export interface CutEntryPrint {
  readonly seq: number;
  readonly op: string;
  readonly rowKey: SqliteValue;
  readonly capturedAtMs: number;
}

type Stored = [string, SqliteValue, bigint | null];

export class LastCut {
  readonly #db: SqliteDatabase;
  #entry: CutEntryPrint | null = null;
  #find: Statement<[number], Stored> | undefined;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  note({ seq, op, rowKey, capturedAtMs }: CutEntryPrint): void {
    this.#entry = { seq, op, rowKey, capturedAtMs };
  }

  /**
   * Inside the transaction, or the snapshot, that cuts or writes.
   * @throws PayflowError TERMINAL_DB_REPLACED
   */
  check(): void {
    const entry = this.#entry;
    if (entry === null) return;
    this.#find ??= this.#db
      .prepare<[number], Stored>('SELECT op, row_key, captured_at_ms FROM sync_outbox WHERE seq = ?')
      .raw()
      .safeIntegers();
    const found = this.#find.get(entry.seq);
    if (found !== undefined) {
      const [op, rowKey, atMs] = found;
      const isSame =
        op === entry.op && sameValue(rowKey, entry.rowKey) && Number(atMs ?? 0n) === entry.capturedAtMs;
      if (isSame) return;
    }
    throw new PayflowError(
      'TERMINAL_DB_REPLACED',
      `${this.#db.name} does not hold change ${entry.seq} any more, which was sent`,
    );
  }
}
