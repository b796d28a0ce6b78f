/** Doubles and singles as PostgreSQL prints them, so that equal values are equal texts on both sides. */
const DOUBLE_PLAIN_DIGITS = 15;
const SINGLE_PLAIN_DIGITS = 6;
const SMALLEST_PLAIN_EXPONENT = -4;
const SINGLE_DIGITS = 9;
/** One more than any double needs. */
const DOUBLE_DIGITS = 18;
/** Far below the distance of two singles, far above that of two doubles. */
const HAIR = 1e-6;

/** @returns the shortest text that reads back as the value; `NaN`, `Infinity`, `-Infinity`. */
export function floatText(value: number, single: boolean): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return '-0';
  const [mantissa = '', exponentText = '0'] = (
    single ? shortestSingle(value).toExponential() : shortestDouble(value)
  ).split('e');
  const exponent = Number(exponentText);
  const limit = single ? SINGLE_PLAIN_DIGITS : DOUBLE_PLAIN_DIGITS;
  if (exponent < SMALLEST_PLAIN_EXPONENT || exponent >= limit) {
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  return plain(mantissa, exponent);
}

/**
 * JavaScript's shortest text may lie exactly between two doubles and be read as this one because it is the even
 * one; PostgreSQL then adds a digit. Only whole numbers beyond 2^53 have such texts.
 */
function shortestDouble(value: number): string {
  const text = value.toExponential();
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return text;
  for (let digits = text.replace(/e.*|\D/g, '').length; digits < DOUBLE_DIGITS; digits += 1) {
    const candidate = value.toExponential(digits - 1);
    const whole = exactInteger(candidate);
    const outward = whole + (whole < BigInt(value) ? -1n : 1n);
    if (whole === BigInt(value) || Number(outward) === value) return candidate.replace(/\.?0+e/, 'e');
  }
  return text;
}

/** @param text a whole number with an exponent of at least its digits after the point */
function exactInteger(text: string): bigint {
  const [mantissa = '', exponent = '0'] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return BigInt(whole + fraction) * 10n ** BigInt(Number(exponent) - fraction.length);
}

/** The shortest decimal that rounds to the same single, of several the nearest, as PostgreSQL chooses it. */
function shortestSingle(value: number): number {
  const single = Math.fround(value);
  for (let digits = 1; digits < SINGLE_DIGITS; digits += 1) {
    const candidate = roundHalfEven(single, digits);
    // Exactly between two singles is not good enough: a hair further out must still be this one.
    const outward = candidate + (candidate - single) * HAIR;
    if (Math.fround(candidate) === single && Math.fround(outward) === single) return candidate;
  }
  return Number(single.toPrecision(SINGLE_DIGITS));
}

/** `toPrecision` takes the larger of two equally near decimals; PostgreSQL takes the even one. */
function roundHalfEven(value: number, digits: number): number {
  const rounded = value.toExponential(digits - 1);
  const longer = value.toExponential(digits);
  const [mantissa = '', exponent = '0'] = longer.split('e');
  const isTie = mantissa.endsWith('5') && Number(longer) === value;
  const down = `${mantissa.slice(0, -1).replace(/\.$/, '')}e${exponent}`;
  const lastDigit = Number(down.replace(/e.*/, '').at(-1));
  return Number(isTie && lastDigit % 2 === 0 ? down : rounded);
}

function plain(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return sign + whole + (fraction === '' ? '' : `.${fraction}`);
}
