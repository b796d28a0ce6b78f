/**
 * The till's unsettled changes, found by row. The app pays for no index on our tables, so the index is a TEMP
 * table of the agent's own connection: filled from the outbox, extended by what is new at the start of each
 * transaction, and rolled back with it. Refused inserts stay in it: a retry at the centre may still link them.
 */
import type { Statement } from 'better-sqlite3';
import type { Outcome } from '../../shared/records/change-record.ts';
import { inSnapshot, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue, UnitOp } from '../../shared/records/unit-record.ts';
import type { ColumnEdit, OpenChange } from './rebase.ts';
import { asRead, asStored, exactText, mayBeReplaced, type ExactText } from '../till/exact-text.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import type { TillTable, TillTables } from './till-tables.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';

export interface OpenEntry {
  readonly seq: number;
  readonly table: string;
  readonly op: UnitOp;
  readonly rowKey: SqliteValue;
  readonly identity: string | null;
  readonly centralId: string | null;
  /** A refused insert: settled, but its row has no link. */
  readonly rejected: boolean;
  /** The app can read why (sync_given_up), as far as this process knows. */
  readonly explained: boolean;
}

const TEMP_SCHEMA = `
CREATE TEMP TABLE IF NOT EXISTS sync_open (
  seq INTEGER PRIMARY KEY, table_name TEXT NOT NULL, op TEXT NOT NULL, row_key, identity TEXT, central_id TEXT,
  rejected INTEGER NOT NULL DEFAULT 0, explained INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS temp.sync_open_row ON sync_open (table_name, central_id);
CREATE INDEX IF NOT EXISTS temp.sync_open_key ON sync_open (table_name, row_key);
CREATE INDEX IF NOT EXISTS temp.sync_open_identity ON sync_open (table_name, identity);`;

const ENTRY = 'seq, table_name, op, row_key, identity, central_id, rejected, explained';
type EntryRow = [bigint, string, UnitOp, SqliteValue, string | null, string | null, bigint, bigint];
type TableStatement = (table: string) => Statement;

