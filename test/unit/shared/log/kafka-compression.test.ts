/** Which batches are packed, and what an unpacked one may hold. */
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../services/shared/log/event-log.ts';
import { MAX_UNPACKED_BYTES, packed, unpacked } from '../../../../services/shared/log/kafka-compression.ts';
import {
  decodeRecordBatches,
  encodeRecordBatch,
  packRecordBatch,
} from '../../../../services/shared/log/kafka-record-batch.ts';

const PRODUCER = { producerId: 1n, epoch: 0, baseSequence: 0 };
const rows = (count: number): LogRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`products:${index}`),
    value: Buffer.from(`${index} article ${randomBytes(20).toString('hex')} in blue, size ${index % 7}`),
  }));
const room = () => ({ bytes: Infinity });

describe('a batch', () => {
  it.each([20, 100, 3000])('of %d ordinary rows is packed, and read as it was', async (count) => {
    const records = rows(count);
    const batch = await packRecordBatch(records, PRODUCER, 7);
    expect(batch.readInt16BE(21)).toBe(1);
    expect(batch.length).toBeLessThan(encodeRecordBatch(records, PRODUCER, 7).length * 0.9);
    const read = decodeRecordBatches(batch, 0);
    expect(read.map(({ key, value }) => ({ key, value }))).toEqual(records);
  });

  it.each([
    ['small', rows(2)],
    ['of what is packed already', [{ key: null, value: randomBytes(100_000) }]],
    ['that would unpack to more than eight times its size', [{ key: null, value: Buffer.alloc(1_000_000) }]],
  ])('that is %s goes as it is', async (_, records) => {
    const batch = await packRecordBatch(records, PRODUCER, 7);
    expect(batch).toEqual(encodeRecordBatch(records, PRODUCER, 7));
  });
});

describe('what a broker packed anew', () => {
  it('is read where Node knows the codec, and refused by name where it does not', () => {
    const plain = Buffer.from('x'.repeat(5000));
    expect(unpacked(zlib.gzipSync(plain), 1, room())).toEqual(plain);
    const knowsZstd = typeof (zlib as Partial<typeof zlib>).zstdCompressSync === 'function';
    if (knowsZstd) expect(unpacked(zlib.zstdCompressSync(plain), 4, room())).toEqual(plain);
    else expect(() => unpacked(plain, 4, room())).toThrow(/codec 4/);
    for (const codec of [2, 3])
      expect(() => unpacked(plain, codec, room())).toThrow(/compression.type=producer/);
  });

  it.each([
    ['gzip', 1],
    ['zstd', 4],
  ])('never takes more than the bound (%s)', (name, codec) => {
    const knowsZstd = typeof (zlib as Partial<typeof zlib>).zstdCompressSync === 'function';
    const large = Buffer.alloc(MAX_UNPACKED_BYTES + 1);
    const bytes = name === 'gzip' || !knowsZstd ? zlib.gzipSync(large) : zlib.zstdCompressSync(large);
    expect(() => unpacked(bytes, codec, room())).toThrow();
  });

  it('takes no more than is left of a fetch', () => {
    const one = zlib.gzipSync(Buffer.alloc(3000, 'a'));
    const left = { bytes: 5000 };
    expect(unpacked(one, 1, left)).toHaveLength(3000);
    expect(left.bytes).toBe(2000);
    expect(() => unpacked(one, 1, left)).toThrow();
  });
});

it('packing keeps an eighth at least', async () => {
  const { codec, bytes } = await packed(Buffer.from('abcdefgh'.repeat(1000)));
  expect([codec, bytes.length]).toEqual([0, 8000]);
});
