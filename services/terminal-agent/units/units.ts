/**
 * Where units end, and what their hashes cover. Pure.
 *
 * A hash is taken over canonical bytes: the number of the till's registration, then of every entry its seq, table,
 * op, key, identity and time, and each stored old and new value that is not NULL, with its column and storage class.
 * The time is what tells two copies of a till's file apart where both took one off the same stock under the same
 * number. NULLs are left out so that a column added later changes nothing; RowRefs take no part, so that a resend,
 * made when more links are known, hashes alike.
 */
import { createHash, type Hash } from 'node:crypto';
import { AvroWriter } from '../../shared/records/avro-bytes.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { UNIT_HASH_ALGORITHM } from '../../shared/records/unit-record.ts';
import type { OutboxEntry } from './outbox.ts';

/** What was written while the agent was down is one unit up to so many changes. */
export const MAX_UNIT_CHANGES = 10_000;
/** A unit whose canonical bytes exceed this is published in parts of about this size. */
export const PART_BYTES = 192 * 1024;
/** How far around a cut a reference is looked for: one business transaction is far smaller. */
export const REFERENCE_REACH = 2000;

const HASH_AT_ONCE_BYTES = 32 * 1024;

export interface UnitDigest {
  readonly hash: Buffer;
  /**
   * Last seq of each part. Fixed when the unit is cut and made of stored values only: a part published again
   * must hold the same changes, whatever is known of links by then.
   */
  readonly partEnds: readonly number[];
}

/** What the hash of a unit covers, by the version of the agent that cut it. */
export interface DigestForm {
  /** undefined: it knew of none. */
  readonly registration: number | undefined;
  readonly coversTime: boolean;
}

export function digestUnit(
  entries: readonly OutboxEntry[],
  { registration, coversTime }: DigestForm,
): UnitDigest {
  const hash = createHash(UNIT_HASH_ALGORITHM);
  const writer = new AvroWriter();
  if (registration !== undefined) writer.string(`registration ${registration}`);
  const partEnds: number[] = [];
  let partBytes = 0;
  let previous = 0;
  for (const entry of entries) {
    const before = writer.length;
    writeCanonical(writer, entry);
    if (coversTime) writer.long(entry.capturedAtMs);
    const bytes = writer.length - before;
    if (partBytes > 0 && partBytes + bytes > PART_BYTES) {
      partEnds.push(previous);
      partBytes = 0;
    }
    partBytes += bytes;
    previous = entry.seq;
    if (writer.length >= HASH_AT_ONCE_BYTES) hashWritten(hash, writer);
  }
  hashWritten(hash, writer);
  if (entries.length > 0) partEnds.push(previous);
  return { hash: hash.digest(), partEnds };
}

/** A call of the hash for every entry costs as much as the hashing. */
function hashWritten(hash: Hash, writer: AvroWriter): void {
  hash.update(writer.toBuffer());
  writer.truncate(0);
}

function writeCanonical(writer: AvroWriter, entry: OutboxEntry): void {
  writer.long(entry.seq);
  writer.string(entry.columns.table);
  writer.string(entry.op);
  writeValue(writer, entry.rowKey);
  writer.string(entry.identity ?? '');
  for (const [name, index] of entry.columns.stored) {
    const value = entry.values[index] ?? null;
    if (value === null) continue;
    writer.string(name);
    writeValue(writer, value);
  }
  writer.long(0);
}

function writeValue(writer: AvroWriter, value: SqliteValue): void {
  if (value === null) writer.long(0);
  else if (typeof value === 'bigint') {
    writer.long(1);
    writer.bigLong(value);
  } else if (typeof value === 'number') {
    writer.long(2);
    writer.double(value);
  } else if (typeof value === 'string') {
    writer.long(3);
    writer.string(value);
  } else {
    writer.long(4);
    writer.bytes(value);
  }
}

/** An entry as far as cutting is concerned: the rows it creates or names. */
export interface CutEntry {
  readonly seq: number;
  /** The row that this entry inserts; null for other entries. */
  readonly inserts: string | null;
  /** This row and the rows its references name. */
  readonly names: readonly string[];
}

/**
 * Where a backlog is cut: at the last place at or before `limit` entries that no reference to a row inserted
 * nearby crosses, so that a sale stays with its lines. When there is none the limit itself is taken.
 * @returns how many entries the unit gets
 */
export function cutPoint(entries: readonly CutEntry[], limit: number): number {
  if (entries.length <= limit) return entries.length;
  return freePlace(entries, limit) ?? limit;
}

/** The last place at or before `limit` entries, fewer than there are, that no such reference crosses. */
export function freePlace(entries: readonly CutEntry[], limit: number): number | undefined {
  return freePlaces(entries, limit).at(-1);
}

/** All such places at or before `limit`, and within reach of it, ascending. */
export function freePlaces(entries: readonly CutEntry[], limit: number): number[] {
  const start = Math.max(0, limit - REFERENCE_REACH);
  const end = Math.min(entries.length, limit + REFERENCE_REACH);
  const insertedAt = new Map<string, number>();
  const lastUse = new Map<string, number>();
  for (let index = start; index < end; index += 1) {
    const entry = entries[index];
    if (entry === undefined) continue;
    if (entry.inserts !== null) insertedAt.set(entry.inserts, index);
    for (const name of entry.names) if (insertedAt.has(name)) lastUse.set(name, index);
  }
  // open[i]: spans that begin minus spans that end at i; a cut before entry i is free when none is open there.
  const change = new Map<number, number>();
  const add = (index: number, by: number) => change.set(index, (change.get(index) ?? 0) + by);
  for (const [name, first] of insertedAt) {
    add(first + 1, 1);
    add((lastUse.get(name) ?? first) + 1, -1);
  }
  let open = 0;
  const places: number[] = [];
  for (let index = start + 1; index <= Math.min(limit, entries.length - 1); index += 1) {
    open += change.get(index) ?? 0;
    if (open === 0) places.push(index);
  }
  return places;
}
