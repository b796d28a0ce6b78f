/** A kept row as row-state.ts has it, and back. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { withAnswers } from '../settle/answers.ts';
import type { FlightChange } from '../settle/flight.ts';
import { baseOf, imageValues } from '../up/row-values.ts';
import { expected, type Cut, type RowState, type Values } from '../up/row-state.ts';
import { completedImage, decodeImage, type Image } from './image.ts';
import { isUnlinked, type SyncRow } from './sync-rows.ts';
import type { TillTable } from './till-tables.ts';

/** What was answered of it is in it. */
export interface SettledRow {
  readonly table: TillTable;
  readonly handle: string;
  readonly row: SyncRow;
  readonly left: readonly FlightChange[];
  /** What its local key was, should it come back. */
  readonly key: SqliteValue;
}

export function stateOf(
  table: TillTable,
  handle: string,
  row: SyncRow | undefined,
): Omit<RowState, 'flight'> {
  return stateWith(handle, row, row?.base == null ? null : decodeImage(table.bound, row.base));
}

/** @param base the row's, decoded */
export function stateWith(
  handle: string,
  row: SyncRow | undefined,
  base: Image | null,
): Omit<RowState, 'flight'> {
  return {
    base: base === null ? null : imageValues(base),
    mark: row?.refused === true ? 'refused' : row?.deleted === true ? 'deleted' : null,
    isLinked: !isUnlinked(handle),
  };
}

function isSameValues(a: Values, b: Values): boolean {
  return a.size === b.size && [...a].every(([column, value]) => b.get(column) === value);
}

/** As the row shows it while the parent that the column means is not here. */
export function withoutColumns(image: Image, locals: readonly string[]): Image {
  if (locals.length === 0) return image;
  const without = new Set(locals);
  const cleared = <Value>(values: readonly Value[], none: Value) =>
    values.map((value, at) => (without.has(image.set.columns[at]?.local ?? '') ? none : value));
  const { central } = image;
  return {
    ...image,
    values: cleared(image.values, null),
    central: central === undefined ? undefined : { ...central, values: cleared(central.values, null) },
  };
}

/** An image that says the same keeps what the centre said. */
export function withState(
  table: TillTable,
  row: SyncRow,
  { base, mark }: Pick<RowState, 'base' | 'mark'>,
): SyncRow {
  const was = row.base === null ? null : decodeImage(table.bound, row.base);
  const isSame = was !== null && base !== null && isSameValues(imageValues(was), base);
  const text = base === null ? null : isSame ? row.base : baseOf(table.bound, base);
  return { ...row, base: text, refused: mark === 'refused', deleted: mark === 'deleted' };
}

/** @param uuid what its identity column held: rows that still refer to it name it so */
export function goneRow(row: SyncRow | undefined, position: Buffer, uuid: string | null = null): SyncRow {
  const identity = row?.identity ?? uuid;
  return { rowKey: null, position, deleted: true, base: null, identity, refused: false };
}

/** A row that is gone without a word still has the key that it had. */
export function retakeKey({ rows }: TillTable, rowKey: SqliteValue): void {
  const former = rowKey === null ? undefined : rows.handleAt(rowKey);
  if (former !== undefined) rows.move(former, null);
}

/** A name that comes again is a new row's. */
export function retire(db: SqliteDatabase, { name }: TillTable, identity: string | null): void {
  if (identity === null) return;
  db.prepare('INSERT OR IGNORE INTO sync_retired (table_name, identity) VALUES (?, ?)').run(name, identity);
}

/** Columns that were omitted are as they were: as in the image before, with what this one answers. */
export function completed(
  { bound }: TillTable,
  { row, image, answered }: { row: SyncRow; image: Image; answered: readonly Cut[] },
): Image {
  const before = row.base === null || image.omitted === undefined ? null : decodeImage(bound, row.base);
  if (before === null) return image;
  const held = imageValues(before);
  const values = expected({ base: held, mark: null, isLinked: true, flight: answered });
  const isSame = values === null || isSameValues(values, held);
  return completedImage(image, (isSame ? null : decodeImage(bound, baseOf(bound, values))) ?? before);
}

/** What of a row's flight is answered, where an image comes with the answers. */
export function answeredOf(
  table: TillTable,
  {
    handle,
    row,
    flight,
  }: { readonly handle: string; readonly row: SyncRow | undefined; readonly flight: readonly FlightChange[] },
): { readonly changes: readonly FlightChange[]; readonly left: readonly FlightChange[] } {
  // Of most rows there is nothing, and their base need not be read.
  if (flight.length === 0) return { changes: flight, left: flight };
  return withAnswers(stateOf(table, handle, row), flight, { isPulled: false });
}
