/** Reads what the triggers of the versions before recorded: every entry with the old and the new values of its row. */
import type { Statement } from 'better-sqlite3';
import type { Outcome } from '../../shared/records/change-record.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { exactText, mayBeReplaced, type ExactText } from '../till/exact-text.ts';
import { quoteName } from '../till/local-schema.ts';
import { oldOutboxIn } from './old-file.ts';

/** c, u, d, r as in UnitOp; k: the row's key changed (never published). */
export type OutboxOp = 'c' | 'u' | 'd' | 'r' | 'k';

export interface OutboxEntry {
  readonly seq: number;
  readonly op: OutboxOp;
  readonly rowKey: SqliteValue;
  readonly capturedAtMs: number;
  readonly identity: string | null;
  readonly centralId: string | null;
  /** null: it is not settled. */
  readonly outcome: Outcome | 'local' | null;
  readonly columns: ChangeColumns;
  /** The whole row as read; `columns` says where the values are. */
  readonly values: readonly SqliteValue[];
}

/** What the change table of one local table holds, and where. */
export interface ChangeColumns {
  readonly table: string;
  /** Every old_ and new_ column, in the order of their names: [name, index in `values`]. */
  readonly stored: readonly (readonly [name: string, index: number])[];
  /** Index of a local column's old or new value; undefined where it is not recorded. */
  readonly oldIndex: ReadonlyMap<string, number>;
  readonly newIndex: ReadonlyMap<string, number>;
}

type RawRow = [
  bigint,
  OutboxOp,
  SqliteValue,
  bigint | null,
  string | null,
  string | null,
  Outcome | 'local' | null,
  ...SqliteValue[],
];
const SEQS_AT_ONCE = 1000;
const FIRST_VALUE = 7;

interface TableReader {
  readonly columns: ChangeColumns;
  readonly range: Statement<[number, number], RawRow>;
}

export class OldOutbox {
  readonly #db: SqliteDatabase;
  readonly #name: string;
  readonly #readers = new Map<string, TableReader>();
  #exactText: ExactText | undefined;
  readonly #tables: Statement<[number, number], string>;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    this.#name = oldOutboxIn(db);
    this.#tables = db
      .prepare<[number, number], string>(
        `SELECT DISTINCT table_name FROM ${this.#name} WHERE seq BETWEEN ? AND ?`,
      )
      .pluck();
  }

  highestSeq(): number {
    return this.#number(`SELECT max(seq) FROM ${this.#name}`);
  }

  /** AUTOINCREMENT's own count. */
  lastSeq(): number {
    const sql = 'SELECT seq FROM sqlite_sequence WHERE name = ?';
    return this.#db.prepare<[string], number>(sql).pluck().get(this.#name) ?? this.highestSeq();
  }

  /** Inserts that the centre has refused: it may take them yet. */
  refused(): OutboxEntry[] {
    const sql = `SELECT seq FROM ${this.#name} WHERE outcome = 'rejected' AND op IN ('c', 'r') ORDER BY seq`;
    return this.#db
      .prepare<[], number>(sql)
      .pluck()
      .all()
      .flatMap((seq) => this.entries(seq, seq));
  }

  /** Those of some tables that are not settled. */
  open(tables: readonly string[], upTo: number): OutboxEntry[] {
    const sql = `SELECT seq FROM ${this.#name} WHERE outcome IS NULL AND seq <= ?
      AND table_name IN (SELECT value FROM json_each(?)) ORDER BY seq`;
    const last = Math.min(upTo, this.lastSeq());
    const seqs = this.#db.prepare<[number, string], number>(sql).pluck().all(last, JSON.stringify(tables));
    return seqs.flatMap((seq) => this.entries(seq, seq));
  }

  /** The first that is not settled; undefined: all are. */
  oldestOpen(): number | undefined {
    const seq = this.#number(`SELECT min(seq) FROM ${this.#name} WHERE outcome IS NULL`);
    return seq === 0 ? undefined : seq;
  }

  #number(sql: string): number {
    return this.#db.prepare<[], number | null>(sql).pluck().get() ?? 0;
  }

  /**
   * Entries in seq order, both ends included. Read in pieces: with a rollback journal the app cannot commit
   * while a statement of ours reads.
   */
  entries(firstSeq: number, lastSeq: number): OutboxEntry[] {
    const entries: OutboxEntry[] = [];
    for (let from = firstSeq; from <= lastSeq; from += SEQS_AT_ONCE) {
      this.#read(from, Math.min(lastSeq, from + SEQS_AT_ONCE - 1), entries);
    }
    return entries;
  }

  /**
   * The entry's value to the byte, where the driver may have put something else in its place. The hash of a unit
   * covers what the driver says, as it always has; what is sent is this.
   */
  exact(entry: OutboxEntry, index: number): SqliteValue {
    const value = entry.values[index] ?? null;
    if (!mayBeReplaced(value)) return value;
    const name = entry.columns.stored.find(([, at]) => at === index)?.[0];
    if (name === undefined) return value;
    const change = quoteName(`sync_change_${entry.columns.table}`);
    this.#exactText ??= exactText(this.#db);
    return this.#exactText(
      this.#db
        .prepare(`SELECT CAST(${quoteName(name)} AS BLOB) FROM ${change} WHERE seq = ?`)
        .pluck()
        .get(entry.seq),
    );
  }

  #read(firstSeq: number, lastSeq: number, into: OutboxEntry[]): void {
    const tables = this.#tables.all(firstSeq, lastSeq);
    const found: OutboxEntry[] = [];
    for (const table of tables) {
      const { columns, range } = this.#reader(table);
      for (const row of range.all(firstSeq, lastSeq)) {
        const seq = Number(row[0]);
        found.push({
          seq,
          op: row[1],
          rowKey: row[2],
          capturedAtMs: Number(row[3] ?? 0n),
          identity: row[4],
          centralId: row[5],
          outcome: row[6],
          columns,
          values: row,
        });
      }
    }
    if (tables.length > 1) found.sort((a, b) => a.seq - b.seq);
    for (const entry of found) into.push(entry);
  }

  #reader(table: string): TableReader {
    const known = this.#readers.get(table);
    if (known !== undefined) return known;
    const change = `sync_change_${table}`;
    const names = this.#db
      .prepare<[string], string>(
        `SELECT name FROM pragma_table_info(?) WHERE name GLOB 'old_*' OR name GLOB 'new_*' ORDER BY name`,
      )
      .pluck()
      .all(change);
    const select = names.map((name) => `, c.${quoteName(name)}`).join('');
    const range = this.#db
      .prepare<[number, number], RawRow>(
        `SELECT c.seq, o.op, o.row_key, o.captured_at_ms, c.identity, c.central_id, o.outcome${select}
         FROM ${quoteName(change)} c JOIN ${this.#name} o ON o.seq = c.seq
         WHERE c.seq BETWEEN ? AND ? ORDER BY c.seq`,
      )
      .raw()
      .safeIntegers();
    const reader = { columns: changeColumns(table, names), range };
    this.#readers.set(table, reader);
    return reader;
  }
}

function changeColumns(table: string, names: readonly string[]): ChangeColumns {
  const stored = names.map((name, index) => [name, FIRST_VALUE + index] as const);
  const side = (prefix: string) =>
    new Map(
      stored
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, index]) => [name.slice(prefix.length), index]),
    );
  return { table, stored, oldIndex: side('old_'), newIndex: side('new_') };
}
