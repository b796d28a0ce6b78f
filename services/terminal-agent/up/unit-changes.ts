/** Cut rows as changes of a unit record: values as SQLite stored them, references as the rows they mean. */
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import { addDecimals } from '../../shared/values/decimal.ts';
import {
  FILLS_AT_MS,
  type ColumnChange,
  type ReferenceChange,
  type Seen,
  type SqliteValue,
  type UnitChange,
  type UnitOp,
} from '../../shared/records/unit-record.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import { asSent } from '../till/exact-text.ts';
import { isUnlinked } from '../rows/sync-rows.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { CutEntry } from '../units/units.ts';
import type { KeptChange } from './change-store.ts';
import { cutToText } from './cut-text.ts';
import type { Parents } from './parents.ts';
import { centralSideOf, handleIn, isDeltaColumn, storedIn } from './row-values.ts';
import type { Image } from '../rows/image.ts';
import { isFill, type Cut, type Update, type Value, type Values } from './row-state.ts';

export interface CutRow {
  readonly table: TillTable;
  readonly op: UnitOp;
  /**
   * Of the entry that it is known by. What an entry added to a delta column is a change of its own, and follows from the
   * entry alone: cut again after a hand-over it has the same number, and the centre knows it by the entry.
   */
  readonly number: number;
  readonly entry: string;
  readonly handle: string;
  readonly identity: string;
  readonly rowEntry: string | null;
  readonly rowKey: SqliteValue;
  readonly entries: readonly number[];
  readonly atMs: number;
  readonly cut: Cut;
  /** E: what the row should have been. */
  readonly before: Values | null;
  readonly base: Image | null;
  /** Position of the base, as it goes up. */
  readonly image: string;
  /** What its columns hold, less what goes up by itself; null: it is gone. */
  readonly raw: readonly SqliteValue[] | null;
  readonly values: Values;
}

/** As it goes up, and as it is kept: of a backlog very many are held at once, and no more of each than this. */
export interface CutChange {
  readonly change: UnitChange;
  readonly kept: Omit<KeptChange, 'cut' | 'unit'>;
  readonly names: CutEntry;
}

export function cutChange(row: CutRow, parents: Parents): CutChange {
  const { table, number, op, handle, identity, rowEntry, rowKey, entries, atMs, cut } = row;
  const named = { number, table: table.name, op, handle, identity, rowEntry, rowKey };
  return {
    change: unitChange(row, parents),
    kept: { ...named, entries, atMs, cutText: cutToText(cut) },
    names: namesOf(row),
  };
}

function unitChange(row: CutRow, parents: Parents): UnitChange {
  const { table, op, handle, identity, atMs, cut, number: seq, entry, image } = row;
  const seen = seenBy(row);
  const columns: ColumnChange[] = [];
  const references: ReferenceChange[] = [];
  table.bound.columns.forEach((column, at) => {
    const now = row.raw?.[at] ?? null;
    const sides = sidesOf(row, column, now);
    if (sides === undefined) return;
    const old = sentOf(column, sides.old);
    const sent = { name: column.local, old, new: sentOf(column, sides.new) };
    columns.push({ ...sent, seen: isClock(row, column) ? undefined : seen(column, old, sawOf(row, column)) });
    if (column.reference === null) return;
    const target = cut.op === 'd' ? null : parents.target(column, now);
    references.push({ column: column.local, target });
  });
  const centralId = isUnlinked(handle) ? null : handle;
  const named = { identity, centralId };
  const capturedAtMs = isFill(cut) ? FILLS_AT_MS : atMs;
  const others = othersOf(row, seen);
  return { seq, entry, table: table.name, op, capturedAtMs, image, row: named, columns, references, others };
}

