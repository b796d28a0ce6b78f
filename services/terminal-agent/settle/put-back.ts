/**
 * A table that the till only receives: what was edited here is put back to what the centre has, and counted. The centre never
 * hears of it.
 */
import type { Logger } from 'pino';
import type { EditedRow } from '../file/kept-keys.ts';
import type { AppTriggers } from '../rows/app-triggers.ts';
import { decodeImage } from '../rows/image.ts';
import { isRefusal } from '../rows/refusal.ts';
import { sameValue } from '../rows/row-key.ts';
import type { TillTables } from '../rows/till-tables.ts';

export interface PutBackParts {
  readonly tables: TillTables;
  readonly triggers: AppTriggers;
  readonly log: Logger;
}

/** @returns how many edits were put back, by local table */
export function putBack(parts: PutBackParts, edited: readonly EditedRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  // What is in the way goes first, and what is gone comes last.
  const order = [...edited].sort((a, b) => placeOf(a) - placeOf(b)).map((row) => ofHere(parts.tables, row));
  for (const row of order) {
    const { table, edits } = row;
    for (const kind of ['insert', 'update', 'delete'] as const) parts.triggers.suspend(table.name, kind);
    counts.set(table.name, (counts.get(table.name) ?? 0) + edits);
    try {
      table.writer.guard.insist(() => undo(parts.tables, row));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Another row came into its place meanwhile.
      parts.log.warn(
        { table: table.name, centralId: row.handle, err: error },
        'an edit of a table that only head office changes can not be undone; the row is as the centre has it after its next change, or `payflow replay`',
      );
    }
  }
  return counts;
}

/** Its statements are those of this transaction's tables. */
function ofHere(tables: TillTables, row: EditedRow): EditedRow {
  return { ...row, table: tables.byLocal(row.table.name) ?? row.table };
}

function placeOf({ handle, rowKey }: EditedRow): number {
  if (handle === undefined) return 0;
  return rowKey === null ? 2 : 1;
}

function undo(tables: TillTables, { table, handle, rowKey, keyBefore }: EditedRow): void {
  if (handle === undefined) {
    if (rowKey !== null) table.writer.delete(rowKey);
    return;
  }
  const row = table.rows.get(handle);
  const image = row?.base == null ? null : decodeImage(table.bound, row.base);
  if (row === undefined || image === null || image.unfit !== undefined) return;
  const { values, missing } = tables.resolve(image);
  if (missing.length > 0) return;
  const isHere = rowKey !== null && table.writer.exists(rowKey);
  const key = isHere
    ? table.writer.update(rowKey, { ...image, values }, true)
    : table.writer.insert(image.set, values, handle, keyBefore);
  if (key !== undefined && !sameValue(key, row.rowKey)) table.rows.move(handle, key);
}
