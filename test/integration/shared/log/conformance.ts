/** The contract of event-log.ts as tests, run on every adapter. */
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import {
  STREAM_ID_KEY,
  type EventLog,
  type LogRecord,
  type StoredRecord,
  type StreamRef,
  type TopicSpec,
} from '../../../../services/shared/log/event-log.ts';
import { packageRoot } from '../../../../services/shared/paths.ts';
import { seededRandom } from '../../../support/random.ts';

export interface FaultyLog {
  readonly log: EventLog;
  /** How many faults have struck so far. */
  strikes(): number;
  stop(): Promise<void>;
}

export interface LogUnderTest {
  /** Another client of the same log, as another process would have. */
  open(options?: { onFetched?: (bytes: number) => void }): EventLog;
  /** A client whose appends fail now and then, before and after they are durable. */
  openFaulty(random: () => number): Promise<FaultyLog>;
  /** Settings that let compaction happen within a test, where the engine needs some. */
  prepareCompaction(topic: string): Promise<void>;
  /** Asks for compaction now; may do it later. */
  compact(topic: string): Promise<void>;
  /** Removes all records, as retention would. */
  expireAll(stream: StreamRef): Promise<void>;
  /** Arguments of test/support/log-writer.ts before the topic. */
  readonly writerArguments: readonly string[];
  stop(): Promise<void>;
}

const SEED = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);
const text = (value: string) => Buffer.from(value);

