/**
 * `retry --set`: a stored change with a value mended. Pure. The letter itself stays as it came; what is put in
 * is kept beside it. Where it isn't clear which change is meant nothing is guessed: an order's lines have a
 * quantity each, and only one of them is wrong.
 */
import { isSameName } from '../../shared/catalog/same-name.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { Mend } from '../../shared/operations.ts';
import type { ColumnChange, SqliteValue, UnitChange } from '../../shared/records/unit-record.ts';
import type { CentralModel, ColumnModel, TableModel } from '../rows/model.ts';

/** @throws PayflowError VALIDATION when a value has no place in these changes */
export function mendChanges(
  model: CentralModel,
  changes: readonly UnitChange[],
  mends: readonly Mend[],
): UnitChange[] {
  const mended = [...changes];
  for (const mend of mends) {
    const table = tableOf(model, mend.table);
    const column = columnOf(table, mend.column);
    if (column.parent !== null && mend.value !== null) {
      throw invalid(`${table.local}.${column.local} refers to another row: it can be set to NULL only`);
    }
    const at = placeOf(mended, table, column, mend);
    const change = mended[at];
    if (change !== undefined) mended[at] = withValue(change, column, mend.value);
  }
  return mended;
}

function tableOf(model: CentralModel, name: string): TableModel {
  const table = model.byLocal.get(name) ?? model.tables.get(name);
  if (table === undefined) throw invalid(`there is no mapped table ${name}`);
  return table;
}

function columnOf(table: TableModel, name: string): ColumnModel {
  const column = table.byLocal.get(name) ?? table.byCentral.get(name);
  if (column === undefined) throw invalid(`${table.local} has no mapped column ${name} that a till sends`);
  return column;
}

function placeOf(
  changes: readonly UnitChange[],
  table: TableModel,
  column: ColumnModel,
  { seq }: Mend,
): number {
  const what = `${table.local}.${column.local}`;
  const places = changes.flatMap((change, index) => {
    const named = seq === undefined || change.seq === seq;
    return named && isSameName(change.table, table.local) && holds(change, column) ? [index] : [];
  });
  const [place, ...others] = places;
  if (place === undefined) {
    throw invalid(`no change of it ${seq === undefined ? '' : `with seq ${seq} `}sets ${what}`);
  }
  if (others.length === 0) return place;
  const seqs = places.map((index) => changes[index]?.seq).join(', ');
  throw invalid(
    `${places.length} changes of it set ${what} (seq ${seqs}): name one, as in ${what}@${changes[place]?.seq}`,
  );
}

/** An insert sets every column, also those that its till did not name. */
function holds({ op, columns }: UnitChange, { local }: ColumnModel): boolean {
  if (op === 'd') return false;
  return op !== 'u' || columns.some(({ name }) => isSameName(name, local));
}

function withValue(change: UnitChange, { local, parent }: ColumnModel, value: string | null): UnitChange {
  const known = change.columns.find(({ name }) => isSameName(name, local));
  const mended: ColumnChange = {
    name: known?.name ?? local,
    old: known?.old ?? null,
    new: value === null ? null : likeBefore(value, known?.new ?? null),
    seen: known?.seen,
  };
  const columns =
    known === undefined
      ? [...change.columns, mended]
      : change.columns.map((column) => (column === known ? mended : column));
  if (parent === null) return { ...change, columns };
  const references = change.references.map((reference) =>
    isSameName(reference.column, local) ? { column: local, target: null } : reference,
  );
  return { ...change, columns, references };
}

/** In the storage class that SQLite had there, where the text is of that kind. */
function likeBefore(text: string, before: SqliteValue): SqliteValue {
  if (typeof before === 'bigint' && /^-?\d{1,19}$/.test(text)) return BigInt(text);
  if (Buffer.isBuffer(before) && /^([0-9a-f]{2})*$/i.test(text)) return Buffer.from(text, 'hex');
  return text;
}

function invalid(message: string): PayflowError {
  return new PayflowError('VALIDATION', message, { details: { field: 'set' } });
}
