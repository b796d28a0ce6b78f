/** Where reading begins and ends, and how far it runs ahead. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { offsetOf, readAll, text, untilSteady, valuesOf, type Conformance } from './conformance-context.ts';

export function readingTests(context: Conformance): void {
  test('reading begins at any offset asked for', async () => {
    const stream = await context.newStream();
    for (let batch = 0; batch < 5; batch += 1) {
      await context.log.append(
        stream,
        Array.from({ length: 7 }, () => ({ key: null, value: text('x') })),
      );
    }
    for (let from = 0; from <= 36; from += 1) {
      const offsets = (await readAll(context.log, stream, from)).map((record) => record.offset);
      expect(offsets).toEqual(Array.from({ length: 36 - from }, (_, index) => from + index));
    }
  });

  test('a reader waiting at the end gets what another client appends, soon', async () => {
    const stream = await context.newStream();
    const other = context.under.open();
    const stop = new AbortController();
    const reader = context.log.read(stream, { from: 1, signal: stop.signal })[Symbol.asyncIterator]();
    const waitsMs: number[] = [];
    try {
      for (let number = 0; number < 20; number += 1) {
        const next = reader.next();
        await other.append(stream, [{ key: null, value: text(String(number)) }]);
        const appended = performance.now();
        const got = await next;
        expect(got.done === true ? 'ended' : valuesOf(got.value)).toEqual([String(number)]);
        waitsMs.push(performance.now() - appended);
      }
      // Most of them: any one may meet a machine that has something else to do.
      expect(waitsMs.sort((a, b) => a - b)[waitsMs.length / 2]).toBeLessThan(1_000);
    } finally {
      stop.abort();
      await other.close();
    }
  });

  test('cancelling ends a waiting reader at once, without an error', async () => {
    const stream = await context.newStream();
    const stop = new AbortController();
    const reader = context.log.read(stream, { from: 1, signal: stop.signal })[Symbol.asyncIterator]();
    const waiting = reader.next();
    await context.log.append(stream, [{ key: null, value: text('proof that it waits') }]);
    expect((await waiting).done).toBe(false);
    const ending = reader.next();
    const cancelledAt = performance.now();
    stop.abort();
    expect((await ending).done).toBe(true);
    // A fetch that nothing cuts short waits for 5 s.
    expect(performance.now() - cancelledAt).toBeLessThan(2_500);
    for await (const _ of context.log.read(stream, { from: 0, signal: stop.signal })) expect.unreachable();
  });

  test('no more is fetched ahead of a slow reader than was allowed', async () => {
    const stream = await context.newStream();
    for (let batch = 0; batch < 40; batch += 1) {
      await context.log.append(
        stream,
        Array.from({ length: 500 }, () => ({ key: text('k'), value: randomBytes(500) })),
      );
    }
    const prefetchBytes = 1024 * 1024;
    const fetches: number[] = [];
    const slow = context.under.open({ onFetched: (bytes) => fetches.push(bytes) });
    const stop = new AbortController();
    let batches = 0;
    let records = 0;
    try {
      for await (const batch of slow.read(stream, { from: 1, prefetchBytes, signal: stop.signal })) {
        records += batch.length;
        batches += 1;
        await untilSteady(() => fetches.length);
        const ahead = fetches.slice(batches).reduce((sum, bytes) => sum + bytes, 0);
        expect(ahead).toBeLessThanOrEqual(prefetchBytes);
        if (records === 20_000) stop.abort();
      }
      expect(records).toBe(20_000);
    } finally {
      await slow.close();
    }
  });

  test('a look at one offset says what stands there, that nothing does, or that nobody answered', async () => {
    const stream = await context.newStream({ cleanup: 'compact', minCompactionLagMs: 0 });
    await context.under.prepareCompaction(stream.topic);
    const other = context.under.open();
    const { signal } = new AbortController();
    const look = async (offset: number) => {
      const looked = await other.recordAt(stream, { offset, signal });
      return looked.kind === 'there' ? looked.record.value?.toString() : looked.kind;
    };
    await context.log.append(stream, [{ key: text('a'), value: text('old') }]);
    await context.log.append(stream, [{ key: text('b'), value: text('kept') }]);
    await context.log.append(stream, [{ key: text('a'), value: text('new') }]);
    expect([await look(1), await look(2), await look(3)]).toEqual(['old', 'kept', 'new']);
    expect([await look(4), await look(99)]).toEqual(['not there', 'not there']);
    const isCompacted = async () => {
      // A broker compacts only what later appends have closed.
      await context.log.append(stream, [{ key: text('c'), value: text('later') }]);
      await context.under.compact(stream.topic);
      return (await look(1)) === 'not there';
    };
    await until(isCompacted, 'the old record was not compacted', { deadlineMs: 120_000, everyMs: 200 });
    expect([await look(2), await look(3)]).toEqual(['kept', 'new']);
    expect(await other.recordAt(stream, { offset: 3, signal: AbortSignal.abort() })).toMatchObject({
      kind: 'unknown',
    });
    await other.close();
    expect(await look(3)).toBe('unknown');
  });

  test('an offset past the end, or removed, is out of range; offsets never go back', async () => {
    const stream = await context.newStream({ retentionMs: 3_600_000 });
    await context.log.append(stream, [{ key: null, value: text('x') }]);
    const outside = { code: 'LOG_OFFSET_OUT_OF_RANGE' };
    await expect(readAll(context.log, stream, 3, { to: 4 })).rejects.toMatchObject(outside);
    await context.under.expireAll(stream);
    await until(async () => (await context.log.offsets(stream)).first === 2, 'first offset did not move');
    expect(await context.log.offsets(stream)).toEqual({ first: 2, end: 2 });
    expect(await context.log.streamId(stream)).toBeUndefined();
    await expect(readAll(context.log, stream, 0, { to: 4 })).rejects.toMatchObject(outside);
    expect(await offsetOf(context.log.append(stream, [{ key: null, value: text('y') }]))).toBe(2);
    expect(valuesOf(await readAll(context.log, stream, 2))).toEqual(['y']);
  });
}
