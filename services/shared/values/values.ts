/**
 * Values on their way down: what a central value becomes in a till's column. The way up is in
 * central-text.ts. Nothing is lost where the till's column can hold it; where it can't, parity says so.
 *
 * A converter is made once per column and then called per row; `toLocalValue` does both.
 */
import { arrayToJson } from './array-text.ts';
import {
  storedDecimal,
  storedDouble,
  storedInteger,
  storedShortDecimal,
  storedText,
} from '../catalog/affinity.ts';
import { typeShape, type TypeShape } from '../catalog/central-types.ts';
import type { CentralValue } from '../records/change-record.ts';
import { codecOf } from './charset.ts';
import { numberText, parseDecimal, roundDecimal, shiftDecimal } from './decimal.ts';
import type { Affinity } from '../catalog/local-catalog.ts';
import type { ColumnOptions } from '../mapping/mapping.ts';
import {
  exactUnits,
  formatIso,
  formatLocal,
  formatPostgresDate,
  formatSqlite,
  infinityText,
  isoFromPostgres,
  julianDays,
  parseEpoch,
  parseJulian,
  parseTimestamp,
  US_PER_SECOND,
  wholeUnits,
} from './timestamps.ts';
import { withoutPadding } from './padding.ts';
import { unfit } from './unfit.ts';
import type { SqliteValue } from '../records/unit-record.ts';

export { toCentralText, centralConverter } from './central-text.ts';
export { addDecimals, subtractDecimals } from './decimal.ts';

const US_PER_MS = 1000n;

/** What of a till's column decides about its values; a BoundColumn has it. */
export interface LocalTarget {
  readonly affinity: Affinity;
  readonly options: ColumnOptions;
  /** It takes no NULL; with `empty: null` an empty text stands for it. */
  readonly notNull?: boolean | undefined;
}

export type LocalConverter = (value: CentralValue) => SqliteValue;

/** Converters made so far; a column's answer never changes. */
const converters = new WeakMap<LocalTarget, { type: string; convert: LocalConverter }>();

/**
 * @param column a central column, or anything that knows its type as `format_type` prints it
 * @param bound the till's column
 * @returns the value exactly as SQLite will store it, its affinity applied
 */
export function toLocalValue(
  value: CentralValue,
  column: { readonly type: string },
  bound: LocalTarget,
): SqliteValue {
  let known = converters.get(bound);
  if (known?.type !== column.type) {
    known = { type: column.type, convert: localConverter(column.type, bound) };
    converters.set(bound, known);
  }
  return known.convert(value);
}

/**
 * The conversion of one column. Takes PostgreSQL's own text as well where a kind has a JavaScript form. Texts of a
 * column with `charset` come out as their bytes, which the writer has to store as a text.
 * @throws PayflowError VALUE_UNFIT, when called, where the character set lacks a letter
 */
export function localConverter(type: string, target: LocalTarget): LocalConverter {
  const convert = nonNullConverter(typeShape(type), target.affinity, target.options);
  const written = storedWriter(target);
  return (value) => written(value === null ? null : convert(value));
}

/**
 * What a column has of its own whatever the type: its word for nothing, its character set.
 * @throws PayflowError VALUE_UNFIT, when called, where the character set lacks a letter
 */
export function storedWriter({ options, notNull }: LocalTarget): (stored: SqliteValue) => SqliteValue {
  const nothing = options.emptyIsNull === true && notNull === true ? '' : null;
  const { charset } = options;
  if (charset === undefined) return (stored) => stored ?? nothing;
  const codec = codecOf(charset);
  return (value) => {
    const stored = value ?? nothing;
    if (typeof stored !== 'string') return stored;
    const bytes = codec.encode(stored);
    if (bytes === null) throw unfit(`the centre's text has letters that ${charset} lacks`);
    return bytes;
  };
}

function nonNullConverter(
  shape: TypeShape,
  affinity: Affinity,
  options: ColumnOptions,
): (value: Exclude<CentralValue, null>) => SqliteValue {
  switch (shape.family) {
    case 'boolean':
      return (value) =>
        storedInteger(value === true || value === 't' || value === 'true' ? 1n : 0n, affinity);
    case 'integer':
    case 'numeric':
    case 'float':
      return numberConverter(shape, affinity, options);
    case 'timestamp':
    case 'timestamptz':
      return timeConverter(affinity, options);
    case 'date':
      return dateConverter(affinity, options);
    case 'array': {
      const element = shape.element ?? 'text';
      return (value) => storedText(arrayToJson(textOf(value), element) ?? textOf(value), affinity);
    }
    case 'bytes':
      return (value) =>
        typeof value === 'string' ? bytesOf(value) : Buffer.isBuffer(value) ? value : textOf(value);
    case 'char':
      return (value) => storedText(withoutPadding(textOf(value)), affinity);
    case 'json':
    case 'uuid':
    case 'text':
      return (value) => storedText(textOf(value), affinity);
  }
}

