import { describe, expect, it } from 'vitest';
import { kafkaAccess } from '../../../services/cli/kafka-access.ts';

const options = {
  mechanism: 'scram-sha-512' as const,
  brokers: ['k1:9092', 'k2:9092'],
  prefix: 'payflow',
  terminalId: 'till-7',
  storeId: 'berlin-1',
};

describe('what a till needs at Kafka', () => {
  it('is a user of its own, reading three topics and writing one', () => {
    const at = '--bootstrap-server k1:9092,k2:9092 --command-config admin.properties';
    expect(kafkaAccess({ ...options, newPassword: () => 'pw' })).toEqual({
      username: 'payflow.till.till-7',
      password: 'pw',
      commands: [
        `kafka-configs.sh ${at} --alter --entity-type users --entity-name payflow.till.till-7 --add-config 'SCRAM-SHA-512=[password=pw]'`,
        `kafka-acls.sh ${at} --add --allow-principal User:payflow.till.till-7 --operation Read --operation Describe` +
          ' --topic payflow.catalog --topic payflow.schemas --topic payflow.store.berlin-1',
        `kafka-acls.sh ${at} --add --allow-principal User:payflow.till.till-7 --operation Write --operation Describe --topic payflow.up`,
      ],
    });
  });

  it('has a password that nobody can guess, and none where Kafka’s commands do not keep it', () => {
    const [first, second] = [kafkaAccess(options), kafkaAccess(options)];
    expect(first.password).toMatch(/^[\w-]{32}$/);
    expect(first.password).not.toBe(second.password);
    const plain = kafkaAccess({ ...options, mechanism: 'plain' });
    expect(plain.password).toBeNull();
    expect(plain.commands).toHaveLength(2);
  });
});
