import { describe, expect, test } from 'vitest';
import { splitBySize } from '../../../../services/shared/log/kafka-appender.ts';
import { parseBroker } from '../../../../services/shared/log/kafka-nodes.ts';
import { topicConfig } from '../../../../services/shared/log/kafka-topics.ts';
import { topicSpecCatalog, topicSpecUp } from '../../../../services/shared/log/topics.ts';

const settings = (entries: readonly { name: string; value: string }[]) =>
  Object.fromEntries(entries.map(({ name, value }) => [name, value]));

describe('settings of Kafka', () => {
  test('a down topic keeps the horizon, the time stamps of the broker and never loses data to an election', () => {
    expect(settings(topicConfig(topicSpecCatalog('payflow', 14), 3))).toEqual({
      'cleanup.policy': 'compact',
      'compression.type': 'producer',
      'message.timestamp.type': 'LogAppendTime',
      'max.message.bytes': '16778240',
      'min.insync.replicas': '2',
      'unclean.leader.election.enable': 'false',
      'min.compaction.lag.ms': '1209600000',
      'delete.retention.ms': '1296000000',
      // Nothing is deleted by age or size, whatever somebody makes of the policy.
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'max.compaction.lag.ms': '9223372036854775807',
    });
  });

  test('the up topic is deleted by age; a single broker is in sync with itself', () => {
    expect(settings(topicConfig(topicSpecUp('payflow', 4), 1))).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': '3024000000',
      'min.insync.replicas': '1',
    });
  });

  test.each([
    ['kafka:9093', { host: 'kafka', port: 9093 }],
    [' 10.0.0.1 ', { host: '10.0.0.1', port: 9092 }],
    ['[fe80::1]:9094', { host: 'fe80::1', port: 9094 }],
  ])('the broker %j is understood', (broker, expected) => {
    expect(parseBroker(broker)).toEqual(expected);
  });

  test.each(['', ':9092', 'kafka:', 'kafka:0', 'kafka:70000', 'http://kafka:9092'])(
    'the broker %j is refused',
    (broker) => {
      expect(() => parseBroker(broker)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );

  test('a large append is cut between records, in order, each part within the limit', () => {
    const sizes = [4, 4, 4, 10, 1, 1];
    const records = sizes.map((size) => ({ key: null, value: Buffer.alloc(size) }));
    const parts = splitBySize(records, sizes, 10);
    expect(parts.map((part) => part.map((record) => record.value?.length))).toEqual([
      [4, 4],
      [4],
      [10],
      [1, 1],
    ]);
  });
});
