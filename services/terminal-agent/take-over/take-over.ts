/**
 * A till file of the version with value triggers, taken over: what was recorded and is not settled goes up as it would have
 * gone, and each row that the centre has gets its base. Only payflow.db is written; what the agent file needs of it is in
 * agent-file-over.ts.
 *
 *   step            | transaction  | triggers | what is done
 *   ----------------+--------------+----------+------------------------------------------------------------------
 *   entries         | many, short  | old      | those that are not settled go to sync_taken, in order
 *   rows            | many, short  | old      | names and bases, table by table (old-rows.ts); entries that came
 *                   |              |          |   meanwhile first
 *   switch          | one          | new      | the rest of both, inserts without link, refused rows, edits that
 *                   |              |          |   are put back; the old outbox is set aside
 *   agent file      | its own      | new      | units of what was taken
 *   removal         | one per table| new      | the old tables go
 *
 * Each step says in its transaction how far it is; whatever is killed goes on from there, and so does a file that was
 * copied in between. The switch does all that is left, so that the first two may be left out.
 *
 *   in the old outbox               | becomes
 *   --------------------------------+------------------------------------------------------------------
 *   settled                         | nothing: it is in the row
 *   not settled                     | a taken change, with its number and contents
 *   an insert that was refused      | a refused row, which may be linked yet
 *   of a table that only comes down | an entry in the new outbox: it is put back
 *   the key of a row changed        | nothing: the row is kept under the new one
 *   of a table that is not here     | the same, by the columns that were recorded (recorded-tables.ts); its
 *                                   |   rows get their bases when it is back (later-bases.ts)
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { LocalBinding } from '../../shared/catalog/table-binding.ts';
import { isPublished, numbered } from '../file/captured-tables.ts';
import { noteEarlierAgain } from '../file/earlier-rows.ts';
import { KEPT_CHANGE, KEPT_ENTRY } from '../file/kept-keys.ts';
import { TAKEN_SCHEMA } from '../file/outbox-schema.ts';
import { isUnlinked } from '../rows/sync-rows.ts';
import { TillTables, type TillTable } from '../rows/till-tables.ts';
import { setMeta } from '../till/file-facts.ts';
import { quoteName } from '../till/local-schema.ts';
import type { KeptChange } from '../up/change-store.ts';
import { oldChange } from './old-changes.ts';
import { hasTable, isOldFile, TAKE_OVER, takenSoFar, type TakenSoFar } from './old-file.ts';
import { OldOutbox, type OutboxEntry } from './old-outbox.ts';
import { OldReferences } from './old-references.ts';
import { OldRows } from './old-rows.ts';
import { giveLaterBases } from './later-bases.ts';
import { keptTables } from '../till/recorded-names.ts';
import { nameAbsent, RecordedTables } from './recorded-tables.ts';
import { addRowColumns, setAsideOld } from './set-aside.ts';
import { addTaken, takenReader, type TakenChange } from './taken-changes.ts';

export interface Portions {
  readonly entries: number;
  readonly rows: number;
}

/** Between two looks at the clock. */
const PORTIONS: Portions = { entries: 50, rows: 50 };

export class TakeOver {
  readonly #db: SqliteDatabase;
  readonly #tables: TillTables;
  readonly #recorded: RecordedTables;
  readonly #outbox: OldOutbox;
  readonly #references: OldReferences;
  readonly #rows: OldRows;
  readonly #portions: Portions;
  readonly #takenOf: (table: string, handle: string) => readonly TakenChange[];
  /** Of tables that only come down, by table and handle; read when the first row needs it. */
  #edits: Map<string, TakenChange[]> | undefined;
  #soFar: TakenSoFar;

  private constructor(db: SqliteDatabase, binding: LocalBinding, portions: Portions) {
    this.#db = db;
    this.#portions = portions;
    db.exec(TAKEN_SCHEMA);
    for (const name of keptTables(db)) addRowColumns(db, name);
    this.#tables = keptOf(db, binding);
    this.#recorded = new RecordedTables(binding);
    this.#outbox = new OldOutbox(db);
    this.#references = new OldReferences(db, binding, this.#tables);
    this.#rows = new OldRows(db, this.#references, this.#tables);
    this.#takenOf = takenReader(db);
    const first = this.#outbox.oldestOpen() ?? this.#outbox.lastSeq() + 1;
    const begun = { readUpTo: first - 1, done: [], table: '', after: '', rowsSince: 0, isSwitched: false };
    this.#soFar = takenSoFar(db) ?? begun;
  }

  /** Inside a transaction. @returns undefined: the file is of this version */
  static of(db: SqliteDatabase, binding: LocalBinding, portions = PORTIONS): TakeOver | undefined {
    return isOldFile(db) ? new TakeOver(db, binding, portions) : undefined;
  }

