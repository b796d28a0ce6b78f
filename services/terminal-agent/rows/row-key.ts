/**
 * The local key of a row as one value: the bare value of a single key column, else the key columns' `quote()`
 * texts joined by commas, exactly as the triggers build it.
 */
import { PayflowError } from '../../shared/errors.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';

/** The row key of the key columns' values, in key order. */
export function rowKeyOf(values: readonly SqliteValue[]): SqliteValue {
  const [first] = values;
  if (values.length === 1 && first !== undefined) return first;
  return values.map(quote).join(',');
}

/** The key columns' values of a row key. */
export function rowKeyParts(rowKey: SqliteValue, keyLength: number): SqliteValue[] {
  if (keyLength === 1) return [rowKey];
  const parts = typeof rowKey === 'string' ? parseQuoted(rowKey) : [];
  if (parts.length !== keyLength) {
    throw new PayflowError('INTERNAL', `row key ${String(rowKey)} does not have ${keyLength} parts`);
  }
  return parts;
}

/** Equal in storage class and value, as SQLite's IS sees typeless columns. */
export function sameValue(a: SqliteValue, b: SqliteValue): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b;
}

/** What SQLite's quote() makes of a value. */
function quote(value: SqliteValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (Buffer.isBuffer(value)) return `X'${value.toString('hex').toUpperCase()}'`;
  // A whole REAL is printed with `.0`, so that it stays apart from an INTEGER.
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 1e15) return `${value}.0`;
  return String(value);
}

const QUOTED = /'((?:[^']|'')*)'|X'([0-9A-Fa-f]*)'|NULL|([-+0-9.eE]+)/y;

function parseQuoted(text: string): SqliteValue[] {
  const parts: SqliteValue[] = [];
  let at = 0;
  while (at <= text.length) {
    QUOTED.lastIndex = at;
    const match = QUOTED.exec(text);
    if (match === null) break;
    parts.push(parsedValue(match));
    at = QUOTED.lastIndex + 1;
  }
  return parts;
}

function parsedValue([, string, hex, number]: RegExpExecArray): SqliteValue {
  if (string !== undefined) return string.replaceAll("''", "'");
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  if (number === undefined) return null;
  return /^[-+]?\d+$/.test(number) ? BigInt(number) : Number(number);
}
