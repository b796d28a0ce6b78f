/**
 * Bases of a table that was not here when the file was taken over, given when it is back: what a row holds, less what was
 * taken of it and only adds up. Of what else was taken the base may show it or not: it is laid over it.
 */
import type { BoundTable, LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { subtractDecimals } from '../../shared/values/decimal.ts';
import { encodeImage } from '../rows/image.ts';
import { unlinkedHandle, type SyncRow } from '../rows/sync-rows.ts';
import { TillTables, type TillTable } from '../rows/till-tables.ts';
import { getMeta, setMeta } from '../till/file-facts.ts';
import { quoteName } from '../till/local-schema.ts';
import { Parents } from '../up/parents.ts';
import { baseOf, rowValues } from '../up/row-values.ts';
import type { Value, Values } from '../up/row-state.ts';
import { takenReader, type TakenChange } from './taken-changes.ts';

/** In sync_meta: names of tables whose rows have none yet. */
export const LATER_BASES = 'later_bases';

const GONE = encodeImage(null);

/** Inside the transaction that puts the triggers on them, so that nothing is written in between. */
export function giveLaterBases(db: SqliteDatabase, installed: LocalBinding): void {
  const later = JSON.parse(getMeta(db, LATER_BASES) ?? '[]') as string[];
  const back = later.filter((name) => installed.tables.has(name));
  if (back.length === 0) return;
  const tables = new TillTables(db, installed);
  const takeAlong = () => null;
  const parents = new Parents({ db, binding: installed, tables, folded: new Map(), takeAlong });
  const takenOf = takenReader(db);
  for (const name of back) {
    const table = tables.byLocal(name);
    if (table === undefined) continue;
    for (const handle of handlesWithout(db, name)) {
      const row = table.rows.get(handle);
      if (row === undefined) continue;
      const named = row.identity === null ? [] : takenOf(name, unlinkedHandle(row.identity));
      giveBase(tables, table, { handle, row, taken: [...named, ...takenOf(name, handle)], parents });
    }
  }
  const left = later.filter((name) => !back.includes(name));
  setMeta(db, LATER_BASES, left.length === 0 ? null : JSON.stringify(left));
}

function handlesWithout(db: SqliteDatabase, table: string): string[] {
  return db
    .prepare<[string], string>(
      `SELECT central_id FROM ${quoteName(`sync_row_${table}`)} WHERE row_key IS NOT NULL
        AND (base IS NULL OR base = ?) AND (central_id NOT GLOB '~*' OR refused <> 0)`,
    )
    .pluck()
    .all(GONE);
}

interface LaterRow {
  readonly handle: string;
  readonly row: SyncRow;
  readonly taken: readonly TakenChange[];
  readonly parents: Parents;
}

function giveBase(tables: TillTables, table: TillTable, { handle, row, taken, parents }: LaterRow): void {
  const raw = table.writer.look(row.rowKey);
  const isInFlight = taken.some(({ kept: { op } }) => op === 'c' || op === 'r');
  if (raw === undefined || isInFlight) return;
  const values = new Map<string, Value>(rowValues(table.bound, raw, parents.handleOf));
  for (const { kept } of taken) {
    if (kept.cut.op !== 'u') continue;
    for (const [column, sum] of kept.cut.sums)
      values.set(column, subtractDecimals(values.get(column) ?? '0', sum));
  }
  const base = baseOf(table.bound, withoutAbsent(tables, table.bound, values));
  table.rows.put(handle, { ...row, deleted: row.deleted || row.base === GONE, base });
}

/** What a reference to a table that is not here means is not known: a base says nothing of it. */
export function withoutAbsent(tables: TillTables, { columns }: BoundTable, values: Values): Values {
  const absent = columns.filter(
    ({ reference }) => reference !== null && tables.byLocal(reference.table) === undefined,
  );
  if (absent.length === 0) return values;
  const known = new Map(values);
  for (const { local } of absent) known.delete(local);
  return known;
}
