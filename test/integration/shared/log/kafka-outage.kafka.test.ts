import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startKafka, type RunningKafka } from '../../../../scripts/support/kafka.ts';
import { until } from '../../../../scripts/support/until.ts';
import { KafkaLog } from '../../../../services/shared/log/kafka-log.ts';
import { withReleasers } from '../../../../services/shared/lifecycle.ts';

const OUTAGE_MS = 20_000;
const logger = pino({ level: 'silent' });
let kafka: RunningKafka;

beforeAll(async () => {
  kafka = await startKafka({ own: true });
});
afterAll(() => kafka?.stop());

const openLog = () => new KafkaLog({ brokers: kafka.brokers.split(','), clientId: 'outage', log: logger });

test('with the broker killed for 20 s, appends and readers wait, go on by themselves, and nothing is lost or doubled', async () => {
  await withReleasers(async (onRelease) => {
    const log = openLog();
    onRelease(() => log.close());
    const stream = { topic: `outage.${randomUUID()}`, partition: 0 };
    await log.createTopic({
      topic: stream.topic,
      partitions: 1,
      cleanup: 'compact',
      minCompactionLagMs: 1e9,
    });

    const stop = new AbortController();
    const readerStop = new AbortController();
    const troubles = { append: new Set<string>(), read: new Set<string>() };
    let appended = 0;
    const appending = (async () => {
      for (; !stop.signal.aborted; appended += 1) {
        const value = Buffer.from(String(appended));
        const onTrouble = ({ code }: { code: string }) => troubles.append.add(code);
        const { signal } = readerStop;
        const { baseOffset } = await log.append(stream, [{ key: value, value }], { signal, onTrouble });
        expect(baseOffset).toBe(appended + 1);
      }
    })();
    const seen: string[] = [];
    const onTrouble = ({ code }: { code: string }) => troubles.read.add(code);
    const reading = (async () => {
      for await (const batch of log.read(stream, { from: 1, signal: readerStop.signal, onTrouble })) {
        seen.push(...batch.map((record) => record.value?.toString() ?? ''));
      }
    })();
    onRelease(async () => {
      stop.abort();
      readerStop.abort();
      await Promise.allSettled([appending, reading]);
    });

    await until(() => seen.length > 100, 'nothing was read before the outage');
    await kafka.kill();
    const killedAt = Date.now();
    await until(() => troubles.append.size > 0 && troubles.read.size > 0, 'the outage was not reported');
    const before = appended;
    await until(() => Date.now() - killedAt >= OUTAGE_MS, 'the clock stands');
    expect(appended).toBe(before);
    await kafka.restart();
    await until(() => appended > before + 100, 'appends did not go on');
    stop.abort();
    await appending;
    await until(
      () => seen.length >= appended,
      () => `read ${seen.length} of ${appended}`,
    );
    expect(seen).toEqual(Array.from({ length: appended }, (_, number) => String(number)));
    expect([...troubles.append, ...troubles.read]).toEqual(['LOG_UNREACHABLE', 'LOG_UNREACHABLE']);
  });
}, 180_000);

test('an append to a dead broker ends when its caller gives up, and so does a reader', async () => {
  const log = openLog();
  const stream = { topic: `outage.${randomUUID()}`, partition: 0 };
  await log.createTopic({ topic: stream.topic, partitions: 1, cleanup: 'delete', retentionMs: 3_600_000 });
  await kafka.kill();
  try {
    const stop = new AbortController();
    const onTrouble = () => stop.abort();
    const { signal } = stop;
    await expect(
      log.append(stream, [{ key: null, value: null }], { signal, onTrouble }),
    ).rejects.toMatchObject({
      code: 'LOG_UNREACHABLE',
    });
    const readStop = new AbortController();
    const giveUp = () => readStop.abort();
    for await (const _ of log.read(stream, { from: 0, signal: readStop.signal, onTrouble: giveUp })) {
      expect.unreachable();
    }
  } finally {
    await log.close();
    await kafka.restart();
  }
}, 120_000);
