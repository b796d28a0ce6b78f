/**
 * Points in time between PostgreSQL's text (ISO, UTC) and the forms a till may use. Inside they are µs since
 * 1970 as bigint, which is all that PostgreSQL keeps; nothing passes through a double.
 */
import { formatDecimal, parseDecimal, roundDecimal, specialText } from './decimal.ts';
import { localToUtcMs, utcToLocalMs } from './time-zone.ts';

const US_PER_MS = 1000n;
export const US_PER_SECOND = 1_000_000n;
const MS_PER_MINUTE = 60_000;
const MICROSECOND_DIGITS = 6;
const MILLISECOND_DIGITS = 3;

const TIMESTAMP =
  /^(\d{4,6})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?(?: ?(Z|[+-]\d{2}(?::?\d{2}){0,2}))?( BC)?$/i;

/**
 * @param zone of texts that name none themselves; default UTC
 * @returns µs since 1970; null where it is no timestamp of ours (also the infinities)
 */
export function parseTimestamp(text: string, zone?: string): bigint | null {
  const match = TIMESTAMP.exec(text.trim());
  if (match === null) return null;
  const [, yearText, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset, bc] = match;
  const year = bc === undefined ? Number(yearText) : 1 - Number(yearText);
  const wallMs = wallClockMs([
    year,
    Number(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  ]);
  if (wallMs === null) return null;
  const shift = offset === undefined ? 0 : offsetMs(offset);
  if (shift === null) return null;
  const utcMs = offset === undefined && zone !== undefined ? localToUtcMs(wallMs, zone) : wallMs - shift;
  return BigInt(utcMs) * US_PER_MS + fractionUs(fraction);
}

/** @returns null where a field is out of range: there is no 30 February. */
function wallClockMs(fields: readonly [number, number, number, number, number, number]): number | null {
  const [year, month, day, hour, minute, second] = fields;
  if (hour > 23 || minute > 59 || second > 59) return null;
  // Date.UTC takes years below 100 for 19xx.
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  date.setUTCFullYear(year, month - 1, day);
  const valid = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return valid && !Number.isNaN(date.getTime()) ? date.getTime() : null;
}

function offsetMs(offset: string): number | null {
  if (/^z$/i.test(offset)) return 0;
  const digits = offset.replaceAll(/[^\d]/g, '').padEnd(6, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4));
  const ms = minutes * MS_PER_MINUTE + Number(digits.slice(4, 6)) * 1000;
  if (minutes > 16 * 60) return null;
  return offset.startsWith('-') ? -ms : ms;
}

/** Digits beyond µs are rounded, as PostgreSQL does. */
function fractionUs(fraction: string): bigint {
  if (fraction.length <= MICROSECOND_DIGITS) return BigInt(fraction.padEnd(MICROSECOND_DIGITS, '0'));
  const rounded = BigInt(fraction.slice(0, MICROSECOND_DIGITS));
  return fraction.charCodeAt(MICROSECOND_DIGITS) >= '5'.charCodeAt(0) ? rounded + 1n : rounded;
}

interface WallClock {
  /** `2026-01-31`, with ` BC` apart. */
  readonly date: string;
  /** `12:34:56` */
  readonly time: string;
  /** 0–999999 */
  readonly us: number;
  readonly era: '' | ' BC';
}

/** @returns null beyond the years that JavaScript's calendar knows. */
function wallClock(us: bigint, zone?: string): WallClock | null {
  const ms = floorDivide(us, US_PER_MS);
  const date = new Date(zone === undefined ? Number(ms) : utcToLocalMs(Number(ms), zone));
  if (Number.isNaN(date.getTime())) return null;
  const year = date.getUTCFullYear();
  const shownYear = String(year > 0 ? year : 1 - year).padStart(4, '0');
  const rest = date.toISOString().slice(-19, -5);
  return {
    date: `${shownYear}-${rest.slice(0, 5)}`,
    time: rest.slice(6),
    us: date.getUTCMilliseconds() * 1000 + Number(us - ms * US_PER_MS),
    era: year > 0 ? '' : ' BC',
  };
}

/** As PostgreSQL prints it: `2026-01-31 12:34:56.5+00`. null beyond the calendar. */
export function formatPostgres(us: bigint, options: { zone: boolean; secondDigits: number }): string | null {
  const clock = wallClock(roundTo(us, options.secondDigits));
  if (clock === null) return null;
  const fraction = String(clock.us).padStart(MICROSECOND_DIGITS, '0').replace(/0+$/, '');
  return `${clock.date} ${clock.time}${fraction === '' ? '' : `.${fraction}`}${options.zone ? '+00' : ''}${clock.era}`;
}

export function formatPostgresDate(us: bigint, zone?: string): string | null {
  const clock = wallClock(us, zone);
  return clock === null ? null : `${clock.date}${clock.era}`;
}

