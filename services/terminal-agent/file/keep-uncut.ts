/**
 * Of a file that waits for the centre nothing is cut, but the centre may know its rows all the same: from a copy of the file,
 * or from an agent file that is lost. So that their links find them, rows that are not cut get the names and are kept under
 * the handles that a cut would give them, and their entries say so; what is cut later begins there. Inside a transaction of
 * ours.
 *
 *   the entries of a row say              | then
 *   --------------------------------------+----------------------------------------------------------------------------
 *   it is new, or older than our triggers | it is kept under its name, and its entries are noted as its own
 *   it was kept before                    | its key moves, and its entries are noted as its own
 *   it was kept, and another took its     | the same, and an entry says that it is gone: nothing else would, once the
 *     place without a word                |   other one is kept under its key
 *   it came and went                      | they are forgotten
 *   it is of a table that only comes down | it is the app's edit, which is put back
 *   of no table that is bound             | they stay as they are
 */
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import { setMeta } from '../till/file-facts.ts';
import { foldTables, type FoldedRow, type NamedChanges } from '../up/folded-tables.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { isPublished } from './captured-tables.ts';
import {
  editedRow,
  KEPT_ENTRY,
  keptEntry,
  moveRow,
  NOTHING_KEPT,
  type EditedRow,
  type Kept,
  type KeptKeysParts,
} from './kept-keys.ts';
import { offerRows } from './offered-rows.ts';

const ZERO = encodePosition(ZERO_POSITION);

/** What was cut from another copy says nothing of how rows are called here. */
const NO_CHANGES: NamedChanges = {
  lastNumber: () => 0,
  handleOf: () => undefined,
  isNamed: () => false,
  nameOf: () => undefined,
};

/** @param upTo the newest entry that there is */
export function keepUncut(parts: KeptKeysParts, upTo: number): Kept {
  const { db } = parts;
  const after = keptEntry(db);
  if (upTo <= after) return NOTHING_KEPT;
  const folded = foldTables({ ...parts, changes: NO_CHANGES }, { after, upTo, cutUpTo: after });
  const edited: EditedRow[] = [];
  for (const { table, rows } of folded) {
    if (isPublished(table.bound)) for (const row of rows) keepRow(parts, table, row);
    else
      for (const row of rows) {
        edited.push(...editedRow(table, row));
        if (row.handle !== undefined && table.rows.get(row.handle) !== undefined)
          moveRow(table, row.handle, row.rowKey);
      }
  }
  setMeta(db, KEPT_ENTRY, String(upTo));
  return { noted: [], edited, written: folded.map(({ table }) => table.name) };
}

function keepRow({ db }: KeptKeysParts, table: TillTable, row: FoldedRow): void {
  const { touched, handle, identity, rowKey } = row;
  const { entries, isEarlier, ousted } = touched;
  const seqs = entries.map(({ seq }) => seq);
  if (handle === undefined || identity === null) return forget(db, seqs);
  if (isEarlier && entries.every(({ op }) => op === 'b' || op === 'e')) return;
  if (table.rows.get(handle) === undefined) {
    const there = rowKey === null ? undefined : table.rows.handleAt(rowKey);
    if (there !== undefined) table.rows.move(there, null);
    table.rows.put(handle, { rowKey, position: ZERO, deleted: false, base: null, identity, refused: false });
  } else moveRow(table, handle, rowKey);
  const note = db.prepare('UPDATE sync_outbox SET handle = ? WHERE seq = ?');
  for (const seq of seqs) note.run(handle, seq);
  if (ousted !== null) offerRows(db, [{ table, rowKey: null, handle, op: 'd' }]);
}

function forget(db: KeptKeysParts['db'], seqs: readonly number[]): void {
  const list = JSON.stringify(seqs);
  for (const name of ['sync_delta', 'sync_outbox'])
    db.prepare(`DELETE FROM ${name} WHERE seq IN (SELECT value FROM json_each(?))`).run(list);
}
