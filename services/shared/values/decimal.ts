/**
 * Exact decimals as text, by BigInt. PostgreSQL's numeric has no other lossless form in JavaScript, and money
 * must not be rounded on its way. `NaN` and ±`Infinity` are kept as such.
 */
export interface Decimal {
  /** The number without its point: 1250 of 12.50. */
  readonly unscaled: bigint;
  /** Digits after the point; never negative. */
  readonly scale: number;
}

/** Beyond PostgreSQL's own limits; keeps a hostile `1e999999999` from filling the memory. */
const MAX_DIGITS = 20_000;
/** Of a text already trimmed: blanks at both ends of the expression would be tried in every division. */
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;
/** Sign, point and exponent beside the digits. */
const MAX_LENGTH = MAX_DIGITS + 10;

/** @returns null where the text is no finite decimal number. */
export function parseDecimal(text: string): Decimal | null {
  const trimmed = text.trim();
  const match = trimmed.length > MAX_LENGTH ? null : DECIMAL.exec(trimmed);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match;
  if (whole === '' && fraction === '') return null;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) + whole.length + fraction.length > MAX_DIGITS) return null;
  const digits = BigInt(whole + fraction);
  const unscaled = sign === '-' ? -digits : digits;
  const scale = fraction.length - exponent;
  return scale >= 0 ? { unscaled, scale } : { unscaled: unscaled * 10n ** BigInt(-scale), scale: 0 };
}

/** What can be added up exactly: no exponent. Each digit is looked at once: a till may send millions of them. */
export function isDecimal(text: string): boolean {
  return text.length <= MAX_DIGITS && /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/.test(text);
}

/** Plain notation with exactly `scale` digits after the point. */
export function formatDecimal({ unscaled, scale }: Decimal): string {
  if (scale === 0) return unscaled.toString();
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Without trailing zeros after the point: 12.50 → 12.5, 12.00 → 12. */
export function trimDecimal(decimal: Decimal): Decimal {
  const { unscaled, scale } = decimal;
  if (scale === 0 || unscaled % 10n !== 0n) return decimal;
  // Dividing once for every zero takes the square of their number.
  const digits = unscaled.toString();
  let zeros = 0;
  while (zeros < scale && zeros < digits.length - 1 && digits.charAt(digits.length - 1 - zeros) === '0')
    zeros += 1;
  if (unscaled === 0n) return { unscaled, scale: 0 };
  return { unscaled: BigInt(zeros === 0 ? digits : digits.slice(0, -zeros)), scale: scale - zeros };
}

/** To exactly `scale` digits after the point, halves away from zero, as PostgreSQL rounds numeric. */
export function roundDecimal({ unscaled, scale: from }: Decimal, scale: number): Decimal {
  if (from <= scale) return { unscaled: unscaled * 10n ** BigInt(scale - from), scale };
  const divisor = 10n ** BigInt(from - scale);
  const half = divisor / 2n;
  return { unscaled: (unscaled + (unscaled < 0n ? -half : half)) / divisor, scale };
}

/** Multiplied by 10^places. */
export function shiftDecimal({ unscaled, scale }: Decimal, places: number): Decimal {
  const shifted = scale - places;
  return shifted >= 0
    ? { unscaled, scale: shifted }
    : { unscaled: unscaled * 10n ** BigInt(-shifted), scale: 0 };
}

/** Negative, 0 or positive. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const difference = roundDecimal(a, scale).unscaled - roundDecimal(b, scale).unscaled;
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

/** The shortest decimal that reads back as this double, in plain notation. `NaN`, `Infinity` as such. */
export function numberText(value: number): string {
  const text = String(value);
  if (!text.includes('e')) return Object.is(value, -0) ? '0' : text;
  const decimal = parseDecimal(text);
  return decimal === null ? text : formatDecimal(trimDecimal(decimal));
}

/**
 * Exact sum of two decimal texts, with the digits after the point of the longer one. With NaN or infinity it
 * is what PostgreSQL gives: NaN, or the infinity, or NaN for ∞ − ∞. @throws RangeError on anything else.
 */
export function addDecimals(a: string, b: string): string {
  return combine(a, b, 1n);
}

/** Exact difference a − b; see `addDecimals`. */
export function subtractDecimals(a: string, b: string): string {
  return combine(a, b, -1n);
}

function combine(a: string, b: string, sign: 1n | -1n): string {
  const left = parseDecimal(a);
  const right = parseDecimal(b);
  if (left === null || right === null)
    return String(specialNumber(a, left) + Number(sign) * specialNumber(b, right));
  const scale = Math.max(left.scale, right.scale);
  const unscaled = roundDecimal(left, scale).unscaled + sign * roundDecimal(right, scale).unscaled;
  return formatDecimal({ unscaled, scale });
}

/** NaN and infinities as numbers; a finite one stands in as 0, which changes neither. */
function specialNumber(text: string, finite: Decimal | null): number {
  if (finite !== null) return 0;
  const special = specialText(text);
  if (special === null) throw new RangeError(`not a decimal number: ${text}`);
  return Number(special);
}

/** The three values that are no decimals, in the one spelling that both sides use. */
export function specialText(text: string): 'NaN' | 'Infinity' | '-Infinity' | null {
  const match = /^([+-]?)(nan|inf|infinity)$/i.exec(text.trim());
  if (match === null) return null;
  if (match[2]?.toLowerCase() === 'nan') return 'NaN';
  return match[1] === '-' ? '-Infinity' : 'Infinity';
}
