/** Reads what the triggers wrote. Entries are written once and never change. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { numberText } from '../../shared/values/decimal.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { NO_KEY, type DeltaValues, type Entry, type EntryOp } from '../up/entries.ts';

type EntryRow = [bigint, bigint, EntryOp, SqliteValue, SqliteValue, bigint, bigint, string | null];
type DeltaRow = [bigint, bigint, SqliteValue, SqliteValue];

export interface StoredEntry extends Entry {
  readonly table: number;
  readonly rowKey: SqliteValue;
  /** The row it is of, once it is cut. */
  readonly handle: string | null;
}

/** A delta column as the row itself is read: differences in any other form would not add up to it. */
export interface DeltaColumn {
  readonly name: string;
  /** null: NULL, or no number. */
  readonly central: (value: SqliteValue) => string | null;
}

export class EntryReader {
  readonly #entries: Statement<[number, number], EntryRow>;
  readonly #deltas: Statement<[number, number], DeltaRow>;
  readonly #columnOf: (number: number) => DeltaColumn | undefined;

  /** @param columnOf delta column by its number; undefined: none of ours any more */
  constructor(db: SqliteDatabase, columnOf: (number: number) => DeltaColumn | undefined) {
    this.#columnOf = columnOf;
    this.#entries = db
      .prepare<[number, number], EntryRow>(
        `SELECT seq, table_number, op, row_key, key_before, at_ms, entry_id, handle FROM sync_outbox
         WHERE seq BETWEEN ? AND ? ORDER BY seq`,
      )
      .raw()
      .safeIntegers();
    this.#deltas = db
      .prepare<[number, number], DeltaRow>(
        'SELECT seq, column_number, old_value, new_value FROM sync_delta WHERE seq BETWEEN ? AND ?',
      )
      .raw()
      .safeIntegers();
  }

  /** In seq order, both ends included. */
  read(firstSeq: number, lastSeq: number): StoredEntry[] {
    const deltas = new Map<number, Map<string, DeltaValues>>();
    for (const [seq, number, old, now] of this.#deltas.all(firstSeq, lastSeq)) {
      const column = this.#columnOf(Number(number));
      if (column === undefined) continue;
      const of = deltas.get(Number(seq)) ?? new Map<string, DeltaValues>();
      of.set(column.name, { old: column.central(old), new: column.central(now) });
      deltas.set(Number(seq), of);
    }
    return this.#entries.all(firstSeq, lastSeq).map(([seq, table, op, key, keyBefore, atMs, id, handle]) => ({
      seq: Number(seq),
      id: id.toString(),
      table: Number(table),
      op,
      rowKey: key,
      key: keyText(key),
      keyBefore: keyBefore === null && op !== 'k' ? null : keyText(keyBefore),
      atMs: Number(atMs),
      deltas: deltas.get(Number(seq)) ?? NO_DELTAS,
      handle,
    }));
  }
}

const NO_DELTAS: Entry['deltas'] = new Map();

/** A local key as text. Numbers that SQLite holds equal are one key; texts and bytes are compared as they are. */
export function keyText(key: SqliteValue): string {
  if (key === null) return NO_KEY;
  if (typeof key === 'bigint') return `n${key.toString()}`;
  if (typeof key === 'number') return `n${numberText(key)}`;
  return typeof key === 'string' ? `t${key}` : `b${key.toString('hex')}`;
}

/** The local key that a text of `keyText` stands for; whole numbers are one, whatever their storage class. */
export function keyFromText(text: string): SqliteValue {
  const rest = text.slice(1);
  if (text.startsWith('t')) return rest;
  if (text === NO_KEY) return null;
  if (text.startsWith('b')) return Buffer.from(rest, 'hex');
  return /^-?\d+$/.test(rest) ? BigInt(rest) : Number(rest);
}
