/**
 * Values on their way up: what a till's stored value becomes as PostgreSQL input text. A well-formed value comes
 * out exactly as `column::text` shows it once stored, so that texts can be compared for equality. What can't fit the
 * type is refused by name (`unfit.ts`); what only may not is passed as it is, and PostgreSQL refuses it: a dead
 * letter in either case, never a guess.
 */
import { jsonToArray } from './array-text.ts';
import { codecOf, utf8Text, type Codec } from './charset.ts';
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
  parseJulian,
  parseTimestamp,
  US_PER_SECOND,
} from './timestamps.ts';
import { isEmpty, refuseBytes, refuseEmpty, refuseNumber, refuseTime, refuseWord, unfit } from './unfit.ts';
import type { SqliteValue } from '../records/unit-record.ts';

const US_PER_MS = 1000n;
const SINGLE_BYTES = 4;

export type CentralConverter = (value: SqliteValue) => string | null;
type Stored = Exclude<SqliteValue, null>;

/**
 * @param value as SQLite stored it; a text whose bytes are no UTF-8 comes as these bytes
 * @param column a central column, or anything that knows its type as `format_type` prints it
 * @param options of the till's column
 * @returns text for `$n::type`; null for NULL
 * @throws PayflowError VALUE_UNFIT
 */
export function toCentralText(
  value: SqliteValue,
  column: { readonly type: string },
  options: ColumnOptions,
): string | null {
  return value === null ? null : centralConverter(column.type, options)(value);
}

/** The conversion of one column, for many values. It throws PayflowError VALUE_UNFIT. */
export function centralConverter(type: string, options: ColumnOptions): CentralConverter {
  const shape = typeShape(type);
  const convert = nonNullConverter(shape, options);
  const { emptyIsNull } = options;
  return (value) => {
    if (value === null || (emptyIsNull === true && isEmpty(value, shape.family))) return null;
    if (typeof value === 'string') refuseEmpty(value, shape.family);
    return convert(value);
  };
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
      const decode = textReader(options);
      return (value) => {
        const text = decode(value);
        return jsonToArray(text, element) ?? text;
      };
    }
    case 'bytes':
      return (value) =>
        `\\x${(Buffer.isBuffer(value) ? value : Buffer.from(textOf(value), 'utf8')).toString('hex')}`;
    case 'uuid':
      return uuidText;
    case 'char': {
      const decode = textReader(options);
      return (value) => withoutPadding(decode(value));
    }
    case 'json':
    case 'text':
      return textReader(options);
  }
}

/**
 * Of a text in another character set the bytes count, also where they could be read as UTF-8. What comes as a text is
 * one: ASCII, which is the same in all of them, or of a file that keeps its texts as UTF-16.
 */
function textReader({ charset }: ColumnOptions): (value: Stored) => string {
  if (charset === undefined) return textOf;
  const codec: Codec = codecOf(charset);
  return (value) => {
    if (!Buffer.isBuffer(value)) return textOf(value);
    return codec.decode(value) ?? refuseBytes(value, charset);
  };
}

function textOf(value: Stored): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'number' ? numberText(value) : (utf8Text(value) ?? refuseBytes(value, undefined));
}

const UUID_BYTES = 16;

function uuidText(value: Stored): string {
  if (Buffer.isBuffer(value) && value.length === UUID_BYTES)
    throw unfit('holds the 16 bytes of a uuid; only its text travels: declare it TEXT on the till');
  return textOf(value).trim().toLowerCase();
}

/** As PostgreSQL reads them: the beginnings of a word, so far as they leave no doubt. */
const TRUE_WORDS: readonly string[] = ['t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on'];
const FALSE_WORDS: readonly string[] = ['f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off'];

/** SQLite's truth: every number but 0; and PostgreSQL's words. */
function booleanText(value: Stored): string {
  const text = textOf(value).trim().toLowerCase();
  if (TRUE_WORDS.includes(text)) return 'true';
  if (FALSE_WORDS.includes(text)) return 'false';
  const decimal = parseDecimal(text) ?? refuseWord(value);
  return decimal.unscaled === 0n ? 'false' : 'true';
}

function integerText(value: Stored, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  return decimal === null ? otherNumber(value) : formatDecimal(trimDecimal(decimal));
}

function numericText(value: Stored, shape: TypeShape, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  if (decimal === null) return otherNumber(value);
  const { scale } = shape;
  return formatDecimal(scale === null || scale < 0 ? decimal : roundDecimal(decimal, scale));
}

function doubleText(value: Stored, shape: TypeShape, options: ColumnOptions): string {
  const decimal = scaled(value, options);
  const text = decimal === null ? otherNumber(value) : formatDecimal(decimal);
  const number = Number(decimal === null ? (specialText(text) ?? text) : text);
  if (Number.isNaN(number) && specialText(text) !== 'NaN') return text;
  // Rounded to infinity: PostgreSQL tells that it is out of range.
  if (decimal !== null && !Number.isFinite(number)) return text;
  // A decimal has no sign of its own when it is zero; a float does.
  if (number === 0 && isNegativeZero(value)) return '-0';
  return floatText(number, shape.bytes === SINGLE_BYTES);
}

/** NaN and the infinities in our spelling; else what PostgreSQL may yet read. */
function otherNumber(value: Stored): string {
  const text = textOf(value);
  const special = specialText(text);
  if (special === null) refuseNumber(value, text);
  return special ?? text;
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
  if (us === null) return otherTime(value, text);
  return (
    formatPostgres(us, { zone: shape.family === 'timestamptz', secondDigits: shape.secondDigits }) ?? text
  );
}

/** A date is a day on the shop's own calendar: a local time of day is cut off, never moved by its zone. */
function dateText(value: Stored, options: ColumnOptions): string {
  const text = textOf(value);
  const us = timeUs(text, options, undefined);
  if (us === null) return otherTime(value, text);
  return formatPostgresDate(us) ?? text;
}

function otherTime(value: Stored, text: string): string {
  const infinity = infinityText(text, 'central');
  if (infinity === null) refuseTime(value, text);
  return infinity ?? text;
}

function timeUs(text: string, { format }: ColumnOptions, zone: string | undefined): bigint | null {
  if (format === 'epoch_s' || format === 'epoch_ms') {
    const us = parseEpoch(text, format === 'epoch_s' ? US_PER_SECOND : US_PER_MS);
    if (us !== null) return us;
  }
  if (format === 'julian') {
    const us = parseJulian(text);
    if (us !== null) return us;
  }
  return parseTimestamp(text, format === 'local' ? zone : undefined);
}
