/**
 * What becomes of a till's row that its stream says to be there no more. Pure.
 *
 *   the centre says   | delete:      | the row here     | becomes
 *   ------------------+--------------+------------------+------------------------------------------------------
 *   not in the stream | any          | any              | removed: another store's, or under another key there
 *   deleted           | hard         | any              | removed
 *   deleted           | soft         | shown, can be    | marked: the image that both sides know, with the mark.
 *                     |              |   marked         |   One that is marked keeps the mark that it has
 *   deleted           | soft         | shown, no column | removed: what can't be marked would look alive
 *                     |              |   for the mark   |
 *   deleted           | deny, ignore | shown            | kept as it is; what the till changes of it later is
 *                     |              |                  |   answered `gone`, and put back
 *   deleted           | any          | not here         | removed: the till has none, and neither has the centre
 *
 * Whichever it is: changes that are on their way keep the row as the app sees it until they are answered, and rows that
 * are on their way and refer to it keep it from being removed (row-applier.ts).
 *
 * A row that the till itself deleted where that is ignored (`delete: ignore`) stays away, although the centre has it: it
 * is `put away` (deleted, with a base), and images only renew that base. One that the centre deletes as well has no base
 * any more, and comes back if head office makes it anew.
 */
import { localConverter } from '../../shared/values/values.ts';
import type { CentralValue } from '../../shared/records/change-record.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { Cut } from '../up/row-state.ts';
import { columnSet, type Image } from './image.ts';
import type { SyncRow } from './sync-rows.ts';

export type Fate = 'removed' | 'marked' | 'kept';

export interface Going {
  /** The row was deleted, and has not only left the stream. */
  readonly isDeleted: boolean;
  readonly isShown: boolean;
}

export function fateOf(
  { mapping: { delete: mode }, softDeleteColumn }: Pick<BoundTable, 'mapping' | 'softDeleteColumn'>,
  { isDeleted, isShown }: Going,
): Fate {
  if (!isDeleted || !isShown || mode === 'hard') return 'removed';
  if (mode === 'deny' || mode === 'ignore') return 'kept';
  return softDeleteColumn === null ? 'removed' : 'marked';
}

/** Of the till alone, which the centre does not follow. */
export function isPutAway({ mapping }: BoundTable, row: SyncRow): boolean {
  return mapping.delete === 'ignore' && row.rowKey === null && row.deleted && row.base !== null;
}

/**
 * Whether a row here looks as one does that outlived the centre's delete.
 * @param values of the table's bound columns
 */
export function outlivesDelete(
  {
    mapping: { delete: mode },
    columns,
    softDeleteColumn,
  }: Pick<BoundTable, 'mapping' | 'columns' | 'softDeleteColumn'>,
  values: Image['values'],
): boolean {
  if (mode === 'deny' || mode === 'ignore') return true;
  const at = columns.findIndex(({ local }) => local === softDeleteColumn);
  return mode !== 'hard' && isMark(values[at] ?? null);
}

/** Whether the row is put away by these answers. */
export function putsAway(
  { mapping }: BoundTable,
  row: SyncRow,
  answered: readonly { readonly cut: Cut }[],
): boolean {
  return mapping.delete === 'ignore' && row.rowKey === null && answered.at(-1)?.cut.op === 'd';
}

/**
 * The row as both sides know it, deleted.
 * @param base null: no image of the row has come
 */
export function markedImage(table: BoundTable, base: Image | null, deletedAtMs: number): Image | null {
  const mark = table.columns.find(({ local }) => local === table.softDeleteColumn);
  if (mark === undefined) return null;
  const at = base?.set.columns.findIndex(({ local }) => local === mark.local) ?? -1;
  const type = base?.central?.types[at] ?? likelyType(mark);
  const said = markOf(type, deletedAtMs);
  const value = localConverter(type, mark)(said);
  if (base === null) {
    return { set: columnSet([mark]), values: [value], central: { types: [type], values: [said] } };
  }
  if (at < 0) return withColumn(base, mark, { value, type, said });
  if (isMark(base.values[at] ?? null)) return base;
  return {
    ...base,
    values: base.values.with(at, value),
    central: base.central && {
      types: base.central.types.with(at, type),
      values: base.central.values.with(at, said),
    },
  };
}

function withColumn(
  base: Image,
  column: BoundColumn,
  { value, type, said }: { value: Image['values'][number]; type: string; said: CentralValue },
): Image {
  return {
    ...base,
    set: columnSet([...base.set.columns, column]),
    values: [...base.values, value],
    central: base.central && {
      types: [...base.central.types, type],
      values: [...base.central.values, said],
    },
  };
}

/** A flag says 0 where it is not set, a time says nothing. */
function isMark(value: Image['values'][number]): boolean {
  return value !== null && value !== 0n && value !== 0 && value !== '0' && value !== 'false';
}

/** Where no image says it. */
function likelyType({ affinity, options }: BoundColumn): string {
  return affinity === 'INTEGER' && options.format === undefined ? 'boolean' : 'timestamp with time zone';
}

/** As the centre would write it. */
function markOf(type: string, atMs: number): CentralValue {
  if (type === 'boolean') return true;
  if (type === 'bigint') return 1n;
  if (type === 'integer' || type === 'smallint') return 1;
  const text = new Date(atMs).toISOString();
  if (type === 'date') return text.slice(0, 10);
  if (!type.startsWith('timestamp')) return text;
  const local = text.slice(0, -1).replace('T', ' ');
  return type.endsWith('without time zone') ? local : `${local}+00`;
}
