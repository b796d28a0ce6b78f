import fc from 'fast-check';
import crc32C from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../../../services/shared/log/event-log.ts';
import {
  decodeRecordBatches,
  offsetAfterBatches,
  encodeRecordBatch,
} from '../../../../services/shared/log/kafka-record-batch.ts';

const PRODUCER = { producerId: 4711n, epoch: 3, baseSequence: 99 };
const NOW_MS = 1_900_000_000_000;
const RECORDS_AT = 61;

/** A batch as it lies in the log: the broker puts the offset in. */
function stored(records: readonly LogRecord[], baseOffset: number): Buffer {
  const batch = encodeRecordBatch(records, PRODUCER, NOW_MS);
  batch.writeBigInt64BE(BigInt(baseOffset), 0);
  return batch;
}

/** What the cleaner leaves of a batch whose records have all been displaced. */
function emptied(records: readonly LogRecord[], baseOffset: number): Buffer {
  const batch = Buffer.from(stored(records, baseOffset).subarray(0, RECORDS_AT));
  batch.writeInt32BE(RECORDS_AT - 12, 8);
  batch.writeInt32BE(0, 57);
  return batch;
}

const text = (value: string) => ({ key: Buffer.from(value), value: Buffer.from(value) });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const record: fc.Arbitrary<LogRecord> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme' }), bytes, {
    noNullPrototype: true,
  }),
});

const decode = (batches: Buffer, wanted: number) => ({
  records: decodeRecordBatches(batches, wanted),
  nextOffset: offsetAfterBatches(batches, wanted),
});

