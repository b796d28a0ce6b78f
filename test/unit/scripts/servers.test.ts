import { describe, expect, it } from 'vitest';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { kafkaPlan, postgresPlan } from '../../../scripts/support/docker.ts';
import { BROKER_PROPERTIES, brokerProperties, newClusterId } from '../../../scripts/support/local-kafka.ts';

describe('the container of a Kafka', () => {
  const plan = kafkaPlan({
    image: 'apache/kafka:4.3.0',
    hostPort: 21_000,
    host: 'docker.test',
    clusterId: 'some-id',
    properties: BROKER_PROPERTIES,
  });

  it('tells clients the address at which its port is published', () => {
    expect(plan.environment['KAFKA_ADVERTISED_LISTENERS']).toContain('HOST://docker.test:21000');
    expect(plan.containerPort).toBe(9092);
    expect(plan.environment['KAFKA_LISTENERS']).toContain('HOST://0.0.0.0:9092');
  });

  it('talks to itself inside the container, where the published address leads nowhere', () => {
    expect(plan.environment['KAFKA_INTER_BROKER_LISTENER_NAME']).toBe('INTERNAL');
    expect(plan.environment['KAFKA_ADVERTISED_LISTENERS']).toContain('INTERNAL://127.0.0.1:9094');
  });

  it('has the same properties as a broker run by Java', () => {
    expect(plan.environment['KAFKA_MESSAGE_MAX_BYTES']).toBe('16777216');
    expect(plan.environment['KAFKA_AUTO_CREATE_TOPICS_ENABLE']).toBe('false');
    const text = brokerProperties({ port: 21_000, controllerPort: 21_001 }, '/tmp/x');
    for (const [name, value] of Object.entries(BROKER_PROPERTIES))
      expect(text).toContain(`${name}=${value}\n`);
  });
});

describe('the container of a PostgreSQL', () => {
  it('is started with the flags', () => {
    const plan = postgresPlan({
      image: 'postgres:18',
      hostPort: 21_000,
      password: 'p',
      flags: ['-c', 'wal_level=logical'],
    });
    expect(plan.command).toEqual(['postgres', '-c', 'wal_level=logical']);
    expect(plan.environment).toEqual({ POSTGRES_PASSWORD: 'p' });
  });
});

describe('a broker run by Java', () => {
  it('gets a cluster id of 16 random bytes, base64url without padding', () => {
    expect(newClusterId()).toMatch(/^[\w-]{22}$/);
    expect(newClusterId()).not.toBe(newClusterId());
  });
});

describe('a free port', () => {
  it('lies below the range that outgoing connections take', async () => {
    expect(await freePort(() => 0.5)).toBeLessThan(32_768);
    expect(await freePort()).toBeGreaterThanOrEqual(20_000);
  });
});
