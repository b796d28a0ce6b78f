/**
 * Changes as JSON text and back, exactly: a dead letter is retried from what is stored here, perhaps months
 * later. SQLite's storage classes are told apart: TEXT is a JSON string, INTEGER {"i": "12"}, REAL {"r": "0.5"},
 * BLOB {"b": hex}, NULL null.
 */
import { PayflowError } from '../errors.ts';
import { joinPieces } from './change-pieces.ts';
import type { ColumnChange, Seen, SqliteValue, UnitChange } from './unit-record.ts';

type JsonValue = null | string | { i: string } | { r: string } | { b: string };

interface JsonColumn {
  readonly name: string;
  readonly old: JsonValue;
  readonly new: JsonValue;
  readonly seen?: Seen | undefined;
}

type JsonChange = Omit<UnitChange, 'columns' | 'others'> & {
  readonly columns: readonly JsonColumn[];
  readonly others?: readonly JsonColumn[] | undefined;
};

export function changesToJson(changes: readonly UnitChange[]): string {
  return JSON.stringify(
    changes.map((change): JsonChange => ({
      ...change,
      columns: change.columns.map(columnToJson),
      others: change.others?.map(columnToJson),
    })),
  );
}

/**
 * A centre of an earlier version refused the pieces of a large change as rows of no table; they are one change again here.
 * @throws PayflowError RECORD_MALFORMED
 */
export function changesFromJson(text: string): UnitChange[] {
  const changes = JSON.parse(text) as JsonChange[];
  const read = changes.map(({ others, ...change }) => ({
    ...change,
    columns: change.columns.map(columnFromJson),
    others: others?.map(columnFromJson),
  }));
  return joinPieces(read);
}

function columnToJson({ name, old, new: now, seen }: ColumnChange): JsonColumn {
  return { name, old: toJson(old), new: toJson(now), seen };
}

function columnFromJson({ name, old, new: now, seen }: JsonColumn): ColumnChange {
  return { name, old: fromJson(old), new: fromJson(now), seen };
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
