/** The event log of a demo: one file of its own, or Kafka. */
import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';
import type { Releaser } from '../../services/shared/lifecycle.ts';
import { startKafka } from '../support/kafka.ts';

export interface DemoBrokers {
  readonly brokers: string;
  readonly prefix: string;
}

/** On a broker that others use too, the demo's topics have names of their own and are removed at the end. */
export async function startBrokers(onRelease: (undo: Releaser) => void): Promise<DemoBrokers> {
  const kafka = await startKafka();
  onRelease(() => kafka.stop());
  const { brokers } = kafka;
  if ((process.env['TEST_KAFKA_BROKERS'] ?? '').trim() === '') return { brokers, prefix: 'payflow' };
  const prefix = `demo-${randomBytes(4).toString('hex')}`;
  onRelease(() => removeTopics(brokers, prefix));
  return { brokers, prefix };
}

async function removeTopics(brokers: string, prefix: string): Promise<void> {
  const client = new kafkajs.Kafka({
    clientId: 'payflow-demo',
    brokers: brokers.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${prefix}.`));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
