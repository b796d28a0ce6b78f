/**
 * Whether two texts of one column mean the same value. Tills send what PostgreSQL *reads* (`12.5`,
 * `2026-01-01T10:00:00.000Z`), rows hold what it *prints* (`12.50`, `2026-01-01 10:00:00+00`). Pure.
 * When in doubt the answer is no: then a statement writes what is there already, which harms nobody.
 */
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { sameJson } from '../../shared/values/json-meaning.ts';
import { withoutPadding } from '../../shared/values/padding.ts';
import type { Text } from './sql.ts';

export function sameValue(column: CentralColumn, a: Text, b: Text): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (column.isArray) return false;
  switch (column.kind) {
    case 'boolean':
      return truth(a) === truth(b);
    case 'int':
    case 'bigint':
      return canonicalDecimal(a) === canonicalDecimal(b);
    case 'double':
      return Number(a) === Number(b);
    case 'bytes':
      return a.toLowerCase() === b.toLowerCase();
    case 'text':
      return sameText(column.type, a, b);
  }
}

/** Whether writing `value` over `standing` would change nothing: 0 and −0 are equal, and yet two values. */
export function isWrittenAlready(column: CentralColumn, standing: Text, value: Text): boolean {
  if (!sameValue(column, standing, value)) return false;
  return column.kind !== 'double' || column.isArray || isNegative(standing) === isNegative(value);
}

function isNegative(text: Text): boolean {
  return text?.startsWith('-') === true;
}

function sameText(type: string, a: string, b: string): boolean {
  if (type.startsWith('numeric')) return canonicalDecimal(a) === canonicalDecimal(b);
  if (type === 'uuid') return a.toLowerCase() === b.toLowerCase();
  if (type.startsWith('timestamp')) return canonicalTimestamp(a) === canonicalTimestamp(b);
  if (type.startsWith('character(')) return withoutPadding(a) === withoutPadding(b);
  if (type === 'jsonb') return sameJson(a, b);
  return false;
}

function truth(text: string): boolean {
  return text === 't' || text === 'true' || text === '1';
}

/**
 * `-0012.500` → `-12.5`; what is not a plain decimal stays as it is. Zeros are counted, not matched: an expression
 * that may end them in several places takes the square of their number.
 */
function canonicalDecimal(text: string): string {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text.trim());
  if (match === null) return text;
  const [, sign = '', before = '', behind = ''] = match;
  let start = 0;
  while (before.charAt(start) === '0') start += 1;
  let end = behind.length;
  while (end > 0 && behind.charAt(end - 1) === '0') end -= 1;
  const whole = start === before.length ? '0' : before.slice(start);
  const digits = end === 0 ? whole : `${whole}.${behind.slice(0, end)}`;
  return sign === '-' && digits !== '0' ? `-${digits}` : digits;
}

/** Microseconds kept; an offset is taken into account, none means UTC. */
function canonicalTimestamp(text: string): string {
  const match = /^(\d{4,}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?$/.exec(text);
  if (match === null) return text;
  const [, date = '', time = '', fraction = '', zone = 'Z'] = match;
  const offset = zone === 'Z' ? 'Z' : zone.length === 3 ? `${zone}:00` : zone;
  const ms = Date.parse(`${date}T${time}${offset}`);
  return Number.isNaN(ms) ? text : `${ms}.${fraction.padEnd(6, '0')}`;
}