/** `2026-01-31T12:34:56.123Z` like JavaScript and strftime('%f'), with µs only where there are any. */
export function formatIso(us: bigint): string | null {
  const clock = wallClock(us);
  if (clock === null || clock.era !== '' || clock.date.length > 10) return null;
  return `${clock.date}T${clock.time}.${shortFraction(clock.us)}Z`;
}

/** `2026-01-31 13:34:56`, the clock on the shop's wall; a fraction only where there is one. */
export function formatLocal(us: bigint, zone: string): string | null {
  const clock = wallClock(us, zone);
  if (clock === null || clock.era !== '') return null;
  return `${clock.date} ${clock.time}${clock.us === 0 ? '' : `.${shortFraction(clock.us)}`}`;
}

/** `2026-01-31 12:34:56`, what SQLite's datetime() gives: whole seconds, UTC. */
export function formatSqlite(us: bigint): string | null {
  const clock = wallClock(us);
  return clock === null || clock.era !== '' ? null : `${clock.date} ${clock.time}`;
}

function shortFraction(us: number): string {
  const digits = String(us).padStart(MICROSECOND_DIGITS, '0');
  return us % 1000 === 0 ? digits.slice(0, MILLISECOND_DIGITS) : digits;
}

/** `2026-01-31 12:34:56.5+00`, PostgreSQL's usual form, to ISO without any arithmetic; null for other forms. */
export function isoFromPostgres(text: string): string | null {
  const zoned = text.endsWith('+00');
  const end = zoned ? text.length - 3 : text.length;
  if (text.charCodeAt(10) !== 0x20 || end < 19 || text.charCodeAt(4) !== 0x2d || text.endsWith('C'))
    return null;
  if (end === 19) return `${text.slice(0, 10)}T${text.slice(11, 19)}.000Z`;
  if (text.charCodeAt(19) !== 0x2e) return null;
  if (end === 20 + MICROSECOND_DIGITS) return `${text.slice(0, 10)}T${text.slice(11, end)}Z`;
  const fraction = text.slice(20, end);
  const digits = fraction.length <= MILLISECOND_DIGITS ? MILLISECOND_DIGITS : MICROSECOND_DIGITS;
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(digits, '0')}Z`;
}

/** Epoch seconds or milliseconds, also as text or with a fraction, to µs; null where it is no number. */
export function parseEpoch(text: string, unitUs: bigint): bigint | null {
  const decimal = parseDecimal(text);
  if (decimal === null) return null;
  return roundDecimal({ unscaled: decimal.unscaled * unitUs, scale: decimal.scale }, 0).unscaled;
}

const MS_PER_DAY = 86_400_000;
/** ms from noon of 24 November 4714 BC, where SQLite begins to count, to 1 January 1970. */
const JULIAN_1970_MS = 210_866_760_000_000;
/** As SQLite has it: up to the end of the year 9999. */
const JULIAN_END = 5_373_484.5;

/** Days since 4714 BC, as SQLite's julianday() counts; rounded to ms, which is all that it knows. */
export function parseJulian(text: string): bigint | null {
  const days = parseDecimal(text) === null ? Number.NaN : Number(text);
  if (!(days >= 0 && days < JULIAN_END)) return null;
  return BigInt(Math.round(days * MS_PER_DAY) - JULIAN_1970_MS) * US_PER_MS;
}

/** What julianday() says of it, to the last bit. null beyond its years. */
export function julianDays(us: bigint): number | null {
  const days = (Number(floorDivide(us + US_PER_MS / 2n, US_PER_MS)) + JULIAN_1970_MS) / MS_PER_DAY;
  return days >= 0 && days < JULIAN_END ? days : null;
}

/** µs to whole units, earlier where it falls between two. */
export function wholeUnits(us: bigint, unitUs: bigint): bigint {
  return floorDivide(us, unitUs);
}

/** µs to units with all their digits: 1769862896.123456 */
export function exactUnits(us: bigint, unitUs: bigint): string {
  return formatDecimal({ unscaled: us, scale: unitUs === US_PER_SECOND ? 6 : 3 });
}

/** `infinity` of either side in the other's spelling; null for everything else. */
export function infinityText(text: string, side: 'local' | 'central'): string | null {
  const special = specialText(text);
  if (special === null || special === 'NaN') return null;
  return side === 'local' ? special : special.toLowerCase();
}

function roundTo(us: bigint, digits: number): bigint {
  if (digits >= MICROSECOND_DIGITS) return us;
  const unit = 10n ** BigInt(MICROSECOND_DIGITS - digits);
  // timestamp(p) counts from 2000-01-01 and rounds halves away from there.
  const since2000 = us - 946_684_800n * US_PER_SECOND;
  const half = since2000 < 0n ? -(unit / 2n) : unit / 2n;
  return ((since2000 + half) / unit) * unit + 946_684_800n * US_PER_SECOND;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
