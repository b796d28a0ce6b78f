/**
 * Do the values that a till holds fit the centre's columns, in the form that the mapping says? A declaration tells
 * little in SQLite, so the newest rows are looked at. Pure.
 *
 *   among the values of a column are           | finding
 *   -------------------------------------------+-------------------------------------------------
 *   16 bytes, for a uuid                       | mismatch: they travel as text only
 *   what no conversion makes sense of          | warning, with the option that would; of most of them a mismatch
 *   times as SQLite's datetime() writes them   | warning, without `format: sqlite`: new ones look otherwise
 *   words for yes and no                       | warning: new rows bring 1 and 0
 */
import type { CentralColumn, CentralTable } from './central-catalog.ts';
import { typeShape } from './central-types.ts';
import type { ParityFinding } from './parity-finding.ts';
import { PayflowError } from '../errors.ts';
import { centralColumn, type Mapping, type TableMapping } from '../mapping/mapping.ts';
import type { SqliteValue } from '../records/unit-record.ts';
import { centralConverter } from '../values/central-text.ts';
import { isCarried } from './table-binding.ts';

/** Values by local column; a text that is no UTF-8 comes as its bytes. */
export type SampleRow = Readonly<Record<string, SqliteValue>>;

const UUID_BYTES = 16;
const SQLITE_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;
const WORD = /^(?:y|n|yes|no|t|f|true|false|on|off)$/i;

/** @param samples by local table */
export function valueFindings(
  mapping: Mapping,
  central: ReadonlyMap<string, CentralTable>,
  samples: ReadonlyMap<string, readonly SampleRow[]>,
): ParityFinding[] {
  return mapping.tables.flatMap((table) => {
    const centre = central.get(table.central);
    const rows = samples.get(table.local) ?? [];
    const [first] = rows;
    if (centre === undefined || first === undefined) return [];
    return Object.keys(first).flatMap((column) => {
      const target = centre.columns.find(({ name }) => name === centralColumn(table, column));
      const travels =
        isCarried(table, column) && !table.references.has(column) && target?.generated === false;
      if (!travels) return [];
      const found = columnFinding(
        table,
        { column, target },
        rows.map((row) => row[column] ?? null),
      );
      return found === null ? [] : [{ ...found, table: table.local, column }];
    });
  });
}

type Finding = Omit<ParityFinding, 'table' | 'column'>;

function columnFinding(
  table: TableMapping,
  { column, target }: { readonly column: string; readonly target: CentralColumn },
  values: readonly SqliteValue[],
): Finding | null {
  const options = table.columns.get(column) ?? {};
  const { family } = typeShape(target.type);
  const name = `${table.local}.${column}`;
  if (family === 'uuid' && values.some((value) => Buffer.isBuffer(value) && value.length === UUID_BYTES))
    return {
      kind: 'mismatch',
      code: 'uuid_in_blob',
      message: `${name} holds uuids as bytes, ${table.central}.${target.name} travels as text`,
      remedy: 'hold them as text on the till, or make it bytea at the centre',
    };
  const misfits = misfitsOf(values, target, options);
  const [misfit] = misfits;
  if (misfit !== undefined)
    return {
      // One slip of the pen costs one row; what most rows hold would cost the table.
      kind: 2 * misfits.length > values.filter((value) => value !== null).length ? 'mismatch' : 'warning',
      code: 'value_unfit',
      // What is sensitive is shown to nobody, not even here.
      message: table.sensitive.has(column)
        ? `${name} holds values that are no ${target.type}`
        : `${name} ${misfit}`,
      remedy: 'such rows are refused until the mapping says otherwise, or the value is mended',
    };
  const texts = values.filter((value) => typeof value === 'string');
  const isTime = family === 'timestamp' || family === 'timestamptz';
  if (isTime && options.format === undefined && texts.some((text) => SQLITE_TIME.test(text)))
    return {
      kind: 'warning',
      code: 'time_form',
      message: `${name} holds times as 2026-01-31 12:34:56, and rows from the centre would bring 2026-01-31T12:34:56.000Z`,
      remedy: 'say format: sqlite, or format: local with its zone',
    };
  if (family === 'boolean' && texts.some((text) => WORD.test(text)))
    return {
      kind: 'warning',
      code: 'boolean_form',
      message: `${name} holds words for yes and no; new rows from the centre bring 1 and 0`,
      remedy: 'let the app read both; what stands there keeps its words',
    };
  return null;
}

/** @returns of each value that fits no conversion, what is wrong with it */
function misfitsOf(
  values: readonly SqliteValue[],
  { type }: CentralColumn,
  options: Parameters<typeof centralConverter>[1],
): string[] {
  const convert = centralConverter(type, options);
  return values.flatMap((value) => {
    try {
      convert(value);
      return [];
    } catch (error) {
      if (error instanceof PayflowError && error.code === 'VALUE_UNFIT') return [error.message];
      throw error;
    }
  });
}
