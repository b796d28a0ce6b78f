/** What an append promises, and refuses. */
import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { LogRecord } from '../../../../services/shared/log/event-log.ts';
import { offsetOf, readAll, text, valuesOf, type Conformance } from './conformance-context.ts';

export function appendTests(context: Conformance): void {
  test('records come back in order and as they were: binary, empty, without key, without value, headers', async () => {
    const stream = await context.newStream();
    const records: LogRecord[] = [
      {
        key: text('a'),
        value: randomBytes(300),
        headers: { p: randomBytes(17), ünïcode: Buffer.alloc(0) },
      },
      { key: null, value: Buffer.alloc(0) },
      { key: Buffer.alloc(0), value: null },
      { key: randomBytes(40), value: randomBytes(70_000), headers: {} },
    ];
    const before = Date.now();
    expect(await offsetOf(context.log.append(stream, records))).toBe(1);
    const stored = await readAll(context.log, stream, 1);
    expect(stored.map(({ key, value, headers }) => ({ key, value, headers }))).toEqual(
      records.map((record) => ({ headers: {}, ...record })),
    );
    expect(stored.map((record) => record.offset)).toEqual([1, 2, 3, 4]);
    for (const { timestampMs } of stored) {
      expect(timestampMs).toBeGreaterThanOrEqual(before - 1_000);
      expect(timestampMs).toBeLessThanOrEqual(Date.now() + 1_000);
    }
  });

  test('many small appends at once land in the order they were made', async () => {
    const stream = await context.newStream();
    const made = Array.from({ length: 500 }, (_, number) =>
      offsetOf(context.log.append(stream, [{ key: null, value: text(String(number)) }])),
    );
    expect(await Promise.all(made)).toEqual(made.map((_, number) => number + 1));
    expect(valuesOf(await readAll(context.log, stream, 1))).toEqual(made.map((_, number) => String(number)));
  });

  test('a record over the limit is refused with its code, and nothing of its append is stored', async () => {
    const stream = await context.newStream({ maxRecordBytes: 200_000 });
    const large = { key: text('large'), value: randomBytes(300_000) };
    const small = { key: text('small'), value: text('small') };
    const fails = { code: 'LOG_RECORD_TOO_LARGE' };
    await expect(context.log.append(stream, [small, large, small])).rejects.toMatchObject(fails);
    const veryLarge = Array.from({ length: 10 }, () => ({ key: null, value: randomBytes(190_000) }));
    await expect(context.log.append(stream, [...veryLarge, large])).rejects.toMatchObject(fails);
    expect(await context.log.offsets(stream)).toEqual({ first: 0, end: 1 });
    expect(await offsetOf(context.log.append(stream, [small]))).toBe(1);
  });

  test('an append larger than any batch is stored whole and in order', async () => {
    const stream = await context.newStream();
    const records = Array.from({ length: 30 }, (_, number) => ({
      key: text(String(number)),
      value: Buffer.alloc(900_000, number),
    }));
    expect(await offsetOf(context.log.append(stream, records))).toBe(1);
    const stored = await readAll(context.log, stream, 1);
    expect(stored.map((record) => record.key?.toString())).toEqual(
      records.map((_, number) => String(number)),
    );
  });

  test('a record as large as a topic takes by default can be stored and read with a small prefetch', async () => {
    const stream = await context.newStream();
    const value = randomBytes(16 * 1024 * 1024 - 3);
    await context.log.append(stream, [
      { key: text('big'), value },
      { key: text('x'), value: null },
    ]);
    const stored = await readAll(context.log, stream, 1, { prefetchBytes: 64 * 1024 });
    expect(stored.map((record) => record.value?.length)).toEqual([value.length, undefined]);
    expect(stored[0]?.value?.equals(value)).toBe(true);
  });

  test('a compacted stream refuses a record without a key, and nothing of its append is stored', async () => {
    const stream = await context.newStream({ cleanup: 'compact' });
    const append = context.log.append(stream, [
      { key: text('a'), value: text('a') },
      { key: null, value: text('b') },
    ]);
    await expect(append).rejects.toMatchObject({ code: 'LOG_RECORD_INVALID' });
    expect(await context.log.offsets(stream)).toEqual({ first: 0, end: 1 });
  });

  test('a topic that does not exist is said to be missing, by append, read and offsets', async () => {
    const stream = { topic: `conformance.missing.${randomUUID()}`, partition: 0 };
    const missing = { code: 'LOG_TOPIC_MISSING' };
    await expect(context.log.append(stream, [{ key: null, value: null }])).rejects.toMatchObject(missing);
    await expect(readAll(context.log, stream, 0)).rejects.toMatchObject(missing);
    await expect(context.log.offsets(stream)).rejects.toMatchObject(missing);
  });

  test('an append whose caller has given up is rejected at once', async () => {
    const stream = await context.newStream();
    const signal = AbortSignal.abort();
    await expect(context.log.append(stream, [{ key: null, value: null }], { signal })).rejects.toMatchObject({
      code: 'LOG_UNREACHABLE',
    });
    expect((await context.log.offsets(stream)).end).toBe(1);
  });
}
