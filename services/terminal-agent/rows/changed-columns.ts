/** Which columns of a row have to be written so that it means what the centre's row means. Pure. */
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { inFormOf, meaningComparer, sameStored, type SameMeaning } from '../../shared/values/same-meaning.ts';
import type { ShownRow } from './row-writer.ts';

/** Whether two values of a reference column name the same row of its parent. */
export type SameRow = (column: BoundColumn, a: SqliteValue, b: SqliteValue) => boolean;

export interface ChangedColumn {
  /** Index into the set. */
  readonly at: number;
  readonly value: SqliteValue;
}

interface Known {
  readonly type: string;
  readonly same: SameMeaning;
}

/** A column's comparison never changes, and costs more to make than to use. */
const comparers = new WeakMap<BoundColumn, Known>();

/**
 *   the column             | the row holds                     | written
 *   -----------------------+-----------------------------------+------------------------------------------
 *   any                    | the very value                    | no
 *   reference              | another name of the same parent   | no
 *   reference, NULL wanted | '' or 0, and no row has that key  | no: so the app says that there is none
 *   reference, NULL wanted | anything else                     | yes: its row is gone, and the key comes again
 *   of unknown type        | another value                     | yes: an image of an earlier version
 *   other                  | what means the same               | no
 *   other                  | what means something else         | yes; the centre's yes and no in the words that
 *                          |                                   | stood there, the till's own as it wrote them
 * @param standing what the row holds, in the set's order
 */
export function changedColumns(
  row: ShownRow,
  standing: readonly SqliteValue[],
  sameRow: SameRow,
): ChangedColumn[] {
  const changed: ChangedColumn[] = [];
  for (let at = 0; at < row.values.length; at += 1) {
    const column = row.set.columns[at];
    const wanted = row.values[at] ?? null;
    const local = standing[at] ?? null;
    if (column === undefined || sameStored(local, wanted)) continue;
    if (column.reference !== null) {
      const mayStay = wanted !== null || namesNone(local);
      if (!mayStay || !sameRow(column, local, wanted)) changed.push({ at, value: wanted });
      continue;
    }
    const type = row.central?.types[at];
    const central = row.central?.values[at];
    if (type === undefined || type === null) changed.push({ at, value: wanted });
    else if (!comparer(column, type)({ local, central, written: wanted }))
      changed.push({ at, value: central === undefined ? wanted : inFormOf(local, wanted, type) });
  }
  return changed;
}

/** What no row that comes later is ever called. */
function namesNone(value: SqliteValue): boolean {
  return value === '' || value === 0 || value === 0n || value === '0';
}

function comparer(column: BoundColumn, type: string): SameMeaning {
  let known = comparers.get(column);
  if (known?.type !== type) {
    known = { type, same: meaningComparer(type, column) };
    comparers.set(column, known);
  }
  return known.same;
}
