/**
 * The neutral form in which `compare.ts` holds two values against each other: a string or null. Written
 * apart from the engine's conversions on purpose, so that a mistake there is seen here.
 */
import type { ColumnOptions } from '../../services/shared/mapping/mapping.ts';

export type Neutral = string | null;

/** @param text as `compare.ts` selects it: timestamps as µs since 1970, arrays as JSON, bytea as hex */
export function centralForm(text: string | null, type: string, _options: ColumnOptions): Neutral {
  if (text === null) return null;
  if (isNumber(type)) return canonicalDecimal(text);
  if (type === 'boolean') return text === 'true' ? '1' : '0';
  if (isJson(type)) return canonicalJson(text);
  return text;
}

/** @param value as better-sqlite3 gives it with safe integers */
export function localForm(value: unknown, type: string, options: ColumnOptions): Neutral {
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return type === 'bytea' ? value.toString('hex') : value.toString('utf8');
  const text = plain(value);
  if (type.startsWith('timestamp')) return String(timestampUs(text, options));
  if (type === 'date' && /^-?\d+$/.test(text))
    return new Date(Number(timestampUs(text, options) / 1000n)).toISOString().slice(0, 10);
  if (options.minorUnits !== undefined) return canonicalDecimal(shiftLeft(text, options.minorUnits));
  if (isNumber(type)) return canonicalDecimal(text);
  if (type === 'boolean') return text === '1' || /^t(rue)?$/i.test(text) ? '1' : '0';
  if (isJson(type)) return canonicalJson(text);
  return text;
}

function plain(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isNumber(type: string): boolean {
  return /^(smallint|integer|bigint|numeric|real|double precision)/.test(type);
}

function isJson(type: string): boolean {
  return type === 'json' || type === 'jsonb' || type.endsWith('[]');
}

function timestampUs(text: string, options: ColumnOptions): bigint {
  if (options.format === 'epoch_ms') return BigInt(text) * 1000n;
  if (options.format === 'epoch_s') return BigInt(text) * 1_000_000n;
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}:?\d{2})?$/.exec(
    text,
  );
  if (match === null) throw new RangeError(`not a timestamp: ${text}`);
  const seconds = BigInt(Date.parse(`${match[1]}T${match[2]}${match[4] ?? 'Z'}`)) * 1000n;
  return seconds + BigInt((match[3] ?? '').padEnd(6, '0'));
}

/** `1.250e2`, `125.0` and `125` are one number. */
function canonicalDecimal(text: string): string {
  const match = /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const exponent = Number(match[4] ?? 0);
  const digits = `${match[2]}${match[3]}`;
  const scale = (match[3] ?? '').length - exponent;
  const padded = scale < 0 ? digits.padEnd(digits.length - scale, '0') : digits.padStart(scale + 1, '0');
  const whole = (scale > 0 ? padded.slice(0, -scale) : padded).replace(/^0+(?=\d)/, '');
  const fraction = scale > 0 ? padded.slice(-scale).replace(/0+$/, '') : '';
  const number = fraction === '' ? whole : `${whole}.${fraction}`;
  return match[1] === '-' && number !== '0' ? `-${number}` : number;
}

function shiftLeft(text: string, places: number): string {
  return `${text}e-${places}`;
}

function canonicalJson(text: string): string {
  return JSON.stringify(sorted(JSON.parse(text)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