  /**
   * As much as fits. Inside a transaction.
   * @returns whether more is left
   */
  prepare(isTime: () => boolean): boolean {
    this.#rows.begin();
    while (isTime()) {
      if (this.#readEntries() === this.#portions.entries) continue;
      if (this.#next() === undefined) break;
      this.#giveBases();
    }
    setMeta(this.#db, TAKE_OVER, JSON.stringify(this.#soFar));
    return this.#next() !== undefined || this.#soFar.readUpTo < this.#outbox.lastSeq();
  }

  /** All that is left, inside the transaction that puts the new triggers in, and before they are. */
  finish(): void {
    this.prepare(() => true);
    this.#nameTouched(this.#soFar.rowsSince);
  }

  /** Entries that came since. @returns how many */
  #readEntries(): number {
    const { readUpTo } = this.#soFar;
    const upTo = Math.min(readUpTo + this.#portions.entries, this.#outbox.lastSeq());
    const open = this.#outbox.entries(readUpTo + 1, upTo).filter(({ outcome }) => outcome === null);
    const changes = this.#changes(open);
    addTaken(
      this.#db,
      changes.filter(({ isSent }) => isSent),
    );
    if (this.#edits !== undefined)
      for (const change of changes) if (!change.isSent) addTo(this.#edits, change);
    this.#soFar = { ...this.#soFar, readUpTo: upTo };
    return upTo - readUpTo;
  }

  #changes(entries: readonly OutboxEntry[]): (TakenChange & { readonly isSent: boolean })[] {
    return entries.flatMap((entry) => {
      const bound = this.#recorded.of(entry.columns);
      const sources = { outbox: this.#outbox, references: this.#references };
      const found = oldChange(sources, bound, { entry, unit: 0 });
      if (found === undefined) return [];
      const table = this.#tables.byLocal(entry.columns.table);
      const handle = table === undefined ? found.kept.handle : this.#rows.handleNow(table, found.kept);
      const kept = { ...found.kept, handle };
      return { change: found.change, kept, isSent: isPublished(bound) };
    });
  }

  /** Some rows of the table that is next. */
  #giveBases(): void {
    const { table: current, after, readUpTo, done } = this.#soFar;
    if (current === '') this.#soFar = { ...this.#soFar, rowsSince: readUpTo };
    const table = this.#next();
    if (table === undefined) return;
    const handles = this.#handlesAfter(table, table.name === current ? after : '');
    for (const handle of handles) this.#rows.take(table, handle, this.#of(table, handle));
    const last = handles.at(-1);
    const isDone = last === undefined;
    this.#soFar = {
      ...this.#soFar,
      done: isDone ? [...done, table.name] : done,
      table: table.name,
      after: last ?? '',
    };
  }

  /** The one that is begun comes first. */
  #next(): TillTable | undefined {
    const { table: current, done } = this.#soFar;
    const left = [...this.#tables.all()].filter(({ name }) => !done.includes(name));
    return left.find(({ name }) => name === current) ?? left.sort((a, b) => (a.name < b.name ? -1 : 1))[0];
  }

  #handlesAfter({ name }: TillTable, after: string): string[] {
    const rows = quoteName(`sync_row_${name}`);
    return this.#db
      .prepare<[string, number], string>(
        `SELECT central_id FROM ${rows} WHERE central_id > ? AND row_key IS NOT NULL ORDER BY central_id LIMIT ?`,
      )
      .pluck()
      .all(after, this.#portions.rows);
  }

  #of({ name, bound }: TillTable, handle: string): readonly TakenChange[] {
    if (isPublished(bound)) return this.#takenOf(name, handle);
    if (this.#edits === undefined) {
      this.#edits = new Map();
      const entries = this.#outbox.open(this.#editable(), this.#soFar.readUpTo);
      for (const change of this.#changes(entries)) addTo(this.#edits, change);
    }
    return this.#edits.get(rowName(name, handle)) ?? [];
  }

  /** Tables that only come down: the triggers recorded what the app did to them, and it never goes up. */
  #editable(): string[] {
    return [...this.#tables.all()].filter(({ bound }) => !isPublished(bound)).map(({ name }) => name);
  }

  /** Rows that were done before the app gave them a name. */
  #nameTouched(after: number): void {
    const touched = this.#db
      .prepare<[number], { name: string; handle: string }>(
        `SELECT DISTINCT table_name AS name, handle FROM sync_taken WHERE number > ? AND handle NOT GLOB '~*'`,
      )
      .all(after);
    for (const { name, handle } of touched) {
      const table = this.#tables.byLocal(name);
      if (table !== undefined) this.#rows.take(table, handle, this.#of(table, handle));
    }
  }

  /** With the old outbox set aside and the new tables there. */
  static complete(db: SqliteDatabase, binding: LocalBinding, installed: LocalBinding): void {
    const tables = keptOf(db, binding);
    const outbox = new OldOutbox(db);
    const references = new OldReferences(db, binding, tables);
    const rows = new OldRows(db, references, tables);
    const highest = outbox.lastSeq();
    nameAbsent(db, (name) => tables.byLocal(name) !== undefined);
    keepUnlinked({ db, outbox, references, tables, rows, recorded: new RecordedTables(binding) });
    enterEdits({ db, outbox, references, tables: new TillTables(db, installed), rows });
    setMeta(db, KEPT_ENTRY, String(highest));
    setMeta(db, KEPT_CHANGE, String(highest));
    const done = { readUpTo: highest, done: [], table: '', after: '', rowsSince: highest, isSwitched: true };
    setMeta(db, TAKE_OVER, JSON.stringify(done));
  }
}

/** Those that are here, and of which rows are kept. */
function keptOf(db: SqliteDatabase, binding: LocalBinding): TillTables {
  const tables = new Map([...binding.tables].filter(([name]) => hasTable(db, `sync_row_${name}`)));
  return new TillTables(db, { ...binding, tables });
}

function addTo(rows: Map<string, TakenChange[]>, change: TakenChange): void {
  const name = rowName(change.kept.table, change.kept.handle);
  const known = rows.get(name);
  if (known === undefined) rows.set(name, [change]);
  else known.push(change);
}

function rowName(table: string, handle: string): string {
  return `${table}\u0000${handle}`;
}

interface UnlinkedParts {
  readonly db: SqliteDatabase;
  readonly outbox: OldOutbox;
  readonly references: OldReferences;
  readonly tables: TillTables;
  readonly rows: OldRows;
}

/** Rows without link, which the old triggers knew by their names alone. */
function keepUnlinked({
  db,
  recorded,
  ...parts
}: UnlinkedParts & { readonly recorded: RecordedTables }): void {
  const { outbox, references, tables, rows } = parts;
  const taken = db
    .prepare<[], { name: string; op: string; handle: string; identity: string; rowKey: bigint }>(
      `SELECT table_name AS name, op, handle, identity, row_key AS rowKey FROM sync_taken
        WHERE op <> 'u' ORDER BY number`,
    )
    .safeIntegers()
    .all();
  const gone = new Set(taken.filter(({ op }) => op === 'd').map(({ name, handle }) => rowName(name, handle)));
  const keep = (
    name: string,
    row: Pick<KeptChange, 'handle' | 'identity' | 'rowKey'>,
    isRefused: boolean,
  ) => {
    if (!isUnlinked(row.handle) || !hasTable(db, `sync_row_${name}`)) return;
    const fate = { isGone: gone.has(rowName(name, row.handle)), isRefused };
    const table = tables.byLocal(name);
    if (table === undefined) rows.takeAbsent(name, row, fate);
    else rows.takeUnlinked(table, row, fate);
  };
  for (const { name, op, ...row } of taken) if (op !== 'd') keep(name, row, false);
  for (const entry of outbox.refused()) {
    const bound = recorded.of(entry.columns);
    if (!isPublished(bound)) continue;
    const change = oldChange({ outbox, references }, bound, { entry, unit: 0 });
    if (change !== undefined) keep(bound.local.name, change.kept, true);
  }
}

/** Edits of tables that only come down: the triggers would have written these of them. */
function enterEdits({ db, outbox, references, tables, rows }: UnlinkedParts): void {
  const enter = db.prepare(
    'INSERT INTO sync_outbox (table_number, op, row_key, at_ms, entry_id) VALUES (?, ?, ?, ?, random())',
  );
  db.prepare(
    `INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq)
    VALUES ((SELECT rowid FROM sqlite_sequence WHERE name = 'sync_outbox'), 'sync_outbox', ?)`,
  ).run(outbox.lastSeq());
  for (const table of tables.all()) {
    if (isPublished(table.bound)) continue;
    const { number } = numbered(db, table.bound);
    const edits = new Map<string, TakenChange[]>();
    for (const entry of outbox.open([table.name], Infinity)) {
      const { op, rowKey, centralId, capturedAtMs } = entry;
      enter.run(number, op, rowKey, BigInt(capturedAtMs));
      const change = oldChange({ outbox, references }, table.bound, { entry, unit: 0 });
      if (centralId === null || change === undefined) continue;
      if (op === 'd') table.rows.move(centralId, rowKey);
      addTo(edits, change);
    }
    for (const list of edits.values()) {
      const handle = list[0]?.kept.handle;
      if (handle !== undefined) rows.take(table, handle, list);
    }
  }
}

/** Our tables and triggers, in the caller's transaction, over those of the version before. */
export function installOver<T>(
  db: SqliteDatabase,
  binding: LocalBinding,
  install: () => { readonly installed: LocalBinding } & T,
): { readonly installed: LocalBinding } & T {
  const taking = TakeOver.of(db, binding);
  if (taking === undefined) {
    const result = install();
    giveLaterBases(db, result.installed);
    return result;
  }
  taking.finish();
  setAsideOld(db);
  const result = install();
  TakeOver.complete(db, binding, result.installed);
  // Its own rows that the centre has not taken yet are known only now.
  for (const table of result.installed.tables.values()) noteEarlierAgain(db, table);
  return result;
}
