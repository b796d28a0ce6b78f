/**
 * Brings sync_row up to what is cut: where the rows live by now, which are new, and their names. Entries that nobody needs
 * any more go. Inside a transaction of ours; a crash between a cut and this is made good by the next one, since the fold
 * of the same entries is the same.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { Flight } from '../settle/flight.ts';
import { isPublished } from './captured-tables.ts';
import { parentKey } from '../rows/parked.ts';
import { isUnlinked, SyncRows } from '../rows/sync-rows.ts';
import { isKeyedByUuid, type TillTable, type TillTables } from '../rows/till-tables.ts';
import type { ChangeStore, KeptChange } from '../up/change-store.ts';
import { foldTables, type CutAs, type FoldedRow, type FoldParts } from '../up/folded-tables.ts';
import { getMeta, setMeta } from '../till/file-facts.ts';
import { keptTables } from '../till/recorded-names.ts';

/** In sync_meta. */
export const KEPT_ENTRY = 'kept_entry';
export const KEPT_CHANGE = 'kept_change';
const ZERO = encodePosition(ZERO_POSITION);

export function keptEntry(db: SqliteDatabase): number {
  return Number(getMeta(db, KEPT_ENTRY) ?? 0);
}

export function keptChange(db: SqliteDatabase): number {
  return Number(getMeta(db, KEPT_CHANGE) ?? 0);
}

export interface KeptKeysParts extends FoldParts {
  readonly db: SqliteDatabase;
  readonly tables: TillTables;
  readonly changes: ChangeStore;
  readonly flight: Flight;
}

/** What has to be seen to of a row whose change is cut. */
export interface Noted {
  readonly table: TillTable;
  readonly rowKey: SqliteValue;
  readonly operation: 'insert' | 'update';
}

/** A row of a table that the till only receives, as the app left it. */
export interface EditedRow {
  readonly table: TillTable;
  /** undefined: the app made it. */
  readonly handle: string | undefined;
  /** null: it is gone. */
  readonly rowKey: SqliteValue;
  readonly keyBefore: SqliteValue;
  readonly edits: number;
}

export interface Kept {
  /** On their way now. */
  readonly noted: readonly Noted[];
  readonly edited: readonly EditedRow[];
  /** Local tables that the app has written: it may have made room in them. */
  readonly written: readonly string[];
}

export const NOTHING_KEPT: Kept = { noted: [], edited: [], written: [] };

/**
 * @param cut the last entry that is cut; it stays, and proves which file this is
 */
export function keepKeys(parts: KeptKeysParts, cut: number): Kept {
  const { db, changes, flight } = parts;
  const after = keptEntry(db);
  const known = keptChange(db);
  // Before that much is cut again, they are what there is to cut.
  if (flight.mayHaveStrays && cut >= after) {
    forgetStrays(db, cut, flight.entries());
    flight.straysAreGone();
  }
  if (after >= cut && known >= changes.lastNumber()) return NOTHING_KEPT;
  // Before anything is noted: the fold begins at the keys as they were before these entries.
  const cutSince = changes.after(known);
  const folded = foldTables(parts, { after, upTo: cut, cutUpTo: after }, { cutAs: cutAs(cutSince) });
  const noted = cutSince.flatMap((change) => noteChange(parts, change));
  noteRows(db, cutSince);
  const ended = endedBy(cutSince);
  const edited: EditedRow[] = [];
  const written: string[] = [];
  for (const { table, rows } of folded) {
    written.push(table.name);
    for (const row of rows) {
      const { handle, rowKey } = row;
      if (!isPublished(table.bound)) edited.push(...editedRow(table, row));
      if (handle === undefined || table.rows.get(handle) === undefined) continue;
      moveRow(table, handle, ended.has(parentKey(table.name, handle)) ? null : rowKey);
    }
  }
  const needed = flight.entries().filter((seq) => seq > after && seq <= cut);
  forgetEntries(db, { after, cut, needed });
  setMeta(db, KEPT_ENTRY, String(cut));
  setMeta(db, KEPT_CHANGE, String(changes.lastNumber()));
  return { noted, edited, written };
}

/** Of rows whose insert is not kept yet, all that was cut is among these. */
function cutAs(changes: readonly KeptChange[]): CutAs {
  const handles = new Map<string, string>();
  for (const { table, rowEntry, handle } of changes)
    if (rowEntry !== null && !handles.has(`${table} ${rowEntry}`))
      handles.set(`${table} ${rowEntry}`, handle);
  return (table, rowEntry) => handles.get(`${table} ${rowEntry}`);
}