/** What the app saw of the columns that it left alone, where an edit of them conflicts with what it did. */
function othersOf(row: CutRow, seen: SeenIn): ColumnChange[] {
  const { cut, before, table } = row;
  if (table.bound.mapping.granularity !== 'row' || before === null || cut.op !== 'u' || isFill(cut))
    return [];
  const changed = [...cut.edits.keys()].filter((column) => column !== table.bound.timestampColumn);
  if (changed.length === 0) return [];
  return table.bound.columns.flatMap((column): ColumnChange[] => {
    const saw = before.get(column.local);
    const isSaid = cut.edits.has(column.local) || isClock(row, column) || isDeltaColumn(column);
    if (isSaid || saw === undefined) return [];
    const old = column.reference === null ? sentOf(column, storedIn(column, saw)) : null;
    return [{ name: column.local, old, new: null, seen: seen(column, old, saw) }];
  });
}

const NOT_ASCII = 0x80;

/** Columns with a charset are read as bytes: those that are the same in all of them go up as the text that they are. */
function sentOf({ options: { charset } }: BoundColumn, value: SqliteValue): SqliteValue {
  if (charset === undefined || !Buffer.isBuffer(value)) return asSent(value, charset);
  return value.some((byte) => byte >= NOT_ASCII) ? value : value.toString('latin1');
}

function isClock({ table, cut }: CutRow, column: BoundColumn): boolean {
  return column.local === table.bound.timestampColumn && !isFill(cut);
}

/** undefined: nobody can say. */
function sawOf({ cut, before }: CutRow, column: BoundColumn): Value | undefined {
  return cut.op === 'u' ? cut.edits.get(column.local)?.before : (before?.get(column.local) ?? null);
}

type SeenIn = (column: BoundColumn, old: SqliteValue, saw: Value | undefined) => Seen | undefined;

/** What the app saw of a column, where its stored old value does not say it. */
function seenBy({ cut, base }: CutRow): SeenIn {
  if (cut.op === 'c') return () => undefined;
  return (column, old, saw) => {
    if (isDeltaColumn(column)) return undefined;
    if (saw === undefined) return 'unknown';
    if (column.reference !== null) {
      if (saw === null) return { text: null };
      const handle = handleIn(saw);
      return handle === undefined ? 'unknown' : { text: handle };
    }
    const image = base === null ? undefined : centralSideOf(base, column);
    // A change of our own that is under way has taken its place.
    if (image === undefined || image.value !== saw || image.text === String(old)) return undefined;
    return { text: image.text };
  };
}

interface Sides {
  readonly old: SqliteValue;
  readonly new: SqliteValue;
}

/** undefined: nothing is said of the column. */
function sidesOf(row: CutRow, column: BoundColumn, now: SqliteValue): Sides | undefined {
  const { cut, before } = row;
  switch (cut.op) {
    case 'c':
      return { old: null, new: now };
    case 'd':
      return { old: storedIn(column, before?.get(column.local) ?? null), new: null };
    case 'u':
      return updated(cut, column, {
        before: before?.get(column.local) ?? null,
        now,
        isClock: isClock(row, column),
      });
  }
}

function updated(
  { edits, sums }: Update,
  column: BoundColumn,
  { before, now, isClock }: { before: string | null; now: SqliteValue; isClock: boolean },
): Sides | undefined {
  const sum = sums.get(column.local);
  if (sum !== undefined) {
    return { old: storedIn(column, before), new: storedIn(column, addDecimals(before ?? '0', sum)) };
  }
  const edit = edits.get(column.local);
  if (edit === undefined) return isClock ? { old: now, new: now } : undefined;
  const old = storedIn(column, edit.before ?? null);
  // Of a reference the centre compares the rows, not the keys.
  return { old: column.reference !== null && sameStored(old, now) ? null : old, new: now };
}

function namesOf({ table, handle, op, values, number: seq }: CutRow): CutEntry {
  const own = `${table.name}\0${handle}`;
  const parents = table.bound.columns.flatMap(({ local, reference }) => {
    const value = values.get(local);
    return reference === null || value == null ? [] : [`${reference.table}\0${value.slice(1)}`];
  });
  return { seq, inserts: op === 'c' || op === 'r' ? own : null, names: [own, ...parents] };
}
