/** By which columns two rows are the same thing: unique indexes, where both sides have them. Pure. */
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { ColumnPair, Said, TablePair } from './facts.ts';

interface Given {
  readonly pair: TablePair;
  readonly columns: readonly ColumnPair[];
  /** Local columns that refer to another table. */
  readonly references: ReadonlySet<string>;
  /** Central columns that are filled with constants. */
  readonly set: ReadonlySet<string>;
}

/**
 * @returns local columns (or the names of columns that are set), with the reason; without columns what else there is
 *   to know; null where the centre has no unique index that the till's columns fill
 */
export function naturalKeyOf({ pair, columns, references, set }: Given): Said<readonly string[]> | null {
  const { central, local, common } = pair;
  const localOf = (name: string) =>
    columns.find((column) => column.central.name === name)?.local.name ?? (set.has(name) ? name : undefined);
  const isMade = (name: string) => {
    const column = central.columns.find((each) => each.name === name);
    return central.key.length === 1 && (column?.identity !== null || column.defaultSql !== null);
  };
  const keys = [central.key, ...central.uniques].filter(
    (unique) => unique.length > 0 && !(unique === central.key && unique.some(isMade)),
  );
  const whole = keys.flatMap((unique) => {
    const names = unique.map(localOf);
    if (names.includes(undefined)) return [];
    const here = names.filter((name): name is string => name !== undefined);
    const own = here.filter((name) => local.columns.some((column) => column.name === name));
    // A number that the till gives is its own in other stores, and of other tills in this one; a parent's is not.
    const isOf = (other: readonly string[]) =>
      isSameSet(other, here) || (isSameSet(other, own) && own.every((name) => references.has(name)));
    const isUniqueHere = [local.key, ...local.uniques].some(isOf);
    return own.length === 0 || areUuids(pair, unique)
      ? []
      : [{ unique, here, isUniqueHere, fills: unique.length - own.length }];
  });
  const [best] = whole.sort(
    (a, b) =>
      Number(b.isUniqueHere) - Number(a.isUniqueHere) || a.fills - b.fills || a.here.length - b.here.length,
  );
  if (best === undefined) return null;
  const at = `unique at the centre: ${best.unique.join(', ')}`;
  const byCommon = common.by !== null && best.unique.includes(common.by.central);
  if (best.isUniqueHere)
    return {
      value: best.here,
      why:
        common.rows.length > 0 && byCommon
          ? `unique on both sides; ${common.rows.length} sampled rows are on both`
          : 'unique on both sides',
    };
  if (byCommon)
    return { value: best.here, why: `${at}; ${common.rows.length} sampled rows are on both sides` };
  // The name of the row is the same on both sides.
  if (common.by !== null && central.key.length === 1 && central.key[0] === common.by.central) return null;
  // Sales that are numbered alike by mistake would become one, in silence: the centre refuses the second instead.
  return {
    value: [],
    why: `no natural_key, though ${best.unique.join(', ')} are unique at the centre: no sampled row is on both sides, and without one a number that comes twice is refused, not merged`,
  };
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

/** What is made once for a row and never typed again names it already. */
function areUuids({ central }: TablePair, columns: readonly string[]): boolean {
  return columns.every((name) => {
    const type = central.columns.find((column) => column.name === name)?.type ?? '';
    return typeShape(type).family === 'uuid';
  });
}
