import { describe, expect, test } from 'vitest';
import {
  catalogTopic,
  schemasTopic,
  storeIdOfTopic,
  storeStream,
  storeTopic,
  streamName,
  topicSpecCatalog,
  topicSpecSchemas,
  topicSpecStore,
  topicSpecUp,
  upStream,
  upTopic,
} from '../../../../services/shared/log/topics.ts';

const DAY_MS = 86_400_000;

describe('topics', () => {
  test('are named after the prefix', () => {
    expect(catalogTopic('payflow')).toBe('payflow.catalog');
    expect(storeTopic('payflow', 'Berlin-1')).toBe('payflow.store.Berlin-1');
    expect(upTopic('payflow')).toBe('payflow.up');
    expect(schemasTopic('payflow')).toBe('payflow.schemas');
    expect(streamName(storeStream('payflow', '7'))).toBe('payflow.store.7/0');
  });

  test('the store of a store topic is found again, and only of those', () => {
    expect(storeIdOfTopic('payflow', storeTopic('payflow', 'a.b_c-1'))).toBe('a.b_c-1');
    expect(storeIdOfTopic('payflow', 'payflow.catalog')).toBeUndefined();
    expect(storeIdOfTopic('payflow', 'other.store.1')).toBeUndefined();
    expect(storeIdOfTopic('payflow', 'payflow.store.')).toBeUndefined();
  });

  test('down topics keep transactions whole inside the horizon, and tombstones a day longer', () => {
    for (const spec of [topicSpecCatalog('payflow', 14), topicSpecStore('payflow', '1', 14)]) {
      expect(spec).toMatchObject({
        partitions: 1,
        cleanup: 'compact',
        minCompactionLagMs: 14 * DAY_MS,
        deleteRetentionMs: 15 * DAY_MS,
        maxRecordBytes: 16 * 1024 * 1024,
      });
    }
  });

  test('the up topic is a queue kept for 35 days, with as many partitions as asked for', () => {
    expect(topicSpecUp('payflow', 64)).toMatchObject({
      partitions: 64,
      cleanup: 'delete',
      retentionMs: 35 * DAY_MS,
    });
    expect(topicSpecUp('payflow').partitions).toBe(16);
    expect(topicSpecSchemas('payflow')).toMatchObject({ partitions: 1, cleanup: 'compact' });
  });

  test.each(['', 'Payflow', '.x', 'a b', 'a/b', 'x'.repeat(64)])('the prefix %j is refused', (prefix) => {
    expect(() => catalogTopic(prefix)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test.each(['', 'a b', 'ä', '../x', 'x'.repeat(65)])('the store id %j is refused', (storeId) => {
    expect(() => storeTopic('payflow', storeId)).toThrow(expect.objectContaining({ code: 'VALIDATION' }));
  });

  test.each([-1, 1.5, Number.NaN])('the partition %d is refused', (partition) => {
    expect(() => upStream('payflow', partition)).toThrow(expect.objectContaining({ code: 'VALIDATION' }));
  });
});
