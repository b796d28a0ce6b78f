/**
 * Values on their way up: what a till's stored value becomes as PostgreSQL input text. A well-formed value comes
 * out exactly as `column::text` shows it once stored, so that texts can be compared for equality; what
 * doesn't fit the type is passed as it is, and PostgreSQL refuses it (a dead letter, never a guess).
 */
import { jsonToArray } from './array-text.ts';
import { typeShape, type TypeShape } from '../catalog/central-types.ts';
import {
  formatDecimal,
  numberText,
  parseDecimal,
  roundDecimal,
  shiftDecimal,
  specialText,
  trimDecimal,
} from './decimal.ts';
import { floatText } from './float-text.ts';
import type { ColumnOptions } from '../mapping/mapping.ts';
import { withoutPadding } from './padding.ts';
import {
  formatPostgres,
  formatPostgresDate,
  infinityText,
  parseEpoch,
  parseTimestamp,
  US_PER_SECOND,
} from './timestamps.ts';
import type { SqliteValue } from '../records/unit-record.ts';

const US_PER_MS = 1000n;
const SINGLE_BYTES = 4;

export type CentralConverter = (value: SqliteValue) => string | null;
type Stored = Exclude<SqliteValue, null>;

/**
 * @param value as SQLite stored it
 * @param column a central column, or anything that knows its type as `format_type` prints it
 * @param options of the till's column
 * @returns text for `$n::type`; null for NULL
 */
export function toCentralText(
  value: SqliteValue,
  column: { readonly type: string },
  options: ColumnOptions,
): string | null {
  return value === null ? null : centralConverter(column.type, options)(value);
}

/** The conversion of one column, for many values. */
export function centralConverter(type: string, options: ColumnOptions): CentralConverter {
  const convert = nonNullConverter(typeShape(type), options);
  return (value) => (value === null ? null : convert(value));
}

function nonNullConverter(shape: TypeShape, options: ColumnOptions): (value: Stored) => string {
  switch (shape.family) {
    case 'boolean':
      return booleanText;
    case 'integer':
      return (value) => integerText(value, options);
    case 'numeric':
      return (value) => numericText(value, shape, options);
    case 'float':
      return (value) => doubleText(value, shape, options);
    case 'timestamp':
    case 'timestamptz':
      return (value) => timeText(value, shape, options);
    case 'date':
      return (value) => dateText(value, options);
    case 'array': {
      const element = shape.element ?? 'text';
      return (value) => jsonToArray(textOf(value), element) ?? textOf(value);
    }
    case 'bytes':
      return (value) =>
        `\\x${(Buffer.isBuffer(value) ? value : Buffer.from(textOf(value), 'utf8')).toString('hex')}`;
    case 'uuid':
      return (value) => textOf(value).trim().toLowerCase();
    case 'char':
      return (value) => withoutPadding(textOf(value));
    case 'json':
    case 'text':
      return textOf;
  }
}

function textOf(value: Stored): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'number' ? numberText(value) : value.toString('utf8');
}

/** SQLite's truth: every number but 0. Words are left to PostgreSQL, except the usual two. */
function booleanText(value: Stored): string {
  const text = textOf(value).trim().toLowerCase();
  if (text === 'true' || text === 't') return 'true';
  if (text === 'false' || text === 'f') return 'false';
  const decimal = parseDecimal(text);
  return decimal === null ? text : decimal.unscaled === 0n ? 'false' : 'true';
}

function integerText(value: Stored, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  return decimal === null ? textOf(value) : formatDecimal(trimDecimal(decimal));
}

function numericText(value: Stored, shape: TypeShape, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  if (decimal === null) return specialText(textOf(value)) ?? textOf(value);
  const { scale } = shape;
  return formatDecimal(scale === null || scale < 0 ? decimal : roundDecimal(decimal, scale));
}

function doubleText(value: Stored, shape: TypeShape, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  const text = decimal === null ? textOf(value) : formatDecimal(decimal);
  const number = Number(decimal === null ? (specialText(text) ?? text) : text);
  if (Number.isNaN(number) && specialText(text) !== 'NaN') return text;
  // Rounded to infinity: PostgreSQL tells that it is out of range.
  if (decimal !== null && !Number.isFinite(number)) return text;
  // A decimal has no sign of its own when it is zero; a float does.
  if (number === 0 && isNegativeZero(value)) return '-0';
  return floatText(number, shape.bytes === SINGLE_BYTES);
}

function isNegativeZero(value: Stored): boolean {
  return typeof value === 'string' ? value.trimStart().startsWith('-') : Object.is(value, -0);
}

function scaled(value: Stored, { minorUnits }: ColumnOptions) {
  const decimal = parseDecimal(textOf(value));
  return decimal === null || minorUnits === undefined ? decimal : shiftDecimal(decimal, -minorUnits);
}

function timeText(value: Stored, shape: TypeShape, options: ColumnOptions): string {
  const text = textOf(value);
  const us = timeUs(text, options, options.zone);
  if (us === null) return infinityText(text, 'central') ?? text;
  return (
    formatPostgres(us, { zone: shape.family === 'timestamptz', secondDigits: shape.secondDigits }) ?? text
  );
}

/** A date is a day on the shop's own calendar: a local time of day is cut off, never moved by its zone. */
function dateText(value: Stored, options: ColumnOptions): string {
  const text = textOf(value);
  const us = timeUs(text, options, undefined);
  if (us === null) return infinityText(text, 'central') ?? text;
  return formatPostgresDate(us) ?? text;
}

function timeUs(text: string, { format }: ColumnOptions, zone: string | undefined): bigint | null {
  if (format === 'epoch_s' || format === 'epoch_ms') {
    const us = parseEpoch(text, format === 'epoch_s' ? US_PER_SECOND : US_PER_MS);
    if (us !== null) return us;
  }
  return parseTimestamp(text, format === 'local' ? zone : undefined);
}
