/**
 * The hash of a unit: over the registration and, change by change, all that goes up, in a form of its own that no schema
 * changes. Whoever has the changes can compute it. Central ids take no part: they are what the till knew of links.
 */
import { createHash } from 'node:crypto';
import { AvroWriter } from './avro-bytes.ts';
import {
  UNIT_HASH_ALGORITHM,
  type RowRef,
  type SqliteValue,
  type Unit,
  type UnitChange,
  type UnitRecord,
} from './unit-record.ts';

const HASH_AT_ONCE_BYTES = 32 * 1024;

export function unitDigest({ registration, changes }: Pick<Unit, 'registration' | 'changes'>): Buffer {
  const hash = createHash(UNIT_HASH_ALGORITHM);
  const writer = new AvroWriter();
  writer.string(`registration ${registration ?? ''}`);
  for (const change of changes) {
    writeChange(writer, change);
    // A call of the hash for every change costs as much as the hashing.
    if (writer.length < HASH_AT_ONCE_BYTES) continue;
    hash.update(writer.toBuffer());
    writer.truncate(0);
  }
  hash.update(writer.toBuffer());
  return hash.digest();
}

/**
 * Computed again at the centre's door. Tills of the versions before took another hash, which only they can compute: their
 * changes name no entries.
 * @returns what is wrong; null: nothing, or it can't be told
 */
export function digestFault({ parts, units }: UnitRecord): string | null {
  // Of a unit in parts the hash is over all of them.
  if (parts > 1) return null;
  const wrong = units.find((unit) => isComputable(unit) && !unitDigest(unit).equals(unit.hash));
  return wrong === undefined ? null : `unit ${wrong.number} does not have the hash of its changes`;
}

function isComputable({ changes }: Unit): boolean {
  return changes.length > 0 && changes.every(({ entry }) => entry !== undefined);
}

function writeChange(writer: AvroWriter, change: UnitChange): void {
  writer.long(change.seq);
  writer.string(change.table);
  writer.string(change.op);
  writer.long(change.capturedAtMs);
  writer.string(change.entry ?? '');
  writeRef(writer, change.row);
  writer.long(change.columns.length);
  for (const { name, old, new: now } of change.columns) {
    writer.string(name);
    writeValue(writer, old);
    writeValue(writer, now);
  }
  writer.long(change.references.length);
  for (const { column, target } of change.references) {
    writer.string(column);
    writer.long(target === null ? 0 : 1);
    if (target !== null) writeRef(writer, target);
  }
}

function writeRef(writer: AvroWriter, { identity }: RowRef): void {
  writer.string(identity);
}

/** A stored value with its storage class, in the bytes that are hashed. */
export function writeValue(writer: AvroWriter, value: SqliteValue): void {
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
