/** In the agent file: the changes that were cut, with what the row state needs of them, and the bytes of their units. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue, UnitOp } from '../../shared/records/unit-record.ts';
import { cutFromText } from './cut-text.ts';
import type { Cut } from './row-state.ts';

export const CHANGE_SCHEMA = `
-- What was cut, by the number that goes up. handle: the row, by its key in sync_row; row_entry: its insert's entry, for a
-- row that was not kept then; entries: seqs in sync_outbox that it covers (JSON); cut: see up/cut-text.ts.
CREATE TABLE IF NOT EXISTS change (
  number INTEGER PRIMARY KEY,
  unit INTEGER NOT NULL,
  table_name TEXT NOT NULL,
  op TEXT NOT NULL,
  handle TEXT NOT NULL,
  identity TEXT NOT NULL,
  row_entry TEXT,
  row_key,
  entries TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  cut TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS change_unit ON change (unit);
CREATE INDEX IF NOT EXISTS change_name ON change (table_name, identity);
CREATE INDEX IF NOT EXISTS change_entry ON change (row_entry) WHERE row_entry IS NOT NULL;

-- Each part of a unit as it was cut: a unit record of one unit, whose head is made when it is published.
CREATE TABLE IF NOT EXISTS unit_part (
  unit INTEGER NOT NULL,
  part INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (unit, part)
) WITHOUT ROWID;
`;

export interface KeptChange {
  readonly number: number;
  readonly unit: number;
  /** Local name. */
  readonly table: string;
  readonly op: UnitOp;
  readonly handle: string;
  readonly identity: string;
  readonly rowEntry: string | null;
  /** Where the row lived when it was cut. */
  readonly rowKey: SqliteValue;
  readonly entries: readonly number[];
  readonly atMs: number;
  /** See cut-text.ts. */
  readonly cutText: string;
  /** Read from its text each time: of a backlog very many are kept. */
  readonly cut: Cut;
}

export function keptChange(change: Omit<KeptChange, 'cut'>): KeptChange {
  const { cutText } = change;
  return {
    ...change,
    get cut() {
      return cutFromText(cutText);
    },
  };
}

type ChangeRow = [
  bigint,
  bigint,
  string,
  UnitOp,
  string,
  string,
  string | null,
  SqliteValue,
  string,
  bigint,
  string,
];

const COLUMNS = 'number, unit, table_name, op, handle, identity, row_entry, row_key, entries, at_ms, cut';

export class ChangeStore {
  readonly #db: SqliteDatabase;
  readonly #statements = new Map<string, Statement>();

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** 0: none yet. */
  lastNumber(): number {
    return Number(this.#prepare('SELECT max(number) FROM change').pluck().get() ?? 0n);
  }

  /** Inside the transaction that adds its unit. */
  add(change: KeptChange): void {
    this.#prepare(`INSERT INTO change (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      change.number,
      change.unit,
      change.table,
      change.op,
      change.handle,
      change.identity,
      change.rowEntry,
      change.rowKey,
      JSON.stringify(change.entries),
      change.atMs,
      change.cutText,
    );
  }

  addPart(unit: number, part: number, bytes: Buffer): void {
    this.#prepare('INSERT INTO unit_part (unit, part, bytes) VALUES (?, ?, ?)').run(unit, part, bytes);
  }

  parts(unit: number): Buffer[] {
    const sql = 'SELECT bytes FROM unit_part WHERE unit = ? ORDER BY part';
    return this.#prepare(sql).pluck().all(unit) as Buffer[];
  }

  /** In order. */
  after(number: number, limit = -1): KeptChange[] {
    return this.#all('number > ? ORDER BY number LIMIT ?', number, limit);
  }

  numbersAfter(number: number, limit: number): number[] {
    const sql = 'SELECT number FROM change WHERE number > ? ORDER BY number LIMIT ?';
    return (this.#prepare(sql).pluck().all(number, limit) as bigint[]).map(Number);
  }

  get(number: number): KeptChange | undefined {
    return this.#all('number = ?', number)[0];
  }

  /** @throws Error where it is not here */
  cutOf(number: number): Cut {
    const text = this.#prepare('SELECT cut FROM change WHERE number = ?').pluck().get(number);
    if (typeof text !== 'string') throw new Error(`change ${number} is not in the agent file`);
    return cutFromText(text);
  }

  /** The handle that a row was cut under, by the entry of its insert. */
  handleOf(table: string, rowEntry: string): string | undefined {
    const sql = 'SELECT handle FROM change WHERE table_name = ? AND row_entry = ? LIMIT 1';
    return this.#prepare(sql).pluck().get(table, rowEntry) as string | undefined;
  }

  /** Whether a row was cut under this name; the kept keys may not know it yet. */
  isNamed(table: string, identity: string): boolean {
    const sql = 'SELECT 1 FROM change WHERE table_name = ? AND identity = ? LIMIT 1';
    return this.#prepare(sql).pluck().get(table, identity) !== undefined;
  }

  /** The name under which a row that had none was cut, before the kept keys know it. */
  nameOf(table: string, handle: string, after: number): string | undefined {
    const sql = 'SELECT identity FROM change WHERE number > ? AND table_name = ? AND handle = ? LIMIT 1';
    return this.#prepare(sql).pluck().get(after, table, handle) as string | undefined;
  }

  /** With the units up to this one. */
  purge(unit: number): number {
    this.#prepare('DELETE FROM unit_part WHERE unit <= ?').run(unit);
    return this.#prepare('DELETE FROM change WHERE unit <= ?').run(unit).changes;
  }

  /** The oldest that is still here; one behind the last where there is none. */
  firstNumber(): number {
    return Number(this.#prepare('SELECT min(number) FROM change').pluck().get() ?? this.lastNumber() + 1);
  }

  ofUnit(unit: number): KeptChange[] {
    return this.#all('unit = ? ORDER BY number', unit);
  }

  clear(): void {
    this.#db.exec('DELETE FROM change; DELETE FROM unit_part');
  }

  #all(where: string, ...values: number[]): KeptChange[] {
    const rows = this.#prepare(`SELECT ${COLUMNS} FROM change WHERE ${where}`)
      .raw()
      .all(...values);
    return (rows as ChangeRow[]).map(toChange);
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function toChange(row: ChangeRow): KeptChange {
  const [number, unit, table, op, handle, identity, rowEntry, rowKey, entries, atMs, cut] = row;
  return keptChange({
    number: Number(number),
    unit: Number(unit),
    table,
    op,
    handle,
    identity,
    rowEntry,
    rowKey,
    entries: JSON.parse(entries) as number[],
    atMs: Number(atMs),
    cutText: cut,
  });
}
