/**
 * What a row waits for whose parents are not here. Rows that refer to each other in a circle would wait for ever: one
 * of them has to be first, without the references that it may leave out. These are filled in when their rows are here.
 *
 *   of the row's missing parents               | the row
 *   -------------------------------------------+--------------------------------------------------------------
 *   one does not wait for the row              | waits for that one, which wakes it
 *   all wait for the row, one of them is named | waits for that one
 *   in a column that may not be NULL, or is    |
 *   part of the local key                      |
 *   all wait for the row, and may be left out  | is written without them
 *
 * Those that wait in a circle with a row that waits are tried again, since only now it is known to be one. Where the
 * columns that may not be NULL lead nowhere in a circle, one of its rows is of the third kind.
 */
import { fromParked } from './arrival.ts';
import { parentKey, type ParkedRows } from './parked.ts';
import type { MissingParent, TillTables } from './till-tables.ts';

export interface Wait {
  readonly parent: MissingParent;
  /** The row is written now, and waits only to be filled in. */
  readonly isFirst: boolean;
  /** `parentKey` of the others in whose circle the row is. */
  readonly circle: readonly string[];
}

interface Known {
  readonly parked: ParkedRows;
  readonly tables: TillTables;
}

/** A look at so many rows that wait: circles are shorter, trees of waiting rows may be of any size. */
const MAX_LOOKED_AT = 1000;

/**
 * @param row `parentKey` of the row
 * @param missing at least one
 * @param known.key the columns of the row's local key: none of them can be filled in later
 */
export function waitOf(
  row: string,
  missing: readonly [MissingParent, ...MissingParent[]],
  known: Known & { readonly key: readonly string[] },
): Wait {
  const circle = new Set<string>();
  let elsewhere: MissingParent | undefined;
  let strict: MissingParent | undefined;
  for (const parent of missing) {
    const members = waitingBehind(keyOf(parent), known);
    if (!members.has(row)) {
      elsewhere ??= parent;
      continue;
    }
    for (const member of members) if (member !== row) circle.add(member);
    if (parent.column.notNull || known.key.includes(parent.column.local)) strict ??= parent;
  }
  const waitsFor = elsewhere ?? strict;
  return { parent: waitsFor ?? missing[0], isFirst: waitsFor === undefined, circle: [...circle] };
}

/** All that has to come before `start` can, itself included. */
function waitingBehind(start: string, { parked, tables }: Known): ReadonlySet<string> {
  const found = new Set([start]);
  for (const key of found) {
    if (found.size > MAX_LOOKED_AT) break;
    const row = parked.byKey(key);
    const table = row?.reason === 'parent' ? tables.byLocal(row.table) : undefined;
    const image = row === undefined || table === undefined ? null : fromParked(table.bound, row.image).image;
    if (image === null) continue;
    for (const parent of tables.resolve(image).missing) found.add(keyOf(parent));
  }
  return found;
}

function keyOf({ table, centralId }: MissingParent): string {
  return parentKey(table, centralId);
}
