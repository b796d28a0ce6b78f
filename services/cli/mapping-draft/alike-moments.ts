/**
 * An app writes its moments alike: what its rows show of one column goes for others that show less. Pure.
 *
 *   a column                                          | is taken for
 *   --------------------------------------------------+---------------------------------------------------
 *   with wall clocks, no row of which the centre has  | local time of the zone that rows of both sides show
 *   without values, of a type that any form fits      | the form of most columns of that type
 */
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { ColumnOptions } from '../../shared/mapping/mapping.ts';
import type { TableParts } from './draft-table.ts';
import type { ColumnPair, TablePair } from './facts.ts';

/** A column whose moments are known, as an example for others. */
interface Example {
  readonly at: string;
  readonly type: string;
  readonly form: ColumnOptions;
}

export function alikeMoments(parts: readonly TableParts[]): TableParts[] {
  const zoned = inOneZone(parts);
  const examples = zoned.flatMap(({ pair, columns }) =>
    columns
      .filter((column) => isMoment(column) && hasValues(pair, column))
      .map(({ local, form }) => ({
        at: `${pair.local.name}.${local.name}`,
        type: local.declaredType.toUpperCase(),
        form,
      })),
  );
  return zoned.map((table) => ({
    ...table,
    columns: table.columns.map((column) =>
      mayBeAnything(column) && !hasValues(table.pair, column) ? likeOthers(column, examples) : column,
    ),
  }));
}

function inOneZone(parts: readonly TableParts[]): TableParts[] {
  const shown = parts.flatMap(({ pair, columns }) =>
    columns.flatMap(({ local, form: { zone }, agrees }) =>
      zone !== undefined && agrees ? [{ zone, at: `${pair.local.name}.${local.name}` }] : [],
    ),
  );
  const [first] = shown;
  if (first === undefined) return [...parts];
  const { zone } = first;
  return parts.map((table) => ({
    ...table,
    columns: table.columns.map((column) =>
      column.form.format === 'sqlite' && !column.agrees
        ? {
            ...column,
            form: { ...column.form, format: 'local', zone },
            why: `${column.why}; a wall clock, as ${first.at}`,
          }
        : column,
    ),
  }));
}

function isMoment({ central }: ColumnPair): boolean {
  const { family } = typeShape(central.type);
  return family === 'timestamp' || family === 'timestamptz';
}

function hasValues({ localRows }: TablePair, { local }: ColumnPair): boolean {
  return localRows.some((row) => row[local.name] != null);
}

/** Whole numbers may be seconds or milliseconds; where the centre keeps less than it could, that tells which. */
function mayBeAnything(column: ColumnPair): boolean {
  const { affinity } = column.local;
  const isTold = affinity === 'INTEGER' && typeShape(column.central.type).secondDigits < 6;
  return isMoment(column) && affinity !== 'REAL' && !isTold;
}

function likeOthers(column: ColumnPair, examples: readonly Example[]): ColumnPair {
  const alike = examples.filter(({ type }) => type === column.local.declaredType.toUpperCase());
  const counts = new Map<string, Example[]>();
  for (const example of alike) {
    const form = JSON.stringify(example.form);
    counts.set(form, [...(counts.get(form) ?? []), example]);
  }
  const [most] = [...counts.values()].sort((a, b) => b.length - a.length);
  const [example] = most ?? [];
  if (example === undefined || JSON.stringify(example.form) === JSON.stringify(column.form)) return column;
  const why = [column.why, `no values, so as ${example.at}`].filter((text) => text !== '').join('; ');
  return { ...column, form: example.form, why };
}
