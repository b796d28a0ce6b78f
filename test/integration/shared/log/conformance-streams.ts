/** What a stream is over its life: its id, its end, its compaction. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { STREAM_ID_KEY, type StreamRef, type TopicSpec } from '../../../../services/shared/log/event-log.ts';
import { offsetOf, readAll, text, type Conformance } from './conformance-context.ts';

export function streamTests(context: Conformance): void {
  test('every stream has an id of its own, its first record, which creating it again does not change', async () => {
    const spec: TopicSpec = { topic: `conformance.${randomUUID()}`, partitions: 3, cleanup: 'compact' };
    expect(await context.log.createTopic(spec)).toBe('created');
    const partitions = [0, 1, 2].map((partition) => ({ topic: spec.topic, partition }));
    const ids = await Promise.all(partitions.map((stream) => context.log.streamId(stream)));
    expect(new Set(ids).size).toBe(3);
    expect(ids).not.toContain(undefined);
    const other = context.under.open();
    expect(await other.createTopic(spec)).toBe('exists');
    expect(await Promise.all(partitions.map((stream) => other.streamId(stream)))).toEqual(ids);
    await other.close();
    for (const stream of partitions) {
      expect(await context.log.offsets(stream)).toEqual({ first: 0, end: 1 });
      const [record] = await readAll(context.log, stream, 0);
      expect(record?.key?.toString()).toBe(STREAM_ID_KEY);
    }
  });

  test('closing ends readers and rejects what comes later', async () => {
    const stream = await context.newStream();
    const closing = context.under.open();
    const reading = readAll(closing, stream, 0, { to: 99 });
    await until(async () => (await closing.offsets(stream)).end === 1, 'the stream is not there');
    await closing.close();
    expect((await reading).length).toBeLessThanOrEqual(1);
    const append = closing.append(stream, [{ key: null, value: null }]);
    await expect(append).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  });

  const write = async (stream: StreamRef, entries: [string, string | null][]) => {
    for (const [key, value] of entries) {
      await context.log.append(stream, [{ key: text(key), value: value === null ? null : text(value) }]);
    }
  };
  /** A mark at the end tells where to stop: what compaction removed there never comes. */
  const rows = async (stream: StreamRef, from = 0) => {
    const mark = await offsetOf(context.log.append(stream, [{ key: text('~mark'), value: text('') }]));
    return (await readAll(context.log, stream, from, { to: mark + 1 }))
      .filter((record) => !(record.key?.toString() ?? '').startsWith('~'))
      .map((record) => [record.offset, record.key?.toString(), record.value?.toString() ?? null]);
  };
  const history: [string, string | null][] = [
    ['a', '1'],
    ['b', '1'],
    ['a', '2'],
    ['c', '1'],
    ['b', null],
    ['a', '3'],
  ];

  async function compactedTo(stream: StreamRef, expected: unknown): Promise<void> {
    const matches = async () => JSON.stringify(await rows(stream)) === JSON.stringify(expected);
    await until(
      async () => {
        if (await matches()) return true;
        await context.under.compact(stream.topic);
        return await matches();
      },
      async () => `compaction; the stream holds ${JSON.stringify(await rows(stream))}`,
      { deadlineMs: 90_000, everyMs: 300 },
    );
  }

  test('compaction keeps the newest record of each key and its offset; a tombstone stays its time', async () => {
    const stream = await context.newStream({
      cleanup: 'compact',
      minCompactionLagMs: 0,
      deleteRetentionMs: 3_600_000,
    });
    await context.under.prepareCompaction(stream.topic);
    const id = await context.log.streamId(stream);
    await write(stream, history);
    await compactedTo(stream, [
      [4, 'c', '1'],
      [5, 'b', null],
      [6, 'a', '3'],
    ]);
    expect(await rows(stream, 2)).toEqual([
      [4, 'c', '1'],
      [5, 'b', null],
      [6, 'a', '3'],
    ]);
    expect((await context.log.offsets(stream)).first).toBe(0);
    expect(await context.log.streamId(stream)).toBe(id);
  }, 120_000);

  test('a tombstone goes when its time is over, and a reader gets past the hole', async () => {
    const stream = await context.newStream({
      cleanup: 'compact',
      minCompactionLagMs: 0,
      deleteRetentionMs: 1,
    });
    await context.under.prepareCompaction(stream.topic);
    await write(stream, [...history, ['a', null], ['c', null], ['b', null]]);
    await compactedTo(stream, []);
    const after = { key: text('d'), value: text('after the hole') };
    const offset = await offsetOf(context.log.append(stream, [after]));
    expect(await rows(stream, 2)).toEqual([[offset, 'd', 'after the hole']]);
  }, 120_000);
}
