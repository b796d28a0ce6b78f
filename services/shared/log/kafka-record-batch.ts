/**
 * Kafka's record batch (format 2), both ways. kafkajs's own decoder hides batches that compaction emptied, so
 * a reader could stand before one for ever, and spends most of its time in 64-bit helpers; this one tells
 * where the next fetch has to begin whatever the batches hold, and runs several times as fast.
 */
import crc32C from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import { PayflowError } from '../errors.ts';
import type { LogRecord, StoredRecord } from './event-log.ts';
import { MAX_UNPACKED_BYTES, NO_CODEC, packed, unpacked } from './kafka-compression.ts';
import { nullableSize, varintSize, writeNullable, writeVarint } from './kafka-varint.ts';
import { setHeader } from './records.ts';

const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const COUNT_AT = 57;
const RECORDS_AT = 61;
/** `length` counts what follows it. */
const BEFORE_LENGTH = 12;
const MAGIC = 2;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const CONTROL_BATCH = 0x20;

/** Who writes, so that the broker can tell a repeat from a new batch. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly baseSequence: number;
}

/** As it is, without packing. */
export function encodeRecordBatch(
  records: readonly LogRecord[],
  producer: ProducerIdentity,
  nowMs: number,
): Buffer {
  return seal(layOut(records, producer, nowMs));
}

/** Packed, where that pays. */
export async function packRecordBatch(
  records: readonly LogRecord[],
  producer: ProducerIdentity,
  nowMs: number,
): Promise<Buffer> {
  const plain = layOut(records, producer, nowMs);
  const { codec, bytes } = await packed(plain.subarray(RECORDS_AT));
  if (codec === NO_CODEC) return seal(plain);
  const batch = Buffer.concat([plain.subarray(0, RECORDS_AT), bytes]);
  batch.writeInt32BE(batch.length - BEFORE_LENGTH, LENGTH_AT);
  batch.writeInt16BE(codec, ATTRIBUTES_AT);
  return seal(batch);
}

