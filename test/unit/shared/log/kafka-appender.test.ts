import { randomBytes } from 'node:crypto';
import type { ProtocolRequest } from 'kafkajs/src/network/connectionPool.js';
import { expect, it } from 'vitest';
import { PayflowError } from '../../../../services/shared/errors.ts';
import type { LogRecord } from '../../../../services/shared/log/event-log.ts';
import { KafkaAppender } from '../../../../services/shared/log/kafka-appender.ts';
import { TopicLimits } from '../../../../services/shared/log/kafka-limits.ts';
import type { KafkaNodes } from '../../../../services/shared/log/kafka-nodes.ts';

const MB = 1024 * 1024;
const record = (bytes: number): LogRecord => ({ key: null, value: randomBytes(bytes) });

/** A broker that takes what its topic takes, and tells it or not. */
function site(topic: { limit: number; isTold: boolean }) {
  const broker = { refusals: 0, batches: 0 };
  const send = async ({ request }: ProtocolRequest<number>) => {
    const { buffer } = await request.encode();
    if (buffer.length > topic.limit) {
      broker.refusals += 1;
      throw new PayflowError('LOG_RECORD_TOO_LARGE', 'the broker says so');
    }
    broker.batches += 1;
    return broker.batches;
  };
  const nodes = {
    leaderOf: () => Promise.resolve({ host: 'h', port: 1 }),
    connectionTo: () => ({ send }),
    onLeader: () => Promise.resolve({ producerId: '1', producerEpoch: 0 }),
    doubt: () => undefined,
  };
  const ask = () => Promise.resolve(topic.isTold ? topic.limit : undefined);
  const appender = new KafkaAppender({
    stream: { topic: 't', partition: 0 },
    nodes: nodes as unknown as KafkaNodes,
    limits: new TopicLimits({ ask, now: () => 0 }),
    now: () => 0,
  });
  return { append: (...sizes: number[]) => appender.append(sizes.map(record), {}), broker };
}

const TOO_LARGE = { code: 'LOG_RECORD_TOO_LARGE' };

it('a limit that was raised is asked for before a record is refused by the old one', async () => {
  const topic = { limit: MB, isTold: true };
  const { append, broker } = site(topic);
  await expect(append(2 * MB)).rejects.toMatchObject(TOO_LARGE);
  topic.limit = 4 * MB;
  await append(2 * MB);
  expect(broker).toEqual({ refusals: 0, batches: 1 });
  await expect(append(5 * MB)).rejects.toMatchObject(TOO_LARGE);
  expect(broker).toEqual({ refusals: 0, batches: 1 });
});

it('a guess cuts batches and refuses no record: a batch that was too large says little of each', async () => {
  const { append, broker } = site({ limit: 3.5 * MB, isTold: false });
  await append(2 * MB, 2 * MB);
  expect(broker).toEqual({ refusals: 1, batches: 2 });
  // Above the guess of 2 MB, and below what the topic takes.
  await append(3 * MB);
  await append(1.5 * MB, 1.5 * MB);
  expect(broker).toEqual({ refusals: 1, batches: 5 });
  await expect(append(3.9 * MB)).rejects.toMatchObject({ ...TOO_LARGE, details: { isTold: false } });
  expect(broker.refusals).toBe(2);
});

it('above what any topic of ours takes a record is refused unsent, also where nobody tells a limit', async () => {
  const { append, broker } = site({ limit: 100 * MB, isTold: false });
  await expect(append(17 * MB)).rejects.toMatchObject(TOO_LARGE);
  expect(broker).toEqual({ refusals: 0, batches: 0 });
});
