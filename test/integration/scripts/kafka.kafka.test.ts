import kafkajs from 'kafkajs';
import { afterEach, describe, expect, it } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { until } from '../../../scripts/support/until.ts';

let kafka: RunningKafka | undefined;

afterEach(async () => {
  await kafka?.stop();
  kafka = undefined;
});

function client(brokers: string): kafkajs.Kafka {
  return new kafkajs.Kafka({ brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
}

async function firstValue(brokers: string, topic: string): Promise<string | undefined> {
  const consumer = client(brokers).consumer({ groupId: `reader-${Date.now()}` });
  let value: string | undefined;
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void (value ??= message.value?.toString()) });
    await until(() => value !== undefined, 'the record is read again');
  } finally {
    await consumer.disconnect();
  }
  return value;
}

async function firstController(brokers: string): Promise<number | null> {
  const admin = client(brokers).admin();
  await admin.connect();
  const { controller } = await admin.describeCluster();
  await admin.disconnect();
  return controller;
}

describe('a Kafka of our own', () => {
  it('comes back after kill -9 with what was acknowledged, at the same address', async () => {
    kafka = await startKafka({ own: true });
    const admin = client(kafka.brokers).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'sales', numPartitions: 1, replicationFactor: 1 }] });
    await admin.disconnect();
    const producer = client(kafka.brokers).producer();
    await producer.connect();
    await producer.send({ topic: 'sales', acks: -1, messages: [{ value: 'one' }] });
    await producer.disconnect();
    await kafka.kill();
    await kafka.restart();
    expect(await firstValue(kafka.brokers, 'sales')).toBe('one');
  });

  it('can be shared, and then refuses to be killed by one of its users', async () => {
    kafka = await startKafka({ own: true });
    const shared = await startKafka({ env: { TEST_KAFKA_BROKERS: kafka.brokers } });
    expect(shared.brokers).toBe(kafka.brokers);
    await expect(shared.kill()).rejects.toMatchObject({ code: 'USAGE' });
    await shared.stop();
    await expect(firstController(kafka.brokers)).resolves.toBe(1);
  });

  it('that is named but does not answer is an error with a code', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    await expect(
      startKafka({ env: { TEST_KAFKA_BROKERS: nobody }, sharedDeadlineMs: 300 }),
    ).rejects.toMatchObject({
      code: 'LOG_UNREACHABLE',
    });
  });
});
