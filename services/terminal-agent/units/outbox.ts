/** Reads what the triggers recorded. Entries are written once; only `outcome` and `central_id` ever change. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { exactText, mayBeReplaced, type ExactText } from '../till/exact-text.ts';
import { quoteName } from '../till/local-schema.ts';
import type { SeqSpan } from './agent-file.ts';

/** c, u, d, r as in UnitOp; k: the row's key changed (never published). */
export type OutboxOp = 'c' | 'u' | 'd' | 'r' | 'k';

export interface OutboxEntry {
  readonly seq: number;
  readonly op: OutboxOp;
  readonly rowKey: SqliteValue;
  readonly capturedAtMs: number;
  readonly identity: string | null;
  readonly centralId: string | null;
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

type RawRow = [bigint, OutboxOp, SqliteValue, bigint | null, string | null, string | null, ...SqliteValue[]];
const SEQS_AT_ONCE = 1000;
const FIRST_VALUE = 6;

interface TableReader {
  readonly columns: ChangeColumns;
  readonly range: Statement<[number, number], RawRow>;
}

export class Outbox {
  readonly #db: SqliteDatabase;
  readonly #isLeftOut: (seq: number) => boolean;
  readonly #readers = new Map<string, TableReader>();
  #exactText: ExactText | undefined;
  readonly #highest: Statement<[], number | null>;
  readonly #tables: Statement<[number, number], string>;
  readonly #oldestOpen: Statement<[number], { seq: number; captured_at_ms: number | null }>;
  readonly #count: Statement<[number, number], number>;

  /** @param isLeftOut entries that no unit may hold: they were settled before a hand-over */
  constructor(db: SqliteDatabase, isLeftOut: (seq: number) => boolean = () => false) {
    this.#db = db;
    this.#isLeftOut = isLeftOut;
    this.#highest = db.prepare<[], number | null>('SELECT max(seq) FROM sync_outbox').pluck();
    this.#tables = db
      .prepare<[number, number], string>(
        'SELECT DISTINCT table_name FROM sync_outbox WHERE seq BETWEEN ? AND ?',
      )
      .pluck();
    this.#oldestOpen = db.prepare(
      'SELECT seq, captured_at_ms FROM sync_outbox WHERE seq > ? AND outcome IS NULL ORDER BY seq LIMIT 1',
    );
    this.#count = db
      .prepare<[number, number], number>('SELECT count(*) FROM sync_outbox WHERE seq BETWEEN ? AND ?')
      .pluck();
  }

  /** After the till's tables were bound anew: change tables may have got columns. */
  reset(): void {
    this.#readers.clear();
  }

  /**
   * The newest entry; 0 when there is none. One statement is one read snapshot, which ends between two of the
   * app's transactions: everything up to this seq is a whole number of them.
   */
  highestSeq(): number {
    return this.#highest.get() ?? 0;
  }

  count(firstSeq: number, lastSeq: number): number {
    return this.#count.get(firstSeq, lastSeq) ?? 0;
  }

  /** The first unsettled entry after a seq. */
  oldestOpen(afterSeq: number): { seq: number; capturedAtMs: number } | undefined {
    const row = this.#oldestOpen.get(afterSeq);
    return row === undefined ? undefined : { seq: row.seq, capturedAtMs: row.captured_at_ms ?? 0 };
  }

  /** What a file has to send after a hand-over, and what of that range it has not. */
  unsettledFrom(): { readonly beginsAfter: number; readonly settled: SeqSpan[] } {
    const first = this.oldestOpen(0);
    if (first === undefined) return { beginsAfter: this.highestSeq(), settled: [] };
    const seqs = this.#db
      .prepare<[number], number>(
        'SELECT seq FROM sync_outbox WHERE seq > ? AND outcome IS NOT NULL ORDER BY seq',
      )
      .pluck();
    const settled: { firstSeq: number; lastSeq: number }[] = [];
    for (const seq of seqs.iterate(first.seq)) {
      const last = settled.at(-1);
      if (last !== undefined && seq === last.lastSeq + 1) last.lastSeq = seq;
      else settled.push({ firstSeq: seq, lastSeq: seq });
    }
    return { beginsAfter: first.seq - 1, settled };
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
        if (this.#isLeftOut(seq)) continue;
        found.push({
          seq,
          op: row[1],
          rowKey: row[2],
          capturedAtMs: Number(row[3] ?? 0n),
          identity: row[4],
          centralId: row[5],
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
        `SELECT c.seq, o.op, o.row_key, o.captured_at_ms, c.identity, c.central_id${select}
         FROM ${quoteName(change)} c JOIN sync_outbox o ON o.seq = c.seq
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