function textOf(value: Exclude<CentralValue, null>): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
}

function bytesOf(text: string): Buffer {
  return text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text, 'utf8');
}

function numberConverter(
  shape: TypeShape,
  affinity: Affinity,
  options: ColumnOptions,
): (value: Exclude<CentralValue, null>) => SqliteValue {
  const { minorUnits } = options;
  if (minorUnits !== undefined)
    return (value) => {
      const decimal = parseDecimal(textOf(value));
      if (decimal === null) return textOf(value);
      return storedDecimal(String(roundDecimal(shiftDecimal(decimal, minorUnits), 0).unscaled), affinity);
    };
  if (shape.family === 'numeric') return (value) => storedShortDecimal(textOf(value), affinity);
  return (value) => {
    if (typeof value === 'bigint') return storedInteger(value, affinity);
    if (typeof value !== 'number') return storedDecimal(textOf(value), affinity);
    if (!Number.isFinite(value)) return String(value);
    return shape.family === 'integer'
      ? storedInteger(BigInt(value), affinity)
      : storedDouble(value, affinity);
  };
}

/** Points in time. What is no usual timestamp (infinity, BC, far years) stays a text in any format. */
function timeConverter(
  affinity: Affinity,
  options: ColumnOptions,
): (value: Exclude<CentralValue, null>) => SqliteValue {
  const format = options.format ?? 'iso';
  if (format === 'iso')
    return (value) => {
      const text = textOf(value);
      return isoFromPostgres(text) ?? infinityText(text, 'local') ?? isoOf(text) ?? text;
    };
  return (value) => {
    const text = textOf(value);
    const us = parseTimestamp(text);
    if (us === null) return infinityText(text, 'local') ?? text;
    switch (format) {
      case 'epoch_s':
        return epoch(us, US_PER_SECOND, affinity);
      case 'epoch_ms':
        return epoch(us, US_PER_MS, affinity);
      case 'julian':
        return julian(us, affinity) ?? text;
      case 'sqlite':
        return formatSqlite(us) ?? text;
      case 'date':
        return formatPostgresDate(us) ?? text;
      case 'local':
        return formatLocal(us, options.zone ?? 'UTC') ?? text;
    }
  };
}

function isoOf(text: string): string | null {
  const us = parseTimestamp(text);
  return us === null ? null : formatIso(us);
}

/** Whole units, as apps expect them; only a REAL column is given the fraction too. */
function epoch(us: bigint, unitUs: bigint, affinity: Affinity): SqliteValue {
  if (affinity === 'REAL') return Number(exactUnits(us, unitUs));
  return storedInteger(wholeUnits(us, unitUs), affinity);
}

function julian(us: bigint, affinity: Affinity): SqliteValue {
  const days = julianDays(us);
  return days === null ? null : storedDouble(days, affinity);
}

function dateConverter(
  affinity: Affinity,
  options: ColumnOptions,
): (value: Exclude<CentralValue, null>) => SqliteValue {
  if (options.format === 'julian')
    return (value) => {
      const us = parseTimestamp(textOf(value));
      return us === null ? textOf(value) : (julian(us, affinity) ?? textOf(value));
    };
  const unitUs =
    options.format === 'epoch_s' ? US_PER_SECOND : options.format === 'epoch_ms' ? US_PER_MS : null;
  return (value) => {
    const text = textOf(value);
    const us = unitUs === null ? null : parseTimestamp(text);
    if (us === null || unitUs === null) return infinityText(text, 'local') ?? text;
    return epoch(us, unitUs, affinity);
  };
}

/**
 * When something happened, for comparing clocks.
 * @param value a till's value with its column's options, or a central text with `{}`
 * @returns ms since 1970, rounded down; null where the value says no time
 */
export function timestampMs(value: SqliteValue | CentralValue, options: ColumnOptions): number | null {
  const us = timestampUs(value, options);
  return us === null ? null : Number(wholeUnits(us, US_PER_MS));
}

function timestampUs(value: SqliteValue | CentralValue, options: ColumnOptions): bigint | null {
  if (value === null || typeof value === 'boolean') return null;
  const text = textOf(value);
  if (options.format === 'epoch_s' || options.format === 'epoch_ms') {
    const us = parseEpoch(text, options.format === 'epoch_s' ? US_PER_SECOND : US_PER_MS);
    if (us !== null) return us;
  }
  if (options.format === 'julian') {
    const us = parseJulian(text);
    if (us !== null) return us;
  }
  return parseTimestamp(text, options.format === 'local' ? options.zone : undefined);
}
