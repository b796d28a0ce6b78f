/**
 * The hash of a unit as the versions before took it: only the till can compute it. Pure.
 *
 * It is taken over canonical bytes: the number of the till's registration, then of every entry its seq, table,
 * op, key, identity and time, and each stored old and new value that is not NULL, with its column and storage class.
 * The time is what tells two copies of a till's file apart where both took one off the same stock under the same
 * number. NULLs are left out so that a column added later changes nothing; RowRefs take no part, so that a resend,
 * made when more links are known, hashes alike.
 */
import { createHash, type Hash } from 'node:crypto';
import { AvroWriter } from '../../shared/records/avro-bytes.ts';
import { writeValue } from '../../shared/records/unit-digest.ts';
import { UNIT_HASH_ALGORITHM } from '../../shared/records/unit-record.ts';
import type { OutboxEntry } from './old-outbox.ts';

const HASH_AT_ONCE_BYTES = 32 * 1024;

/** What the hash of a unit covers, by the version of the agent that cut it. */
export interface DigestForm {
  /** undefined: it knew of none. */
  readonly registration: number | undefined;
  readonly coversTime: boolean;
}

export function oldDigest(entries: readonly OutboxEntry[], { registration, coversTime }: DigestForm): Buffer {
  const hash = createHash(UNIT_HASH_ALGORITHM);
  const writer = new AvroWriter();
  if (registration !== undefined) writer.string(`registration ${registration}`);
  for (const entry of entries) {
    writeCanonical(writer, entry);
    if (coversTime) writer.long(entry.capturedAtMs);
    if (writer.length >= HASH_AT_ONCE_BYTES) hashWritten(hash, writer);
  }
  hashWritten(hash, writer);
  return hash.digest();
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
