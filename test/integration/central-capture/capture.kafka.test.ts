import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { KafkaLog } from '../../../services/shared/log/kafka-log.ts';
import { CaptureSite } from '../../support/capture-site.ts';

describe('capture on Kafka', () => {
  let kafka: RunningKafka;
  let site: CaptureSite;

  beforeAll(async () => {
    kafka = await startKafka();
    const log = pino({ level: 'silent' });
    const eventLog = new KafkaLog({ brokers: kafka.brokers.split(','), clientId: 'capture-test', log });
    site = await CaptureSite.start({ eventLog });
  });
  afterAll(async () => {
    await site.stop();
    await kafka.stop();
  });

  it('brings every row once, in commit order, across restarts', async () => {
    await site.pool.query(
      `INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series(1, 5000) AS i`,
    );
    await site.setup();
    let running = await site.capture();
    await site.seeded();
    for (let round = 0; round < 3; round += 1) {
      await site.pool.query(
        `INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series($1::int, $2::int) AS i`,
        [10_000 * (round + 1), 10_000 * (round + 1) + 2_999],
      );
      await site.pool.query(`INSERT INTO orders VALUES ($1, 'north', 'n')`, [round]);
      await running.stop();
      running = await site.capture();
    }
    await site.acknowledged();
    const { changes } = await site.catalog();
    const ids = changes.filter((change) => change.table === 'products').map((change) => change.id);
    expect(ids).toHaveLength(14_000);
    expect(new Set(ids).size).toBe(14_000);
    const orders = (await site.store('north')).changes.filter((change) => change.table === 'orders');
    expect(orders.map((change) => change.id)).toEqual(['0', '1', '2']);
  });
});
