/**
 * What SQLite stores when a value is written into a column, by the column's affinity. The agent writes values
 * in the form they will have anyway, so that what it wrote and what it reads later compare equal.
 *
 * SQLite turns every text that looks like a number into one in INTEGER, NUMERIC and REAL columns, also where
 * digits are lost on the way [seen: '12345678901234567.89' becomes the integer 12345678901234568]. A value that
 * a double can't hold therefore survives only in TEXT and untyped columns; parity says so beforehand.
 */
import { numberText, parseDecimal, formatDecimal, trimDecimal, type Decimal } from '../values/decimal.ts';
import type { Affinity } from './local-catalog.ts';
import type { SqliteValue } from '../records/unit-record.ts';

const TWO_63 = 2n ** 63n;
/** Up to this many significant digits every decimal is its own double's shortest text. */
const EXACT_DIGITS = 15;

/** Any text: names, codes, timestamps. */
export function storedText(text: string, affinity: Affinity): SqliteValue {
  if (affinity === 'TEXT' || affinity === 'BLOB' || !looksNumeric(text)) return text;
  const decimal = parseDecimal(text);
  if (decimal !== null) return numberFor(decimal, affinity);
  // Too many digits for us, not for SQLite: 1E98911 is stored as infinity.
  return storedDouble(Number(text), affinity);
}

/** A decimal number, given as PostgreSQL's text. */
export function storedDecimal(text: string, affinity: Affinity): SqliteValue {
  if (affinity === 'TEXT') return text;
  const decimal = parseDecimal(text);
  if (decimal === null) return storedText(text, affinity);
  if (affinity !== 'BLOB') return numberFor(decimal, affinity);
  // An untyped column takes anything: a number while it is exact, else all the digits.
  return isExact(decimal) ? numberFor(decimal, 'NUMERIC') : text;
}

export function storedInteger(value: bigint, affinity: Affinity): SqliteValue {
  if (affinity === 'TEXT') return value.toString();
  if (affinity === 'REAL') return Number(value);
  return value;
}

/** A double, not NaN. */
export function storedDouble(value: number, affinity: Affinity): SqliteValue {
  if (affinity === 'TEXT') return Object.is(value, -0) ? '-0' : numberText(value);
  if (affinity === 'BLOB') return value;
  // SQLite's number columns have no negative zero.
  const number = value === 0 ? 0 : value;
  return affinity === 'REAL' ? number : integerIfWhole(number);
}

/** @returns whether the number comes back unchanged from a column of INTEGER, NUMERIC or REAL affinity. */
export function isExact(decimal: Decimal): boolean {
  const trimmed = trimDecimal(decimal);
  if (trimmed.scale === 0 && trimmed.unscaled >= -TWO_63 && trimmed.unscaled < TWO_63) return true;
  const text = formatDecimal(trimmed);
  return numberText(Number(text)) === text;
}

function numberFor(decimal: Decimal, affinity: 'INTEGER' | 'NUMERIC' | 'REAL'): bigint | number {
  const { unscaled, scale } = trimDecimal(decimal);
  if (affinity !== 'REAL' && scale === 0 && unscaled >= -TWO_63 && unscaled < TWO_63) return unscaled;
  const number = Number(formatDecimal({ unscaled, scale }));
  return affinity === 'REAL' ? number : integerIfWhole(number);
}

function integerIfWhole(number: number): bigint | number {
  return Number.isInteger(number) && Math.abs(number) < Number(TWO_63) ? BigInt(number) : number;
}

/** Digits, point, exponent and blanks around only: what SQLite takes for a number. */
function looksNumeric(text: string): boolean {
  return /^[ \t\n\v\f\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t\n\v\f\r]*$/.test(text);
}

/** The common case, money and quantities in NUMERIC or INTEGER columns, without a BigInt division. */
export function storedShortDecimal(text: string, affinity: Affinity): SqliteValue {
  if (text.length > EXACT_DIGITS || affinity === 'TEXT') return storedDecimal(text, affinity);
  const number = Number(text);
  if (!Number.isFinite(number)) return storedDecimal(text, affinity);
  if (affinity === 'REAL') return number === 0 ? 0 : number;
  return Number.isInteger(number) ? BigInt(number) : number;
}
