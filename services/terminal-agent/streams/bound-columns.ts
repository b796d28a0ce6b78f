/** Which columns the till took from the streams so far: what is new among them has to be read from the start. */
import { READ_AGAIN } from '../file/lost-tables.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { takenLate } from '../till/file-mapping.ts';
import type { TillHost } from '../till/till-host.ts';

/** In sync_meta: `table.column` of each. */
export const BOUND_COLUMNS = 'bound_columns';

/**
 * Stores what is bound now; where columns or tables are new, or a mapping is that could not be read before, all
 * streams begin anew in the same transaction.
 * @returns what is new, as `table.column` or `mapping version`; nothing at the first start
 */
export function noteBoundColumns(
  till: TillHost,
  tables: Iterable<TillTable>,
  checkpoints: Checkpoints,
): string[] {
  const bound = [...tables].flatMap(({ name, bound: { columns } }) =>
    columns.map((column) => `${name}.${column.local}`),
  );
  const known = till.getMeta(BOUND_COLUMNS);
  const text = JSON.stringify(bound.sort());
  const { mappingVersion } = till;
  const late = takenLate({ mappingVersion, getMeta: (name) => till.getMeta(name) });
  const isLost = till.getMeta(READ_AGAIN) !== undefined;
  if (known === text && late === null && !isLost) return [];
  const before = new Set(known === undefined ? bound : (JSON.parse(known) as string[]));
  const added = bound.filter((column) => !before.has(column));
  if (late !== null) added.push(`mapping ${late.version}`);
  if (isLost) added.push('what was lost');
  till.write(() => {
    till.setMeta(READ_AGAIN, null);
    till.setMeta(BOUND_COLUMNS, text);
    for (const [name, value] of Object.entries(late?.meta ?? {})) till.setMeta(name, value);
    if (added.length > 0) checkpoints.rewindAll();
  });
  return added;
}
