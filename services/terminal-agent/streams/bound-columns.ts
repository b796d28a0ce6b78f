/** Which columns the till took from the streams so far: what is new among them has to be read from the start. */
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
  if (known === text && late === null) return [];
  const before = new Set(known === undefined ? bound : (JSON.parse(known) as string[]));
  const added = bound.filter((column) => !before.has(column));
  if (late !== null) added.push(`mapping ${late.version}`);
  till.write(() => {
    till.setMeta(BOUND_COLUMNS, text);
    for (const [name, value] of Object.entries(late?.meta ?? {})) till.setMeta(name, value);
    if (added.length > 0) checkpoints.rewindAll();
  });
  return added;
}
