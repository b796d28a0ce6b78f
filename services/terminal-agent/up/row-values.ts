/**
 * Rows and images of a till as the row state compares them (row-state.ts): by local column one text, the storage class in
 * it, so that nothing is lost; of a delta column its number; of a reference the row that it means, whatever that one's
 * key is now.
 */
import { numberText } from '../../shared/values/decimal.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { CentralValue } from '../../shared/records/change-record.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { meaningComparer, type SameMeaning } from '../../shared/values/same-meaning.ts';
import { columnSet, decodeValue, encodeImage, encodeValue, type Image } from '../rows/image.ts';
import type { ParentNames } from '../rows/parent-names.ts';
import type { ColumnRules, Value, Values } from './row-state.ts';

const PARENT = 'H';
const NOWHERE = 'X';

/** The handle of the row that a reference column's value means here; null: none. */
export type ParentOf = (column: BoundColumn, value: SqliteValue) => string | null;

export function isDeltaColumn({ policy, reference }: BoundColumn): boolean {
  return policy === 'delta' && reference === null;
}

/** @param raw what the table's columns hold, in their order */
export function rowValues({ columns }: BoundTable, raw: readonly SqliteValue[], parentOf: ParentOf): Values {
  return new Map(
    columns.map((column, at) => {
      const value = raw[at] ?? null;
      return [
        column.local,
        column.reference === null ? plainValue(column, value) : parentValue(column, value, parentOf),
      ];
    }),
  );
}

export function imageValues({ set, values }: Image): Values {
  return new Map(
    set.columns.map((column, at) => {
      const value = values[at] ?? null;
      if (column.reference === null) return [column.local, plainValue(column, value)];
      return [column.local, value === null ? null : `${PARENT}${String(value)}`];
    }),
  );
}

function parentValue(column: BoundColumn, value: SqliteValue, parentOf: ParentOf): Value {
  if (value === null) return null;
  const handle = parentOf(column, value);
  if (handle !== null) return `${PARENT}${handle}`;
  // What no row that comes later is ever called.
  return value === '' || value === 0n || value === 0 || value === '0'
    ? null
    : `${NOWHERE}${encodeValue(value) ?? ''}`;
}

function plainValue(column: BoundColumn, value: SqliteValue): Value {
  return isDeltaColumn(column) ? amountText(value) : encodeValue(value);
}

/** As a decimal; null: NULL, or no number. */
export function amountText(value: SqliteValue): string | null {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? numberText(value) : null;
  return typeof value === 'string' && /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(value) ? value : null;
}

/** The row that a reference means, by its handle; undefined: the value means none. */
export function handleIn(value: Value): string | undefined {
  return value?.startsWith(PARENT) === true ? value.slice(1) : undefined;
}

/** What a column would hold; of a reference the handle, where it means a row. */
export function storedIn(column: BoundColumn, value: Value): SqliteValue {
  if (value === null) return null;
  if (column.reference !== null)
    return value.startsWith(NOWHERE) ? decodeValue(value.slice(1)) : value.slice(1);
  return isDeltaColumn(column) ? amountIn(value) : decodeValue(value);
}

function amountIn(text: string): SqliteValue {
  const whole = /^([-+]?\d+)(?:\.0*)?$/.exec(text)?.[1];
  return whole === undefined ? Number(text) : BigInt(whole);
}

/** A column's value as the row state has it, and the text of the centre's; undefined: the centre's is not known. */
export function centralSideOf(
  { set, values, central }: Image,
  { local, reference }: BoundColumn,
): { readonly value: Value; readonly text: string } | undefined {
  const at = set.columns.findIndex((column) => column.local === local);
  const column = set.columns[at];
  if (column === undefined || reference !== null || central?.types[at] == null) return undefined;
  const text = centralText(central.values[at] ?? null);
  return text === null ? undefined : { value: plainValue(column, values[at] ?? null), text };
}

/** null: it is no text, and went down, and goes up, as what it is. */
function centralText(value: CentralValue): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'boolean') return value ? 't' : 'f';
  return null;
}

/** What was inserted, as the base until its image comes. */
export function baseOf({ columns }: BoundTable, values: Values): string {
  const held = columns.filter(({ local }) => values.has(local));
  const stored = held.map((column) => {
    const value = values.get(column.local) ?? null;
    if (column.reference === null) return storedIn(column, value);
    return handleIn(value) ?? null;
  });
  return encodeImage({ set: columnSet(held), values: stored });
}

interface Typed {
  readonly column: BoundColumn;
  readonly type: string | null;
  readonly central: NonNullable<Image['central']>['values'][number];
  readonly value: Value;
}

/** @param base null: the row has none, and each value is what it is */
export function columnRules(table: BoundTable, base: Image | null, parents: ParentNames): ColumnRules {
  const columns = new Map(table.columns.map((column) => [column.local, column]));
  const typed = new Map(base === null ? [] : typedColumns(base).map((each) => [each.column.local, each]));
  return {
    isDelta: (name) => {
      const column = columns.get(name);
      return column !== undefined && isDeltaColumn(column);
    },
    isEqual: (name, a, b) => {
      if (a === b) return true;
      const column = columns.get(name);
      if (column === undefined) return false;
      if (column.reference !== null) return isSameParent(column, parents, a, b);
      const known = typed.get(name);
      return known !== undefined && isSame(known, a, b);
    },
  };
}

function typedColumns({ set, central, ...image }: Image): Typed[] {
  const values = imageValues({ set, ...image });
  return set.columns.map((column, at) => ({
    column,
    type: central?.types[at] ?? null,
    central: central?.values[at] ?? null,
    value: values.get(column.local) ?? null,
  }));
}

/**
 * Whether the row here (`shown`) points where it is known to:
 *
 *   it is known to point to          | and holds                                       | the same
 *   ---------------------------------+-------------------------------------------------+----------------------------------
 *   a row                            | what means that row now                         | yes
 *   a row that is gone from the till | a key under which no row lives                  | if it was the gone one's, or that
 *                                    |                                                 |   is not known
 *   the same                         | a UUID that no row has, nor had as far as known | if the gone one's is not known
 *   anything else                                                                      | no
 */
function isSameParent(column: BoundColumn, parents: ParentNames, known: Value, shown: Value): boolean {
  const [one, other] = [known, shown].map(handleIn);
  if (one === undefined || shown === null) return false;
  if (other !== undefined && parents.now(column, one) === parents.now(column, other)) return true;
  if (!parents.isGone(column, one)) return false;
  return other === undefined
    ? parents.wasKeyOf(column, one, storedIn(column, shown))
    : parents.mayBeUuidOf(column, one, other);
}

function isSame({ column, type, central, value }: Typed, expected: Value, here: Value): boolean {
  if (type === null) return false;
  const local = here === null ? null : decodeValue(here);
  const written = expected === null ? null : decodeValue(expected);
  return comparer(column, type)({ local, written, central: expected === value ? central : undefined });
}

const comparers = new WeakMap<BoundColumn, { readonly type: string; readonly same: SameMeaning }>();

function comparer(column: BoundColumn, type: string): SameMeaning {
  let known = comparers.get(column);
  if (known?.type !== type) {
    known = { type, same: meaningComparer(type, column) };
    comparers.set(column, known);
  }
  return known.same;
}