export function eventLogConformance(name: string, start: () => Promise<LogUnderTest>): void {
  describe(`${name}: the event log`, () => {
    let under: LogUnderTest;
    let log: EventLog;

    beforeAll(async () => {
      under = await start();
      log = under.open();
    });
    afterAll(async () => {
      await log?.close();
      await under?.stop();
    });

    async function newStream(spec: Partial<TopicSpec> = {}): Promise<StreamRef> {
      const topic = `conformance.${randomUUID()}`;
      await log.createTopic({ topic, partitions: 1, cleanup: 'delete', ...spec });
      return { topic, partition: 0 };
    }

    async function offsetOf(act: Promise<{ baseOffset: number }>): Promise<number> {
      return (await act).baseOffset;
    }

    appends();
    faults();
    reading();
    streams();
    compaction();

    function appends(): void {
      test('records come back in order and as they were: binary, empty, without key, without value, headers', async () => {
        const stream = await newStream();
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
        expect(await offsetOf(log.append(stream, records))).toBe(1);
        const stored = await readAll(log, stream, 1);
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
        const stream = await newStream();
        const made = Array.from({ length: 500 }, (_, number) =>
          offsetOf(log.append(stream, [{ key: null, value: text(String(number)) }])),
        );
        expect(await Promise.all(made)).toEqual(made.map((_, number) => number + 1));
        expect(valuesOf(await readAll(log, stream, 1))).toEqual(made.map((_, number) => String(number)));
      });

      test('a record over the limit is refused with its code, and nothing of its append is stored', async () => {
        const stream = await newStream({ maxRecordBytes: 200_000 });
        const large = { key: text('large'), value: randomBytes(300_000) };
        const small = { key: text('small'), value: text('small') };
        const fails = { code: 'LOG_RECORD_TOO_LARGE' };
        await expect(log.append(stream, [small, large, small])).rejects.toMatchObject(fails);
        const veryLarge = Array.from({ length: 10 }, () => ({ key: null, value: randomBytes(190_000) }));
        await expect(log.append(stream, [...veryLarge, large])).rejects.toMatchObject(fails);
        expect(await log.offsets(stream)).toEqual({ first: 0, end: 1 });
        expect(await offsetOf(log.append(stream, [small]))).toBe(1);
      });

      test('an append larger than any batch is stored whole and in order', async () => {
        const stream = await newStream();
        const records = Array.from({ length: 30 }, (_, number) => ({
          key: text(String(number)),
          value: Buffer.alloc(900_000, number),
        }));
        expect(await offsetOf(log.append(stream, records))).toBe(1);
        const stored = await readAll(log, stream, 1);
        expect(stored.map((record) => record.key?.toString())).toEqual(
          records.map((_, number) => String(number)),
        );
      });

      test('a record as large as a topic takes by default can be stored and read with a small prefetch', async () => {
        const stream = await newStream();
        const value = randomBytes(16 * 1024 * 1024 - 3);
        await log.append(stream, [
          { key: text('big'), value },
          { key: text('x'), value: null },
        ]);
        const stored = await readAll(log, stream, 1, { prefetchBytes: 64 * 1024 });
        expect(stored.map((record) => record.value?.length)).toEqual([value.length, undefined]);
        expect(stored[0]?.value?.equals(value)).toBe(true);
      });

      test('a compacted stream refuses a record without a key, and nothing of its append is stored', async () => {
        const stream = await newStream({ cleanup: 'compact' });
        const append = log.append(stream, [
          { key: text('a'), value: text('a') },
          { key: null, value: text('b') },
        ]);
        await expect(append).rejects.toMatchObject({ code: 'LOG_RECORD_INVALID' });
        expect(await log.offsets(stream)).toEqual({ first: 0, end: 1 });
      });

      test('a topic that does not exist is said to be missing, by append, read and offsets', async () => {
        const stream = { topic: `conformance.missing.${randomUUID()}`, partition: 0 };
        const missing = { code: 'LOG_TOPIC_MISSING' };
        await expect(log.append(stream, [{ key: null, value: null }])).rejects.toMatchObject(missing);
        await expect(readAll(log, stream, 0)).rejects.toMatchObject(missing);
        await expect(log.offsets(stream)).rejects.toMatchObject(missing);
      });

      test('an append whose caller has given up is rejected at once', async () => {
        const stream = await newStream();
        const signal = AbortSignal.abort();
        await expect(log.append(stream, [{ key: null, value: null }], { signal })).rejects.toMatchObject({
          code: 'LOG_UNREACHABLE',
        });
        expect((await log.offsets(stream)).end).toBe(1);
      });
    }

    function faults(): void {
      test(`10,000 appends with failures and lost replies: none missing, none out of order (seed ${SEED})`, async () => {
        const stream = await newStream();
        const random = seededRandom(SEED);
        const faulty = await under.openFaulty(random);
        const appends = Array.from({ length: 10_000 }, (_, number) => ({ number, count: 1 + (number % 3) }));
        const troubles = new Set<string>();
        const append = ({ number, count }: { number: number; count: number }) => {
          const records = Array.from({ length: count }, (_, index) => ({
            key: text(`${number}`),
            value: text(`${number}:${index}`),
          }));
          const onTrouble = ({ code }: { code: string }) => troubles.add(code);
          return offsetOf(faulty.log.append(stream, records, { onTrouble }));
        };
        try {
          const bases: number[] = [];
          while (bases.length < appends.length) {
            const wave = appends.slice(bases.length, bases.length + 1 + Math.floor(random() * 20));
            bases.push(...(await Promise.all(wave.map(append))));
          }
          const stored = await readAll(log, stream, 1);
          const at = new Map(stored.map((record) => [record.offset, record.value?.toString()]));
          for (const { number, count } of appends) {
            const base = bases[number] ?? -1;
            for (let index = 0; index < count; index += 1)
              expect(at.get(base + index)).toBe(`${number}:${index}`);
          }
          const order = stored.map((record) => Number(record.key?.toString()));
          expect(order.every((number, index) => index === 0 || (order[index - 1] ?? 0) <= number)).toBe(true);
          expect(faulty.strikes()).toBeGreaterThan(20);
          expect([...troubles]).toEqual(['LOG_UNREACHABLE']);
        } finally {
          await faulty.stop();
        }
      }, 240_000);

      test('what an append reported as durable survives kill -9 of the writer', async () => {
        const stream = await newStream();
        const child = spawn(
          process.execPath,
          [
            '--import',
            './test/support/typescript-hooks.js',
            'test/support/log-writer.ts',
            ...under.writerArguments,
            stream.topic,
          ],
          { cwd: packageRoot(), stdio: ['ignore', 'pipe', 'inherit'] },
        );
        const exited = once(child, 'exit');
        const reported: string[] = [];
        for await (const line of createInterface({ input: child.stdout })) {
          reported.push(line);
          if (reported.length === 300) child.kill('SIGKILL');
        }
        await exited;
        expect(reported.length).toBeGreaterThanOrEqual(300);
        const stored = new Map((await readAll(log, stream, 1)).map((record) => [record.offset, record]));
        for (const line of reported) {
          const [number, offset] = line.split(' ');
          expect(stored.get(Number(offset))?.value?.toString()).toBe(number);
        }
      });
    }

    function reading(): void {
      test('reading begins at any offset asked for', async () => {
        const stream = await newStream();
        for (let batch = 0; batch < 5; batch += 1) {
          await log.append(
            stream,
            Array.from({ length: 7 }, () => ({ key: null, value: text('x') })),
          );
        }
        for (let from = 0; from <= 36; from += 1) {
          const offsets = (await readAll(log, stream, from)).map((record) => record.offset);
          expect(offsets).toEqual(Array.from({ length: 36 - from }, (_, index) => from + index));
        }
      });

      test('a reader waiting at the end gets what another client appends, soon', async () => {
        const stream = await newStream();
        const other = under.open();
        const stop = new AbortController();
        const reader = log.read(stream, { from: 1, signal: stop.signal })[Symbol.asyncIterator]();
        try {
          for (let number = 0; number < 20; number += 1) {
            const next = reader.next();
            await other.append(stream, [{ key: null, value: text(String(number)) }]);
            const appended = performance.now();
            const got = await next;
            expect(got.done === true ? 'ended' : valuesOf(got.value)).toEqual([String(number)]);
            expect(performance.now() - appended).toBeLessThan(1_000);
          }
        } finally {
          stop.abort();
          await other.close();
        }
      });

      test('cancelling ends a waiting reader at once, without an error', async () => {
        const stream = await newStream();
        const stop = new AbortController();
        const reader = log.read(stream, { from: 1, signal: stop.signal })[Symbol.asyncIterator]();
        const waiting = reader.next();
        await log.append(stream, [{ key: null, value: text('proof that it waits') }]);
        expect((await waiting).done).toBe(false);
        const ending = reader.next();
        const cancelledAt = performance.now();
        stop.abort();
        expect((await ending).done).toBe(true);
        expect(performance.now() - cancelledAt).toBeLessThan(500);
        for await (const _ of log.read(stream, { from: 0, signal: stop.signal })) expect.unreachable();
      });

      test('no more is fetched ahead of a slow reader than was allowed', async () => {
        const stream = await newStream();
        for (let batch = 0; batch < 40; batch += 1) {
          await log.append(
            stream,
            Array.from({ length: 500 }, () => ({ key: text('k'), value: randomBytes(500) })),
          );
        }
        const prefetchBytes = 1024 * 1024;
        const fetches: number[] = [];
        const slow = under.open({ onFetched: (bytes) => fetches.push(bytes) });
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

      test('an offset past the end, or removed, is out of range; offsets never go back', async () => {
        const stream = await newStream({ retentionMs: 3_600_000 });
        await log.append(stream, [{ key: null, value: text('x') }]);
        const outside = { code: 'LOG_OFFSET_OUT_OF_RANGE' };
        await expect(readAll(log, stream, 3, { to: 4 })).rejects.toMatchObject(outside);
        await under.expireAll(stream);
        await until(async () => (await log.offsets(stream)).first === 2, 'first offset did not move');
        expect(await log.offsets(stream)).toEqual({ first: 2, end: 2 });
        expect(await log.streamId(stream)).toBeUndefined();
        await expect(readAll(log, stream, 0, { to: 4 })).rejects.toMatchObject(outside);
        expect(await offsetOf(log.append(stream, [{ key: null, value: text('y') }]))).toBe(2);
        expect(valuesOf(await readAll(log, stream, 2))).toEqual(['y']);
      });
    }

    function streams(): void {
      test('every stream has an id of its own, its first record, which creating it again does not change', async () => {
        const spec: TopicSpec = { topic: `conformance.${randomUUID()}`, partitions: 3, cleanup: 'compact' };
        expect(await log.createTopic(spec)).toBe('created');
        const partitions = [0, 1, 2].map((partition) => ({ topic: spec.topic, partition }));
        const ids = await Promise.all(partitions.map((stream) => log.streamId(stream)));
        expect(new Set(ids).size).toBe(3);
        expect(ids).not.toContain(undefined);
        const other = under.open();
        expect(await other.createTopic(spec)).toBe('exists');
        expect(await Promise.all(partitions.map((stream) => other.streamId(stream)))).toEqual(ids);
        await other.close();
        for (const stream of partitions) {
          expect(await log.offsets(stream)).toEqual({ first: 0, end: 1 });
          const [record] = await readAll(log, stream, 0);
          expect(record?.key?.toString()).toBe(STREAM_ID_KEY);
        }
      });

      test('closing ends readers and rejects what comes later', async () => {
        const stream = await newStream();
        const closing = under.open();
        const reading = readAll(closing, stream, 0, { to: 99 });
        await until(async () => (await closing.offsets(stream)).end === 1, 'the stream is not there');
        await closing.close();
        expect((await reading).length).toBeLessThanOrEqual(1);
        const append = closing.append(stream, [{ key: null, value: null }]);
        await expect(append).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
      });
    }

    function compaction(): void {
      const write = async (stream: StreamRef, entries: [string, string | null][]) => {
        for (const [key, value] of entries) {
          await log.append(stream, [{ key: text(key), value: value === null ? null : text(value) }]);
        }
      };
      /** A mark at the end tells where to stop: what compaction removed there never comes. */
      const rows = async (stream: StreamRef, from = 0) => {
        const mark = await offsetOf(log.append(stream, [{ key: text('~mark'), value: text('') }]));
        return (await readAll(log, stream, from, { to: mark + 1 }))
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
            await under.compact(stream.topic);
            return await matches();
          },
          async () => `compaction; the stream holds ${JSON.stringify(await rows(stream))}`,
          { deadlineMs: 90_000, everyMs: 300 },
        );
      }

      test('compaction keeps the newest record of each key and its offset; a tombstone stays its time', async () => {
        const stream = await newStream({
          cleanup: 'compact',
          minCompactionLagMs: 0,
          deleteRetentionMs: 3_600_000,
        });
        await under.prepareCompaction(stream.topic);
        const id = await log.streamId(stream);
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
        expect((await log.offsets(stream)).first).toBe(0);
        expect(await log.streamId(stream)).toBe(id);
      }, 120_000);

      test('a tombstone goes when its time is over, and a reader gets past the hole', async () => {
        const stream = await newStream({ cleanup: 'compact', minCompactionLagMs: 0, deleteRetentionMs: 1 });
        await under.prepareCompaction(stream.topic);
        await write(stream, [...history, ['a', null], ['c', null], ['b', null]]);
        await compactedTo(stream, []);
        const after = { key: text('d'), value: text('after the hole') };
        const offset = await offsetOf(log.append(stream, [after]));
        expect(await rows(stream, 2)).toEqual([[offset, 'd', 'after the hole']]);
      }, 120_000);
    }
  });
}

/** Everything from `from` to the end as it is now, or up to and without `to`, which must be there. */
async function readAll(
  log: EventLog,
  stream: StreamRef,
  from: number,
  { to, prefetchBytes }: { to?: number; prefetchBytes?: number } = {},
): Promise<StoredRecord[]> {
  const end = to ?? (await log.offsets(stream)).end;
  const records: StoredRecord[] = [];
  if (from === end) return records;
  const { signal } = new AbortController();
  const ahead = prefetchBytes === undefined ? {} : { prefetchBytes };
  for await (const batch of log.read(stream, { from, signal, ...ahead })) {
    records.push(...batch.filter((record) => record.offset < end));
    if ((batch.at(-1)?.offset ?? 0) >= end - 1) break;
  }
  return records;
}

function valuesOf(records: readonly StoredRecord[]): (string | undefined)[] {
  return records.map((record) => record.value?.toString());
}

/** Until a count has stayed the same over several looks: whoever raises it is waiting. */
async function untilSteady(count: () => number): Promise<void> {
  let last = -1;
  let same = 0;
  await until(
    () => {
      same = count() === last ? same + 1 : 0;
      last = count();
      return same >= 4;
    },
    'it kept rising',
    { everyMs: 5 },
  );
}