/** What was there before our triggers, and never came from the centre, is nobody's edit. */
export function editedRow(table: TillTable, { touched, handle, rowKey }: FoldedRow): EditedRow[] {
  const { entries, isNew, isEarlier, ousted } = touched;
  const edits = entries.filter(({ op }) => op !== 'b' && op !== 'e').length + (ousted === null ? 0 : 1);
  if (isEarlier || edits === 0) return [];
  const kept = isNew ? undefined : handle;
  const keyBefore = kept === undefined ? null : (table.rows.get(kept)?.rowKey ?? null);
  return [{ table, handle: kept, rowKey, keyBefore, edits }];
}

/** Rows that are gone: of one that REPLACE took, no entry says so, but the look has found it. */
function endedBy(changes: readonly KeptChange[]): Set<string> {
  const ended = new Set<string>();
  for (const { table, handle, op } of changes) {
    if (op === 'd') ended.add(parentKey(table, handle));
    else ended.delete(parentKey(table, handle));
  }
  return ended;
}

export function moveRow({ rows }: { readonly rows: SyncRows }, handle: string, rowKey: SqliteValue): void {
  const there = rowKey === null ? undefined : rows.handleAt(rowKey);
  if (there === handle) return;
  // Triggers were away, and so nothing told that the other one is gone.
  if (there !== undefined) rows.move(there, null);
  rows.move(handle, rowKey);
}

/** After a hand-over they are cut from there, and the keys of then are not known any more. */
function noteRows(db: SqliteDatabase, changes: readonly KeptChange[]): void {
  const note = db.prepare('UPDATE sync_outbox SET handle = ? WHERE seq = ?');
  for (const { handle, entries } of changes) for (const seq of entries) note.run(handle, seq);
}

function noteChange({ tables, db }: KeptKeysParts, change: KeptChange): Noted[] {
  const { op, identity, rowKey, handle, table: name } = change;
  const table = tables.byLocal(name);
  // A table that the app has dropped, and makes anew in a while: what was sold into it is to be known again then.
  const rows = table?.rows ?? (keptTables(db).includes(name) ? new SyncRows(db, name) : undefined);
  if (rows === undefined) return [];
  if (op === 'd') {
    if (table === undefined) rows.move(handle, null);
    // Rows that still refer to it name it so.
    else if (isKeyedByUuid(table) && typeof rowKey === 'string') rows.name(handle, rowKey);
    db.prepare('INSERT OR IGNORE INTO sync_retired (table_name, identity) VALUES (?, ?)').run(name, identity);
    return [];
  }
  const row = rows.get(handle);
  if (row === undefined && isUnlinked(handle) && rows.named(identity) === undefined) {
    const there = rowKey === null ? undefined : rows.handleAt(rowKey);
    if (there !== undefined) rows.move(there, null);
    rows.put(handle, { rowKey, position: ZERO, deleted: false, base: null, identity, refused: false });
  } else if (row?.identity === null) rows.name(handle, identity);
  // No entries of a table that is away are folded: where its row lived last is known from what was cut.
  if (row !== undefined && table === undefined && rowKey !== null) moveRow({ rows }, handle, rowKey);
  return table === undefined ? [] : [{ table, rowKey, operation: op === 'u' ? 'update' : 'insert' }];
}

/** Until they are settled they are what a file goes on with that has lost its agent file. */
function forgetEntries(
  db: SqliteDatabase,
  { after, cut, needed }: { after: number; cut: number; needed: readonly number[] },
): void {
  const list = JSON.stringify(needed);
  for (const table of ['sync_delta', 'sync_outbox']) {
    db.prepare(
      `DELETE FROM ${table} WHERE seq > ? AND seq < ? AND seq NOT IN (SELECT value FROM json_each(?))`,
    ).run(after, cut, list);
  }
  release(db, cut, list);
}

/** Of entries that were cut once: those that are in the row by now, so that no change came of them again. */
function forgetStrays(db: SqliteDatabase, cut: number, needed: readonly number[]): void {
  const list = JSON.stringify(needed);
  const strays = `SELECT seq FROM sync_outbox
    WHERE handle IS NOT NULL AND seq < ? AND seq NOT IN (SELECT value FROM json_each(?))`;
  for (const table of ['sync_delta', 'sync_outbox'])
    db.prepare(`DELETE FROM ${table} WHERE seq IN (${strays})`).run(cut, list);
  release(db, cut, list);
}

/** The last that is cut stays, but is not open for that. */
function release(db: SqliteDatabase, cut: number, needed: string): void {
  db.prepare(
    `UPDATE sync_outbox SET handle = NULL
      WHERE seq = ? AND handle IS NOT NULL AND seq NOT IN (SELECT value FROM json_each(?))`,
  ).run(cut, needed);
}
