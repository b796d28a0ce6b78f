/**
 * The till's changes that are cut and not settled, found by row. They stand in the agent file, and what became of them
 * in payflow.db: here both are put together, kept up within a transaction of the apply side, and read again after a
 * rollback. An answer whose image is not written yet keeps its change in flight: it `waits`.
 */
import type { Statement } from 'better-sqlite3';
import type { Outcome } from '../../shared/records/change-record.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue, UnitOp } from '../../shared/records/unit-record.ts';
import type { ChangeStore, KeptChange } from '../up/change-store.ts';
import type { Cut } from '../up/row-state.ts';

/** Of a backlog very many are held: its cut is read from the store when it is needed. */
export class FlightChange implements Omit<KeptChange, 'cutText'> {
  readonly number: number;
  readonly unit: number;
  readonly table: string;
  readonly op: UnitOp;
  readonly identity: string;
  readonly rowEntry: string | null;
  readonly rowKey: SqliteValue;
  readonly entries: readonly number[];
  readonly atMs: number;
  /** The row as it is called now. */
  handle: string;
  /** What the centre said, while the image that shows it waits. */
  answer: Outcome | null;
  readonly #store: ChangeStore;

  constructor(
    change: KeptChange,
    { store, handle, answer }: { store: ChangeStore; handle: string; answer: Outcome | null },
  ) {
    this.number = change.number;
    this.unit = change.unit;
    this.table = change.table;
    this.op = change.op;
    this.identity = change.identity;
    this.rowEntry = change.rowEntry;
    this.rowKey = change.rowKey;
    this.entries = change.entries;
    this.atMs = change.atMs;
    this.handle = handle;
    this.answer = answer;
    this.#store = store;
  }

  get cut(): Cut {
    return this.#store.cutOf(this.number);
  }
}

export interface FlightFiles {
  readonly db: SqliteDatabase;
  readonly changes: ChangeStore;
  readonly incarnation: () => string;
  /** Of the last unit. */
  readonly lastSeq: () => number;
  /** The newest entry that is cut. */
  readonly lastEntry: () => number;
  /** Whether payflow.db holds it. */
  readonly holdsLastEntry: () => boolean;
}

/** In sync_settled.waits: its row shows it, but the answer may have been another file's. */
export const SENT_AGAIN = 2;

export class Flight {
  readonly #files: FlightFiles;
  readonly #byNumber = new Map<number, FlightChange>();
  /** By table and handle. */
  readonly #byRow = new Map<string, Map<string, FlightChange[]>>();
  /** By table, inserts of rows without a link that may get one: asked for each central row that is new here. */
  readonly #unlinked = new Map<string, Set<number>>();
  /** Inserts that the centre has refused: it may take them yet, or an operator gives them up. */
  readonly #refused = new Map<number, FlightChange>();
  /** Refused ones of which the app can read why, as far as this process knows. */
  readonly #explained = new Set<number>();
  readonly #statements = new Map<string, Statement>();
  #loaded = 0;
  #mayHaveStrays = true;
  #isOfThisFile = true;

  constructor(files: FlightFiles) {
    this.#files = files;
    this.reload();
  }

  /** At start, after a rollback, and when the file goes on under another name. */
  reload(): void {
    this.#byNumber.clear();
    this.#byRow.clear();
    this.#unlinked.clear();
    this.#refused.clear();
    this.#explained.clear();
    this.#loaded = 0;
    this.#mayHaveStrays = true;
    this.#isOfThisFile = this.#files.holdsLastEntry();
    this.refresh();
  }

  /** Takes in what was cut since, a piece at a time: of each change far less is held than the store has. */
  refresh(): void {
    const { changes: store } = this.#files;
    for (let more = this.#isOfThisFile && store.lastNumber() > this.#loaded; more;) {
      const changes = this.#files.changes.after(this.#loaded, AT_ONCE);
      this.#take(changes, (change) => this.#handleNow(change));
      more = changes.length === AT_ONCE;
    }
  }

