/** Units as the agent file holds them: a row, the bytes of their parts, and the changes that were kept. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { ChangeStore, KeptChange } from '../up/change-store.ts';

export interface CutUnit {
  readonly number: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly changes: number;
  readonly hash: Buffer;
  readonly previousHash: Buffer;
  readonly partEnds: readonly number[];
  /** Under which it was cut; undefined: by an agent that knew of none. */
  readonly registration: number | undefined;
  /** Whether its hash does, which it did not in an earlier version. */
  readonly coversTime: boolean;
  /** Of the mapping under which it was cut; undefined: an agent of the version before cut it. */
  readonly mappingVersion: number | undefined;
  readonly cutAtMs: number;
  /** When it was last published, and how often; null: never. */
  readonly publishedAtMs: number | null;
  readonly publications: number;
}

export interface NewUnit extends Omit<CutUnit, 'publishedAtMs' | 'publications'> {
  readonly kept: readonly KeptChange[];
  readonly parts: readonly Buffer[];
}

export interface UnitChain {
  readonly number: number;
  readonly lastSeq: number;
  readonly hash: Buffer;
}

export interface UnitRow {
  number: number;
  first_seq: number;
  last_seq: number;
  changes: number;
  hash: Buffer;
  previous_hash: Buffer;
  part_ends: string;
  cut_at_ms: number;
  published_at_ms: number | null;
  publications: number;
  registration: number | null;
  covers_time: number | null;
  mapping_version: number | null;
}

/** @returns the last */
export function insertUnits(
  db: SqliteDatabase,
  changes: ChangeStore,
  units: Iterable<NewUnit>,
): UnitChain | undefined {
  const insert = db.prepare(
    `INSERT INTO unit (number, first_seq, last_seq, changes, hash, previous_hash, part_ends, cut_at_ms, registration,
       covers_time, mapping_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  let last: UnitChain | undefined;
  for (const unit of units) {
    insert.run(
      unit.number,
      unit.firstSeq,
      unit.lastSeq,
      unit.changes,
      unit.hash,
      unit.previousHash,
      JSON.stringify(unit.partEnds),
      unit.cutAtMs,
      unit.registration ?? null,
      Number(unit.coversTime),
      unit.mappingVersion ?? null,
    );
    unit.parts.forEach((bytes, index) => changes.addPart(unit.number, index + 1, bytes));
    for (const change of unit.kept) changes.add(change);
    last = { number: unit.number, lastSeq: unit.lastSeq, hash: unit.hash };
  }
  return last;
}

export function toUnit(row: UnitRow): CutUnit {
  return {
    number: row.number,
    firstSeq: row.first_seq,
    lastSeq: row.last_seq,
    changes: row.changes,
    hash: row.hash,
    previousHash: row.previous_hash,
    partEnds: JSON.parse(row.part_ends) as number[],
    registration: row.registration ?? undefined,
    coversTime: row.covers_time === 1,
    mappingVersion: row.mapping_version ?? undefined,
    cutAtMs: row.cut_at_ms,
    publishedAtMs: row.published_at_ms,
    publications: row.publications,
  };
}
