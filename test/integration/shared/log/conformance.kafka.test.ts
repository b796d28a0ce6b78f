import kafkajs from 'kafkajs';
import { pino } from 'pino';
import { startKafka } from '../../../../scripts/support/kafka.ts';
import { KafkaLog } from '../../../../services/shared/log/kafka-log.ts';
import { FaultProxy } from '../../../support/fault-proxy.ts';
import type { LogUnderTest } from './conformance-context.ts';
import { eventLogConformance } from './conformance.ts';

const { Kafka, ConfigResourceTypes, logLevel } = kafkajs;
const FAULT_RATE = 0.02;
const log = pino({ level: 'silent' });

eventLogConformance('Kafka', async (): Promise<LogUnderTest> => {
  const kafka = await startKafka();
  const brokers = kafka.brokers.split(',');
  const admin = new Kafka({ brokers, clientId: 'conformance', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  return {
    open: ({ onFetched } = {}) =>
      new KafkaLog({
        brokers,
        clientId: 'conformance',
        log,
        ...(onFetched === undefined ? {} : { onFetched: (_stream, bytes) => onFetched(bytes) }),
      }),
    openFaulty: async (random) => {
      const proxy = await FaultProxy.start(() => {
        if (random() >= FAULT_RATE) return 'none';
        const kind = random();
        return kind < 0.3 ? 'before' : kind < 0.5 ? 'middle' : 'after';
      });
      const faulty = new KafkaLog({
        brokers,
        clientId: 'conformance-faulty',
        log,
        socketFactory: proxy.socketFactory,
      });
      return {
        log: faulty,
        strikes: () => proxy.strikes,
        stop: async () => {
          await faulty.close();
          await proxy.stop();
        },
      };
    },
    prepareCompaction: async (topic) => {
      const configEntries = Object.entries({
        'cleanup.policy': 'compact',
        'segment.ms': '200',
        'min.cleanable.dirty.ratio': '0.0001',
        'message.timestamp.type': 'LogAppendTime',
        'delete.retention.ms': await deleteRetention(topic),
      }).map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
      });
    },
    // The cleaner runs by itself, on segments that later appends have closed.
    compact: () => Promise.resolve(),
    expireAll: async ({ topic, partition }) => {
      // Also makes kafkajs learn who leads the topic.
      const offsets = await admin.fetchTopicOffsets(topic);
      const offset = offsets.find((entry) => entry.partition === partition)?.high ?? '0';
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset }] });
    },
    writerArguments: ['kafka', kafka.brokers],
    stop: async () => {
      await admin.disconnect();
      await kafka.stop();
    },
  };

  /** kafkajs can only replace all settings of a topic. */
  async function deleteRetention(topic: string): Promise<string> {
    const name = 'delete.retention.ms';
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }],
    });
    return resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue ?? '';
  }
});
