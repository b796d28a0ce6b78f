/**
 * Values of a till that no conversion can make sense of, told as what they are and with the option of the mapping
 * that would: the operator who reads it has neither the till nor its app at hand.
 *
 *   in a column of     | a till holds                            | told to say
 *   -------------------+-----------------------------------------+----------------------------------------------
 *   anything but texts | an empty text                           | empty: null
 *   numbers            | `12,50`                                 | nothing: the value has to be mended
 *   times              | a number                                | format: julian, epoch_s or epoch_ms
 *   times              | `31.12.26`, `01/02/2026`, `today`       | nothing: PostgreSQL would guess
 *   yes and no         | another word than PostgreSQL knows      | nothing
 *   texts              | bytes that are no UTF-8                 | charset
 *   uuid               | bytes                                   | to declare it TEXT
 *
 * What isn't certainly wrong is left to PostgreSQL, which reads more than this.
 */
import { PayflowError } from '../errors.ts';
import type { TypeFamily } from '../catalog/central-types.ts';
import type { SqliteValue } from '../records/unit-record.ts';
import { numberText } from './decimal.ts';

type Stored = Exclude<SqliteValue, null>;

/** A longer value is told by its length: cut off it could not be masked any more. */
const SHOWN_LETTERS = 60;
/** `20260131`, `20260131123456`, and both with two digits for the year: PostgreSQL reads them as what they say. */
const COMPACT_TIME = /^(?:\d{6}|\d{8}|\d{12}|\d{14})$/;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
/** Day and month in the order of the server's DateStyle. */
const AMBIGUOUS_DATE = /^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}/;
/** What PostgreSQL takes for the moment at which it reads them. */
const MOVING_TIMES: readonly string[] = ['now', 'today', 'tomorrow', 'yesterday'];
/** Also 0x1F and 1_000, which newer servers read. */
const MAY_BE_NUMBER = /^[+-]?(?:[\d_.]+(?:e[+-]?\d+)?|0[xob][\da-f_]+|nan|inf|infinity)$/i;

const NAMES: Partial<Record<TypeFamily, string>> = {
  boolean: 'yes or no',
  integer: 'number',
  numeric: 'number',
  float: 'number',
  timestamp: 'point in time',
  timestamptz: 'point in time',
  date: 'date',
  uuid: 'uuid',
  json: 'JSON',
  array: 'JSON array',
};

export function unfit(message: string): PayflowError {
  return new PayflowError('VALUE_UNFIT', message);
}

/** `"12,50"`; the quotes are what hides it from people who may see no rows. */
export function shownValue(value: Stored): string {
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  const text = typeof value === 'number' ? numberText(value) : String(value);
  return text.length > SHOWN_LETTERS ? `a text of ${text.length} letters` : `"${text.replaceAll('"', '""')}"`;
}

/** Families whose texts come as bytes where the column has a character set. */
const TEXTS: readonly TypeFamily[] = ['text', 'char', 'json', 'array'];

/** Blanks count as empty where no text is meant. */
export function isEmpty(value: SqliteValue, family: TypeFamily): boolean {
  if (Buffer.isBuffer(value)) return value.length === 0 && TEXTS.includes(family);
  if (typeof value !== 'string') return false;
  return family === 'text' || family === 'char' ? value === '' : value.trim() === '';
}

/** @throws PayflowError VALUE_UNFIT for an empty text where the type has none; types we don't know are asked first */
export function refuseEmpty(value: Stored, family: TypeFamily): void {
  const name = NAMES[family];
  if (name === undefined || !isEmpty(value, family)) return;
  throw unfit(
    `holds an empty text, which is no ${name}; say empty: null if that means that nothing is known`,
  );
}

/** @param text of `value`, which is no decimal @throws PayflowError VALUE_UNFIT */
export function refuseNumber(value: Stored, text: string): void {
  if (MAY_BE_NUMBER.test(text.trim())) return;
  throw unfit(`holds ${shownValue(value)}, which is no number, and no option of the mapping makes it one`);
}

/** @param text of `value`, which is no timestamp of ours @throws PayflowError VALUE_UNFIT */
export function refuseTime(value: Stored, text: string): void {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed) && !COMPACT_TIME.test(trimmed))
    throw unfit(
      `holds ${shownValue(value)}, a number and no text of a time; say format: julian (days), epoch_s or epoch_ms`,
    );
  if (AMBIGUOUS_DATE.test(trimmed) || MOVING_TIMES.includes(trimmed.toLowerCase()))
    throw unfit(`holds ${shownValue(value)}, which does not say one day to everybody; no format reads it`);
}

/** @throws PayflowError VALUE_UNFIT */
export function refuseWord(value: Stored): never {
  throw unfit(`holds ${shownValue(value)}, which is neither yes nor no`);
}

/** @throws PayflowError VALUE_UNFIT */
export function refuseBytes(value: Buffer, charset: string | undefined): never {
  throw unfit(
    charset === undefined
      ? `holds ${shownValue(value)} that are no UTF-8; say charset: with the character set in which the app writes`
      : `holds ${shownValue(value)} that are no text in ${charset}`,
  );
}