describe('the record batch', () => {
  test('gives back what was put in', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 200 }),
        fc.nat(2 ** 40),
        (records, baseOffset) => {
          const decoded = decode(stored(records, baseOffset), baseOffset);
          expect(decoded.nextOffset).toBe(baseOffset + records.length);
          expect(decoded.records).toEqual(
            records.map((one, index) => ({ ...one, offset: baseOffset + index, timestampMs: NOW_MS })),
          );
        },
      ),
    );
  });

  test('carries a checksum over everything from the attributes on', () => {
    const batch = encodeRecordBatch([text('a'), text('b')], PRODUCER, NOW_MS);
    expect(batch.readUInt32BE(17)).toBe(crc32C(batch.subarray(21)) >>> 0);
  });

  test('records below the wanted offset, which come along with their batch, are dropped', () => {
    const batch = stored(['a', 'b', 'c', 'd'].map(text), 100);
    const { records, nextOffset } = decode(batch, 102);
    expect(records.map(({ offset, key }) => [offset, key?.toString()])).toEqual([
      [102, 'c'],
      [103, 'd'],
    ]);
    expect(nextOffset).toBe(104);
  });

  test('a batch that a fetch cut off is left for the next fetch', () => {
    const whole = stored([text('a')], 5);
    const cut = stored([text('b')], 6);
    for (let length = 0; length < cut.length; length += 1) {
      const { records, nextOffset } = decode(Buffer.concat([whole, cut.subarray(0, length)]), 5);
      expect([records.length, nextOffset]).toEqual([1, 6]);
    }
  });

  test('a batch that compaction emptied moves the reader past it', () => {
    const batch = emptied(['a', 'b', 'c'].map(text), 40);
    expect(decode(batch, 40)).toEqual({ records: [], nextOffset: 43 });
    expect(decode(Buffer.concat([batch, stored([text('d')], 43)]), 41).nextOffset).toBe(44);
  });

  test("the broker's own time stamp counts where the topic wants it", () => {
    const batch = stored([text('a')], 0);
    batch.writeInt16BE(0x08, 21);
    batch.writeBigInt64BE(BigInt(NOW_MS + 5_000), 35);
    expect(decode(batch, 0).records[0]?.timestampMs).toBe(NOW_MS + 5_000);
  });

  test('control batches of transactions are passed over', () => {
    const batch = stored([text('a')], 9);
    batch.writeInt16BE(0x20, 21);
    expect(decode(batch, 9)).toEqual({ records: [], nextOffset: 10 });
  });

  test('gzip is read; another compression is named, with what to set', () => {
    const plain = stored(['a', 'b'].map(text), 0);
    const gzip = Buffer.concat([plain.subarray(0, RECORDS_AT), gzipSync(plain.subarray(RECORDS_AT))]);
    gzip.writeInt32BE(gzip.length - 12, 8);
    gzip.writeInt16BE(1, 21);
    expect(decode(gzip, 0).records).toHaveLength(2);
    gzip.writeInt16BE(2, 21);
    expect(() => decode(gzip, 0)).toThrow(/compression\.type=producer/);
  });

  describe('that cannot be read', () => {
    const packed = (records: Buffer, codec: number, baseOffset: number, count = 3): Buffer => {
      const head = Buffer.from(
        stored(
          Array.from({ length: count }, () => text('x')),
          baseOffset,
        ).subarray(0, RECORDS_AT),
      );
      const batch = Buffer.concat([head, records]);
      batch.writeInt32BE(batch.length - 12, 8);
      batch.writeInt16BE(codec, 21);
      return batch;
    };
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
    const unreadable: readonly [string, Buffer][] = [
      ['is packed in an unknown way', packed(Buffer.from('abc'), 4, 10)],
      ['is no gzip', packed(Buffer.from('no gzip at all'), 1, 10)],
      ['unpacks to more than one may hold', packed(bomb, 1, 10)],
      ['ends within a record', packed(Buffer.from([40, 0, 0, 0]), 0, 10)],
      ['has a record outside of itself', packed(Buffer.from([14, 0, 0, 100, 1, 1, 0, 0]), 0, 10)],
      ['has a record of negative length', packed(Buffer.from([13, 0, 0, 0, 1, 1, 0, 0]), 0, 10)],
      ['has headers without end', packed(Buffer.from([14, 0, 0, 0, 1, 1, 0xfe, 0x7f]), 0, 10)],
      [
        'says that it has more records than anybody sends',
        (() => {
          const batch = packed(Buffer.alloc(8), 0, 10);
          batch.writeInt32BE(2 ** 31 - 1, 57);
          return batch;
        })(),
      ],
    ];
    const around = (batch: Buffer) => Buffer.concat([stored([text('a')], 9), batch, stored([text('b')], 13)]);

    test.each(unreadable)('because it %s stops a reader that must miss nothing', (_why, batch) => {
      expect(() => decodeRecordBatches(around(batch), 9)).toThrow(
        expect.objectContaining({ code: 'RECORD_MALFORMED' }),
      );
    });

    test.each(unreadable)(
      'because it %s is passed over, and said, where that was asked for',
      (_why, batch) => {
        const records = decodeRecordBatches(around(batch), 9, 'pass');
        expect(records.map(({ offset, key }) => [offset, key?.toString()])).toEqual([
          [9, 'a'],
          [12, undefined],
          [13, 'b'],
        ]);
        expect(records[1]?.unreadable).toMatchObject({ firstOffset: 10, bytes: batch });
        expect(offsetAfterBatches(around(batch), 9)).toBe(14);
      },
    );
  });

  test('packed batches of one fetch have one bound together', () => {
    const big = gzipSync(Buffer.alloc(20 * 1024 * 1024));
    const batches = [0, 1, 2].map((offset) => {
      const head = Buffer.from(stored([text('x')], offset).subarray(0, RECORDS_AT));
      const batch = Buffer.concat([head, big]);
      batch.writeInt32BE(batch.length - 12, 8);
      batch.writeInt16BE(1, 21);
      batch.writeInt32BE(0, 57);
      return batch;
    });
    const records = decodeRecordBatches(Buffer.concat(batches), 0, 'pass');
    expect(records.map(({ offset }) => offset)).toEqual([1, 2]);
  });
});
