/** Reads what the triggers wrote. Entries are written once and never change. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { numberText } from '../../shared/values/decimal.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { DeltaValues, Entry, EntryOp } from '../up/entries.ts';

type EntryRow = [bigint, bigint, EntryOp, SqliteValue, SqliteValue, bigint, bigint];
type DeltaRow = [bigint, bigint, SqliteValue, SqliteValue];

export interface StoredEntry extends Entry {
  readonly table: number;
  readonly rowKey: SqliteValue;
}

export class EntryReader {
  readonly #entries: Statement<[number, number], EntryRow>;
  readonly #deltas: Statement<[number, number], DeltaRow>;
  readonly #columnOf: (number: number) => string | undefined;

  /** @param columnOf name of a delta column by its number; undefined: none of ours any more */
  constructor(db: SqliteDatabase, columnOf: (number: number) => string | undefined) {
    this.#columnOf = columnOf;
    this.#entries = db
      .prepare<[number, number], EntryRow>(
        `SELECT seq, table_number, op, row_key, key_before, at_ms, entry_id FROM sync_outbox
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
      of.set(column, { old: amountText(old), new: amountText(now) });
      deltas.set(Number(seq), of);
    }
    return this.#entries.all(firstSeq, lastSeq).map(([seq, table, op, key, keyBefore, atMs, id]) => ({
      seq: Number(seq),
      id: id.toString(),
      table: Number(table),
      op,
      rowKey: key,
      key: keyText(key),
      keyBefore: keyBefore === null ? null : keyText(keyBefore),
      atMs: Number(atMs),
      deltas: deltas.get(Number(seq)) ?? NO_DELTAS,
    }));
  }
}

const NO_DELTAS: Entry['deltas'] = new Map();

/** A local key as text; keys of different storage classes are different. */
export function keyText(key: SqliteValue): string {
  if (key === null) return 'null';
  if (typeof key === 'bigint') return `i${key.toString()}`;
  if (typeof key === 'number') return `r${numberText(key)}`;
  return typeof key === 'string' ? `t${key}` : `b${key.toString('hex')}`;
}

/** null: it is no number. */
function amountText(value: SqliteValue): string | null {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? numberText(value) : null;
  return typeof value === 'string' && /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(value) ? value : null;
}