  /** What was just cut, in order, and is stored by now. Where an error had the last ones left out, they come first. */
  add(changes: readonly KeptChange[]): void {
    const [next] = this.#files.changes.numbersAfter(this.#loaded, 1);
    if (next !== changes[0]?.number) this.refresh();
    else if (this.#isOfThisFile) this.#take(changes, ({ handle }) => handle);
  }

  #take(changes: readonly KeptChange[], handleOf: (change: KeptChange) => string): void {
    const settled = new Map(
      (
        this.#prepare(
          'SELECT change, outcome, waits FROM sync_settled WHERE incarnation = ? AND change BETWEEN ? AND ?',
        ).all(this.#files.incarnation(), changes[0]?.number ?? 0, changes.at(-1)?.number ?? 0) as {
          change: bigint;
          outcome: Outcome;
          waits: bigint;
        }[]
      ).map((row) => [Number(row.change), row]),
    );
    for (const change of changes) {
      const known = settled.get(change.number);
      const found = new FlightChange(change, {
        store: this.#files.changes,
        handle: handleOf(change),
        answer: known?.outcome ?? null,
      });
      if (known === undefined || known.waits === 1n) this.#add(found);
      else if (known.outcome === 'rejected' && isInsert(change)) this.#refused.set(change.number, found);
      this.#loaded = change.number;
    }
  }

  /** Since it was cut, its link may have come. */
  #handleNow({ table, handle }: KeptChange): string {
    if (!handle.startsWith('~')) return handle;
    const sql = `SELECT central_id FROM "${`sync_row_${table}`.replaceAll('"', '""')}" WHERE identity = ?`;
    const now = this.#prepare(sql).pluck().get(handle.slice(1)) as string | undefined;
    return now ?? handle;
  }

  /** The last that was ever cut. */
  get highest(): number {
    return Math.max(this.#loaded, this.#files.lastSeq());
  }

  get(number: number): FlightChange | undefined {
    return this.#byNumber.get(number);
  }

  /** In order. */
  ofRow(table: string, handle: string): readonly FlightChange[] {
    return this.#byRow.get(table)?.get(handle) ?? NONE;
  }

  /** Not answered yet, up to a number, in order. */
  openUpTo(number: number): FlightChange[] {
    return [...this.#byNumber.values()].filter((change) => change.number <= number && change.answer === null);
  }

  /** Number and table of those without an answer. */
  unsettled(upTo: number): { seq: number; table: string }[] {
    return this.openUpTo(upTo).map(({ number, table }) => ({ seq: number, table }));
  }

  /** Refused inserts up to a number. */
  refusedUpTo(number: number): FlightChange[] {
    return [...this.#refused.values()].filter((change) => change.number <= number);
  }

  /** The centre has taken a refused one after all, or an operator has given it up. */
  endRefusal(change: FlightChange, outcome: Outcome): void {
    this.#note(change.number, outcome, false);
    this.#refused.delete(change.number);
  }

  /** @returns whether that was not known */
  explain({ number }: FlightChange): boolean {
    const isNews = !this.#explained.has(number);
    this.#explained.add(number);
    return isNews;
  }

  /** Of the outbox, that they cover. */
  entries(): number[] {
    return [...this.#byNumber.values()].flatMap(({ entries }) => entries);
  }

  /**
   * What was cut from a file that is not this one (restored from a copy, replaced) says nothing of this one's rows, though
   * they have the same keys and entries of the same numbers.
   */
  get isOfThisFile(): boolean {
    return this.#isOfThisFile;
  }

  /**
   * Since it was read anew there may be entries that were in flight once, and that nothing here covers: where an agent file
   * was lost, the centre may have answered them before they could be cut again.
   */
  get mayHaveStrays(): boolean {
    return this.#mayHaveStrays;
  }

  straysAreGone(): void {
    this.#mayHaveStrays = false;
  }

  /** The centre has accounted for what was sent again. */
  confirmSentAgain(upTo: number): void {
    this.#prepare(
      `UPDATE sync_settled SET waits = 0 WHERE incarnation = ? AND change <= ? AND waits = ${SENT_AGAIN}`,
    ).run(this.#files.incarnation(), upTo);
  }

  depth(): { depth: number; oldestUnsettledMs: number | null } {
    const open = this.openUpTo(Infinity);
    return { depth: open.length, oldestUnsettledMs: open[0]?.atMs ?? null };
  }

  outcomes(first: number, last: number): Map<number, Outcome> {
    const sql = 'SELECT change, outcome FROM sync_settled WHERE incarnation = ? AND change BETWEEN ? AND ?';
    const rows = this.#prepare(sql).raw().all(this.#files.incarnation(), first, last) as [bigint, Outcome][];
    return new Map(rows.map(([change, outcome]) => [Number(change), outcome]));
  }

  hasAny(table: string): boolean {
    return (this.#byRow.get(table)?.size ?? 0) > 0;
  }

  hasUnlinkedInserts(table: string): boolean {
    return (this.#unlinked.get(table)?.size ?? 0) > 0;
  }

  /** Local keys of the rows of a table that have changes here. */
  rowsOf(table: string): ReadonlyMap<string, readonly FlightChange[]> {
    return new Map(this.#byRow.get(table));
  }

  /** The row has its central id now. */
  link(table: string, from: string, to: string): void {
    const rows = this.#byRow.get(table);
    const moved = rows?.get(from);
    if (rows === undefined || moved === undefined) return;
    for (const change of moved) {
      change.handle = to;
      this.#noteUnlinked(change);
    }
    rows.delete(from);
    rows.set(
      to,
      [...moved, ...(rows.get(to) ?? NONE)].sort((a, b) => a.number - b.number),
    );
  }

  /** The centre has said what became of it; the image that shows it is not written yet. */
  answer(change: FlightChange, outcome: Outcome): void {
    if (change.answer !== null) return;
    change.answer = outcome;
    this.#noteUnlinked(change);
    this.#note(change.number, outcome, true);
  }

  /** Its outcome is in the row; its entries are no longer needed. */
  settle(change: FlightChange, outcome: Outcome): void {
    this.#note(change.number, outcome, false);
    for (const seq of change.entries) this.#forgetEntry(seq);
    if (change.entries.length === 0)
      this.#prepare('DELETE FROM sync_taken WHERE number = ?').run(change.number);
    if (outcome === 'rejected' && isInsert(change)) this.#refused.set(change.number, change);
    this.#byNumber.delete(change.number);
    this.#unlinked.get(change.table)?.delete(change.number);
    const rows = this.#byRow.get(change.table);
    const left = this.ofRow(change.table, change.handle).filter((each) => each !== change);
    if (left.length === 0) rows?.delete(change.handle);
    else rows?.set(change.handle, left);
  }

  /** The last that was cut stays: it proves which file this is. */
  #forgetEntry(seq: number): void {
    if (seq >= this.#files.lastEntry()) {
      this.#prepare('UPDATE sync_outbox SET handle = NULL WHERE seq = ?').run(seq);
      return;
    }
    this.#prepare('DELETE FROM sync_delta WHERE seq = ?').run(seq);
    this.#prepare('DELETE FROM sync_outbox WHERE seq = ?').run(seq);
  }

  #note(number: number, outcome: Outcome, waits: boolean): void {
    this.#prepare(
      'INSERT OR REPLACE INTO sync_settled (incarnation, change, outcome, waits) VALUES (?, ?, ?, ?)',
    ).run(this.#files.incarnation(), number, outcome, waits ? 1 : 0);
  }

  #add(change: FlightChange): void {
    this.#byNumber.set(change.number, change);
    this.#noteUnlinked(change);
    const rows = this.#byRow.get(change.table) ?? new Map<string, FlightChange[]>();
    this.#byRow.set(change.table, rows);
    const row = rows.get(change.handle);
    if (row === undefined) rows.set(change.handle, [change]);
    else row.push(change);
  }

  #noteUnlinked(change: FlightChange): void {
    if (!isInsert(change)) return;
    const unlinked = this.#unlinked.get(change.table) ?? new Set();
    this.#unlinked.set(change.table, unlinked);
    if (change.handle.startsWith('~') && !isRefusal(change.answer)) unlinked.add(change.number);
    else unlinked.delete(change.number);
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#files.db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
const NONE: readonly FlightChange[] = [];
const AT_ONCE = 500;

export function isInsert({ op }: Pick<KeptChange, 'op'>): boolean {
  return op === 'c' || op === 'r';
}

/** It stays on the till. One that an operator gave up is refused too. */
export function isRefusal(outcome: Outcome | null): boolean {
  return outcome === 'rejected' || outcome === 'discarded';
}