function seal(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32C(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
  return batch;
}

/** All but the checksum. */
function layOut(records: readonly LogRecord[], producer: ProducerIdentity, nowMs: number): Buffer {
  const names = new HeaderNames();
  const sizes = records.map((record, index) => recordBodySize(record, index, names));
  const total = sizes.reduce((sum, size) => sum + varintSize(size) + size, RECORDS_AT);
  const bytes = Buffer.allocUnsafe(total);
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(total - BEFORE_LENGTH, LENGTH_AT);
  bytes.writeInt32BE(-1, BEFORE_LENGTH);
  bytes.writeInt8(MAGIC, MAGIC_AT);
  bytes.writeInt16BE(0, ATTRIBUTES_AT);
  bytes.writeInt32BE(records.length - 1, LAST_OFFSET_DELTA_AT);
  bytes.writeBigInt64BE(BigInt(nowMs), FIRST_TIMESTAMP_AT);
  bytes.writeBigInt64BE(BigInt(nowMs), MAX_TIMESTAMP_AT);
  bytes.writeBigInt64BE(producer.producerId, PRODUCER_ID_AT);
  bytes.writeInt16BE(producer.epoch, PRODUCER_EPOCH_AT);
  bytes.writeInt32BE(producer.baseSequence, BASE_SEQUENCE_AT);
  bytes.writeInt32BE(records.length, COUNT_AT);
  let at = RECORDS_AT;
  records.forEach((record, index) => {
    at = writeVarint(bytes, at, sizes[index] ?? 0);
    at = writeRecordBody(bytes, at, record, index, names);
  });
  return bytes;
}

/** One whole batch, still encoded. */
interface EncodedBatch {
  readonly bytes: Buffer;
  /** Of its last record, also where compaction has removed that one. */
  readonly lastOffset: number;
}

/**
 * Decodes the whole batches at the front of `bytes` (a fetch may cut the last one). Batches begin at their
 * first offset, so records below `wanted` come along and are dropped here.
 * @param unreadable see ReadOptions
 * @returns in offset order
 * @throws PayflowError RECORD_MALFORMED
 */
export function decodeRecordBatches(
  bytes: Buffer,
  wanted: number,
  unreadable: 'throw' | 'pass' = 'throw',
): StoredRecord[] {
  const records: StoredRecord[] = [];
  const room = { bytes: unreadable === 'pass' ? MAX_UNPACKED_BYTES : Infinity };
  for (const batch of wholeBatches(bytes)) {
    const before = records.length;
    try {
      if (unreadable === 'pass' && batch.bytes.readInt32BE(COUNT_AT) > MAX_BATCH_RECORDS) {
        throw malformed('a batch of more records than any till sends at once');
      }
      decodeBatch(batch.bytes, { wanted, room, into: records });
    } catch (thrown) {
      const error = readAsMalformed(thrown);
      if (unreadable === 'throw') throw error;
      records.length = before;
      if (batch.lastOffset >= wanted) records.push(standIn(batch, error));
    }
  }
  return records;
}

/** One record for a whole batch that can't be read. */
function standIn({ bytes, lastOffset }: EncodedBatch, { message }: PayflowError): StoredRecord {
  const firstOffset = Number(bytes.readBigInt64BE(0));
  return {
    offset: lastOffset,
    timestampMs: Number(bytes.readBigInt64BE(MAX_TIMESTAMP_AT)),
    key: null,
    value: null,
    headers: {},
    unreadable: { why: message, firstOffset, bytes },
  };
}

/** A number outside of its buffer, or what zlib says of the bytes. */
function readAsMalformed(thrown: unknown): PayflowError {
  if (thrown instanceof PayflowError) return thrown;
  return new PayflowError(
    'RECORD_MALFORMED',
    `the stream holds a batch that cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    { cause: thrown },
  );
}

/**
 * Where the next fetch begins: past every whole batch in `bytes`, also an emptied one.
 * @param wanted where this fetch began
 * @throws PayflowError RECORD_MALFORMED
 */
export function offsetAfterBatches(bytes: Buffer, wanted: number): number {
  let next = wanted;
  for (const { lastOffset } of wholeBatches(bytes)) next = Math.max(next, lastOffset + 1);
  return next;
}

function* wholeBatches(bytes: Buffer): Generator<EncodedBatch> {
  let at = 0;
  while (at + RECORDS_AT <= bytes.length) {
    const length = bytes.readInt32BE(at + LENGTH_AT);
    if (length < RECORDS_AT - BEFORE_LENGTH) throw malformed('a record batch without a head');
    const end = at + BEFORE_LENGTH + length;
    if (end > bytes.length) return;
    const batch = bytes.subarray(at, end);
    const delta = batch.readInt32BE(LAST_OFFSET_DELTA_AT);
    if (batch.readInt8(MAGIC_AT) !== MAGIC || delta < 0) throw malformed('a record batch of an old format');
    const lastOffset = Number(batch.readBigInt64BE(0)) + delta;
    yield { bytes: batch, lastOffset };
    at = end;
  }
}

interface Decoding {
  readonly wanted: number;
  /** For what is unpacked; all of a fetch stays in memory together. */
  readonly room: { bytes: number };
  readonly into: StoredRecord[];
}

function decodeBatch(batch: Buffer, { wanted, room, into }: Decoding): void {
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  if ((attributes & CONTROL_BATCH) !== 0) return;
  const baseOffset = Number(batch.readBigInt64BE(0));
  const firstTimestamp = Number(batch.readBigInt64BE(FIRST_TIMESTAMP_AT));
  const appendTimestamp =
    (attributes & LOG_APPEND_TIME) === 0 ? undefined : Number(batch.readBigInt64BE(MAX_TIMESTAMP_AT));
  const cursor = new Cursor(unpacked(batch.subarray(RECORDS_AT), attributes & CODEC_MASK, room));
  const count = batch.readInt32BE(COUNT_AT);
  const lastDelta = batch.readInt32BE(LAST_OFFSET_DELTA_AT);
  for (let index = 0; index < count; index += 1) {
    const size = cursor.varint();
    const end = cursor.at + size;
    cursor.at += 1;
    const timestampDelta = cursor.varint();
    const delta = cursor.varint();
    // One beyond its batch would make the reader pass over others.
    if (size < 0 || delta < 0 || delta > lastDelta) throw malformed('a record outside of its batch');
    const offset = baseOffset + delta;
    if (offset >= wanted) {
      const timestampMs = appendTimestamp ?? firstTimestamp + timestampDelta;
      into.push({
        offset,
        timestampMs,
        key: cursor.bytes(),
        value: cursor.bytes(),
        headers: cursor.headers(),
      });
    }
    if (cursor.at > end) throw malformed('a record that is longer than it says');
    cursor.at = end;
  }
}

/** Each record costs memory beside its bytes, and the shortest takes seven. */
const MAX_BATCH_RECORDS = 100_000;

function malformed(what: string): PayflowError {
  return new PayflowError('RECORD_MALFORMED', `the stream holds ${what}`);
}

/** Reads the zigzag variable-length numbers of the record format. */
class Cursor {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw malformed('a record that ends too early');
      this.at += 1;
      // Not by shifting: timestamp deltas pass 31 bits after 24 days.
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
      factor *= 0x80;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    if (this.at + length > this.#bytes.length) throw malformed('a record that ends too early');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  headers(): Readonly<Record<string, Buffer>> {
    const count = this.varint();
    const headers: Record<string, Buffer> = {};
    if (count < 0 || count > this.#bytes.length) throw malformed('a record with impossible headers');
    for (let index = 0; index < count; index += 1) {
      const name = this.bytes()?.toString('utf8') ?? '';
      setHeader(headers, name, this.bytes() ?? Buffer.alloc(0));
    }
    return headers;
  }
}

/** Header names repeat in every record: encoded once per batch. */
class HeaderNames {
  readonly #names = new Map<string, Buffer>();

  encoded(name: string): Buffer {
    let bytes = this.#names.get(name);
    if (bytes === undefined) {
      bytes = Buffer.from(name, 'utf8');
      this.#names.set(name, bytes);
    }
    return bytes;
  }
}

function recordBodySize(record: LogRecord, index: number, names: HeaderNames): number {
  // Attributes and a timestamp delta of 0: one byte each.
  let size = 2 + varintSize(index) + nullableSize(record.key) + nullableSize(record.value);
  let count = 0;
  for (const name in record.headers) {
    size += nullableSize(names.encoded(name)) + nullableSize(record.headers[name] ?? null);
    count += 1;
  }
  return size + varintSize(count);
}

function writeRecordBody(
  bytes: Buffer,
  start: number,
  record: LogRecord,
  index: number,
  names: HeaderNames,
): number {
  let at = start;
  bytes[at] = 0;
  bytes[at + 1] = 0;
  at = writeVarint(bytes, at + 2, index);
  at = writeNullable(bytes, at, record.key);
  at = writeNullable(bytes, at, record.value);
  let count = 0;
  for (const _name in record.headers) count += 1;
  at = writeVarint(bytes, at, count);
  for (const name in record.headers) {
    at = writeNullable(bytes, at, names.encoded(name));
    at = writeNullable(bytes, at, record.headers[name] ?? null);
  }
  return at;
}
