/** Which columns the till took from the streams so far: what is new among them has to be read from the start. */
import type { Checkpoints } from './checkpoints.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { TillHost } from '../till/till-host.ts';

/**
 * Stores what is bound now; where columns or tables are new, all streams begin anew in the same transaction.
 * @returns the new ones, `table.column`; none at the first start
 */
export function noteBoundColumns(
  till: TillHost,
  tables: Iterable<TillTable>,
  checkpoints: Checkpoints,
): string[] {
  const bound = [...tables].flatMap(({ name, bound: { columns } }) =>
    columns.map((column) => `${name}.${column.local}`),
  );
  const known = till.getMeta('bound_columns');
  const text = JSON.stringify(bound.sort());
  if (known === text) return [];
  const before = new Set(known === undefined ? bound : (JSON.parse(known) as string[]));
  const added = bound.filter((column) => !before.has(column));
  till.write(() => {
    till.setMeta('bound_columns', text);
    if (added.length > 0) checkpoints.rewindAll();
  });
  return added;
}
