/**
 * Changes of the version before that are not settled, as they went up or go up: number, contents and row. They stay in
 * payflow.db until they are settled, as entries do, so that an agent file that is lost takes none of them along. The centre
 * knows those again that it has: the same number with the same contents.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import {
  FIRST_PREVIOUS_HASH,
  type SqliteValue,
  type UnitChange,
  type UnitOp,
} from '../../shared/records/unit-record.ts';
import { decodeUnitRecord } from '../../shared/records/unit-codec.ts';
import { newUnit, partBytes } from '../up/cut-units.ts';
import { keptChange, type KeptChange } from '../up/change-store.ts';
import { parentKey } from '../rows/parked.ts';
import { isUnlinked } from '../rows/sync-rows.ts';
import type { TillTables } from '../rows/till-tables.ts';
import { getMeta } from '../till/file-facts.ts';
import { registrationAt, type RegistrationSpan } from '../units/registrations.ts';
import type { NewUnit, UnitChain } from '../units/unit-rows.ts';

export interface TakenChange {
  readonly change: UnitChange;
  readonly kept: KeptChange;
}

/** Of ordinary rows these are less than a part. */
const UNIT_CHANGES = 500;

type TakenRow = [bigint, string, UnitOp, string, string, SqliteValue, bigint, string, Buffer];

export function addTaken(db: SqliteDatabase, changes: readonly TakenChange[]): void {
  const add = db.prepare(
    `INSERT OR REPLACE INTO sync_taken (number, table_name, op, handle, identity, row_key, at_ms, cut, bytes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const { change, kept } of changes) {
    const { number, table, op, handle, identity, rowKey, atMs, cutText } = kept;
    add.run(number, table, op, handle, identity, rowKey, atMs, cutText, bytesOf(change));
  }
}

const READ = 'SELECT number, table_name, op, handle, identity, row_key, at_ms, cut, bytes FROM sync_taken';

/** In order. */
export function readTaken(db: SqliteDatabase): TakenChange[] {
  return changesIn(db.prepare<[], TakenRow>(`${READ} ORDER BY number`).raw().safeIntegers().all());
}

/** Reads those of a row, in order. */
export function takenReader(db: SqliteDatabase): (table: string, handle: string) => TakenChange[] {
  const ofRow = db
    .prepare<[string, string], TakenRow>(`${READ} WHERE table_name = ? AND handle = ? ORDER BY number`)
    .raw()
    .safeIntegers();
  return (table, handle) => changesIn(ofRow.all(table, handle));
}

function changesIn(rows: readonly TakenRow[]): TakenChange[] {
  return rows.flatMap(([number, table, op, handle, identity, rowKey, atMs, cut, bytes]) => {
    const kept = keptChange({
      number: Number(number),
      unit: 0,
      table,
      op,
      handle,
      identity,
      rowEntry: null,
      rowKey,
      entries: [],
      atMs: Number(atMs),
      cutText: cut,
    });
    return decodeUnitRecord(bytes).units.flatMap(({ changes }) =>
      changes.map((change) => ({ change, kept })),
    );
  });
}

/** `parentKey` of their rows, as these are called now. */
export function takenRows(db: SqliteDatabase, tables: TillTables): string[] {
  const rows = db
    .prepare<[], { name: string; handle: string; identity: string }>(
      'SELECT DISTINCT table_name AS name, handle, identity FROM sync_taken',
    )
    .all();
  return rows.map(({ name, handle, identity }) => {
    const now = isUnlinked(handle) ? tables.byLocal(name)?.rows.named(identity) : undefined;
    return parentKey(name, now ?? handle);
  });
}

function bytesOf(change: UnitChange): Buffer {
  return partBytes({
    number: 0,
    firstSeq: change.seq,
    lastSeq: change.seq,
    hash: FIRST_PREVIOUS_HASH,
    previousHash: FIRST_PREVIOUS_HASH,
    registration: undefined,
    changes: [change],
  });
}

export interface TakenFacts {
  readonly chain: UnitChain;
  readonly spans: readonly RegistrationSpan[];
  readonly mappingVersion: number | undefined;
  readonly cutAtMs: number;
}

/** As units, in order. */
export function unitsOfTaken(
  taken: readonly TakenChange[],
  { chain: first, spans, mappingVersion, cutAtMs }: TakenFacts,
): NewUnit[] {
  const units: NewUnit[] = [];
  let chain = first;
  for (let from = 0; from < taken.length;) {
    const { registration, lastSeq } = registrationAt(spans, taken[from]?.kept.number ?? 0);
    const piece = taken.slice(from, from + UNIT_CHANGES).filter(({ kept }) => kept.number <= lastSeq);
    from += piece.length;
    const unit = newUnit(
      piece.map(({ change }) => change),
      piece.map(({ kept }) => ({ ...kept, unit: chain.number + 1 })),
      { chain, registration, mappingVersion, cutAtMs },
    );
    units.push(unit);
    chain = unit;
  }
  return units;
}

/** As this file says; none: its first agent has not noted any. */
export function spansIn(db: SqliteDatabase): readonly RegistrationSpan[] {
  return JSON.parse(getMeta(db, 'registrations') ?? '[]') as RegistrationSpan[];
}