export class OpenChanges {
  readonly #db: SqliteDatabase;
  readonly #statements = new Map<string, Statement>();
  readonly #newest: Statement<[], bigint | null>;
  /** Local tables that the app wrote since a transaction last tried again what these writes may have set free. */
  readonly written = new Set<string>();
  #loaded = 0;
  #exactText: ExactText | undefined;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    db.exec(TEMP_SCHEMA);
    this.#newest = db.prepare<[], bigint | null>('SELECT max(seq) FROM sync_outbox').pluck().safeIntegers();
    this.reload();
  }

  /** Reads everything again: at start, after a rollback, and when the tables were bound anew. */
  reload(): void {
    this.#statements.clear();
    this.#db.exec('DELETE FROM temp.sync_open');
    this.#loaded = 0;
    this.look();
  }

  get highestSeq(): number {
    return this.#loaded;
  }

  /** Takes in what the app wrote since; inside a transaction, so that it is one state. */
  refresh(): void {
    const newest = Number(this.#newest.get() ?? 0n);
    if (newest <= this.#loaded) return;
    const first = this.#loaded === 0;
    const wanted = first
      ? `(outcome IS NULL OR (outcome = 'rejected' AND op IN ('c', 'r')))`
      : 'outcome IS NULL';
    const tables = this.#db
      .prepare<[number], string>(`SELECT DISTINCT table_name FROM sync_outbox WHERE seq > ? AND ${wanted}`)
      .pluck()
      .all(this.#loaded);
    for (const table of tables) {
      this.#load(table, wanted);
      this.written.add(table);
    }
    this.#loaded = newest;
  }

  /** `refresh` outside of a transaction. */
  look(): void {
    inSnapshot(this.#db, () => {
      this.refresh();
    });
  }

  #load(table: string, wanted: string): void {
    const changes = quoteName(`sync_change_${table}`);
    this.#db
      .prepare(
        `INSERT INTO temp.sync_open (seq, table_name, op, row_key, identity, central_id, rejected)
         SELECT o.seq, o.table_name, o.op, o.row_key, c.identity, c.central_id, o.outcome IS NOT NULL
         FROM sync_outbox o JOIN ${changes} c ON c.seq = o.seq WHERE o.seq > ? AND o.table_name = ? AND ${wanted}`,
      )
      .run(this.#loaded, table);
  }

  get(seq: number): OpenEntry | undefined {
    const row = this.#prepare(`SELECT ${ENTRY} FROM temp.sync_open WHERE seq = ?`).raw().get(seq);
    return row === undefined ? undefined : toEntry(row as EntryRow);
  }

  /** Unsettled changes of a linked row, in seq order. */
  ofRow(table: string, centralId: string): OpenEntry[] {
    return this.#all('table_name = ? AND central_id = ? AND rejected = 0', table, centralId);
  }

  /** Every change of a row that has no link yet, refused inserts included. */
  ofIdentity(table: string, identity: string): OpenEntry[] {
    return this.#all('table_name = ? AND identity = ?', table, identity);
  }

  /** Entries up to a seq, refused inserts included. */
  upTo(seq: number): OpenEntry[] {
    return this.#all('seq <= ?', seq);
  }

  /** Seq and table of what is unsettled, in seq order; without the rest, because there may be very many. */
  unsettled(upToSeq: number): { seq: number; table: string }[] {
    const limit = Math.min(upToSeq, Number.MAX_SAFE_INTEGER);
    const sql = 'SELECT seq, table_name FROM temp.sync_open WHERE seq <= ? AND rejected = 0 ORDER BY seq';
    const rows = this.#prepare(sql).raw().all(BigInt(limit)) as [bigint, string][];
    return rows.map(([seq, table]) => ({ seq: Number(seq), table }));
  }

  depth(): { depth: number; oldestUnsettledMs: number | null } {
    const sql = `SELECT (SELECT count(*) FROM temp.sync_open WHERE rejected = 0),
      (SELECT captured_at_ms FROM sync_outbox WHERE seq = (SELECT min(seq) FROM temp.sync_open WHERE rejected = 0))`;
    const [depth = 0n, oldest = null] = this.#prepare(sql).raw().get() as [bigint, bigint | null];
    return { depth: Number(depth), oldestUnsettledMs: oldest === null ? null : Number(oldest) };
  }

  /** Outcomes of the changes in a range of seqs; those without one are unsettled. */
  outcomes(firstSeq: number, lastSeq: number): Map<number, Outcome> {
    const sql = 'SELECT seq, outcome FROM sync_outbox WHERE seq BETWEEN ? AND ? AND outcome IS NOT NULL';
    const rows = this.#prepare(sql).raw().all(firstSeq, lastSeq) as [bigint, Outcome][];
    return new Map(rows.map(([seq, outcome]) => [Number(seq), outcome]));
  }

  ofTable(table: string): OpenEntry[] {
    return this.#all('table_name = ? AND rejected = 0', table);
  }

  hasAny(table: string): boolean {
    return this.#exists('table_name = ?', table);
  }

  hasUnlinkedInserts(table: string): boolean {
    return this.#exists(`table_name = ? AND central_id IS NULL AND op IN ('c', 'r')`, table);
  }

  /** Whether a row with unsettled changes holds this value in this column. */
  refersTo(table: BoundTable, column: string, value: SqliteValue): boolean {
    const name = table.local.name;
    const key = rowKeySql('child', table.local.key);
    const sql = `SELECT 1 FROM ${quoteName(name)} AS child WHERE child.${quoteName(column)} = ?
      AND ${key} IN (SELECT row_key FROM temp.sync_open WHERE table_name = ? AND rejected = 0) LIMIT 1`;
    return this.#prepare(sql).get(value, name) !== undefined;
  }

  get empty(): boolean {
    return !this.#exists('1');
  }

  /** The row of this identity is the central row `centralId`, also in what the triggers wrote before. */
  link(table: string, identity: string, centralId: string): void {
    const write = this.#prepare(
      `UPDATE ${quoteName(`sync_change_${table}`)} SET central_id = ? WHERE seq = ? AND central_id IS NULL`,
    );
    for (const entry of this.ofIdentity(table, identity)) write.run(centralId, entry.seq);
    this.#prepare('UPDATE temp.sync_open SET central_id = ? WHERE table_name = ? AND identity = ?').run(
      centralId,
      table,
      identity,
    );
  }

  settle(entry: OpenEntry, outcome: Outcome): void {
    this.#prepare('UPDATE sync_outbox SET outcome = ? WHERE seq = ?').run(outcome, entry.seq);
    if (outcome === 'rejected' && isInsert(entry)) {
      this.#prepare('UPDATE temp.sync_open SET rejected = 1 WHERE seq = ?').run(entry.seq);
    } else {
      this.#prepare('DELETE FROM temp.sync_open WHERE seq = ?').run(entry.seq);
    }
  }

  explain(entry: OpenEntry): void {
    this.#prepare('UPDATE temp.sync_open SET explained = 1 WHERE seq = ?').run(entry.seq);
  }

  /** What a change did to each column, as the triggers kept it, to the byte. */
  change(entry: OpenEntry, { columns }: BoundTable): OpenChange {
    const changes = quoteName(`sync_change_${entry.table}`);
    const statement = this.#prepare(`SELECT * FROM ${changes} WHERE seq = ?`);
    const row = (statement.raw(false).get(entry.seq) ?? {}) as Record<string, SqliteValue>;
    const bound = new Map(columns.map((column) => [column.local, column]));
    const kept = (name: string, column: string): SqliteValue => {
      const value = row[name] ?? null;
      const exact = mayBeReplaced(value) ? this.#exact(changes, name, entry.seq) : asStored(value);
      const target = bound.get(column);
      return target === undefined ? exact : asRead(exact, target);
    };
    const edits = new Map<string, ColumnEdit>();
    for (const name of Object.keys(row)) {
      if (!name.startsWith('new_')) continue;
      const column = name.slice('new_'.length);
      edits.set(column, { old: kept(`old_${column}`, column), new: kept(name, column) });
    }
    return { op: entry.op, edits };
  }

  #exact(changes: string, name: string, seq: number): SqliteValue {
    const sql = `SELECT CAST(${quoteName(name)} AS BLOB) FROM ${changes} WHERE seq = ?`;
    this.#exactText ??= exactText(this.#db);
    return this.#exactText(this.#prepare(sql).pluck().get(seq));
  }

  #all(where: string, ...values: (string | number)[]): OpenEntry[] {
    const rows = this.#prepare(`SELECT ${ENTRY} FROM temp.sync_open WHERE ${where} ORDER BY seq`)
      .raw()
      .all(...values) as EntryRow[];
    return rows.map(toEntry);
  }

  #exists(where: string, ...values: string[]): boolean {
    return this.#prepare(`SELECT 1 FROM temp.sync_open WHERE ${where} LIMIT 1`).get(...values) !== undefined;
  }

  readonly #prepare: TableStatement = (sql) => {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  };
}

export function isInsert(entry: OpenEntry): boolean {
  return entry.op === 'c' || entry.op === 'r';
}

function toEntry([seq, table, op, rowKey, identity, centralId, rejected, explained]: EntryRow): OpenEntry {
  const flags = { rejected: rejected !== 0n, explained: explained !== 0n };
  return { seq: Number(seq), table, op, rowKey, identity, centralId, ...flags };
}

/** @returns a local table with unsettled rows that point to this parent, which must stay for their sake */
export function unsettledChild(
  { open, tables }: { readonly open: OpenChanges; readonly tables: TillTables },
  parent: TillTable,
  centralId: string,
  rowKey: SqliteValue,
): string | undefined {
  return parent.children.find(({ table, column, reference }) => {
    const child = tables.byLocal(table);
    if (child === undefined || !open.hasAny(table)) return false;
    return open.refersTo(child.bound, column, tables.heldFor(reference, parent, centralId, rowKey));
  })?.table;
}
