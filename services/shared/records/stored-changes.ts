/**
 * Changes as JSON text and back, exactly: a dead letter is retried from what is stored here, perhaps months
 * later. SQLite's storage classes are told apart: TEXT is a JSON string, INTEGER {"i": "12"}, REAL {"r": "0.5"},
 * BLOB {"b": hex}, NULL null.
 */
import { PayflowError } from '../errors.ts';
import { joinPieces } from './change-pieces.ts';
import type { Seen, SqliteValue, UnitChange } from './unit-record.ts';

type JsonValue = null | string | { i: string } | { r: string } | { b: string };

export function changesToJson(changes: readonly UnitChange[]): string {
  return JSON.stringify(
    changes.map((change) => ({
      ...change,
      columns: change.columns.map((column) => ({
        name: column.name,
        old: toJson(column.old),
        new: toJson(column.new),
        seen: column.seen,
      })),
    })),
  );
}

/**
 * A centre of an earlier version refused the pieces of a large change as rows of no table; they are one change again here.
 * @throws PayflowError RECORD_MALFORMED
 */
export function changesFromJson(text: string): UnitChange[] {
  const changes = JSON.parse(text) as (Omit<UnitChange, 'columns'> & {
    columns: { name: string; old: JsonValue; new: JsonValue; seen?: Seen }[];
  })[];
  const read = changes.map((change) => ({
    ...change,
    columns: change.columns.map((column) => ({
      name: column.name,
      old: fromJson(column.old),
      new: fromJson(column.new),
      ...(column.seen !== undefined && { seen: column.seen }),
    })),
  }));
  return joinPieces(read);
}

function toJson(value: SqliteValue): JsonValue {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'bigint') return { i: String(value) };
  if (typeof value === 'number') return { r: Object.is(value, -0) ? '-0' : String(value) };
  return { b: value.toString('hex') };
}

function fromJson(value: JsonValue): SqliteValue {
  if (value === null || typeof value === 'string') return value;
  if ('i' in value) return BigInt(value.i);
  if ('r' in value) return Number(value.r);
  if ('b' in value) return Buffer.from(value.b, 'hex');
  throw new PayflowError('RECORD_MALFORMED', 'a stored change holds a value of no known kind');
}
