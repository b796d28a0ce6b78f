import { createConnection, createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { until } from '../../../scripts/support/until.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { KafkaLog } from '../../../services/shared/log/kafka-log.ts';
import { CaptureSite } from '../../support/capture-site.ts';
import { payflow } from '../../support/cli.ts';

describe('capture on Kafka', () => {
  let kafka: RunningKafka;
  let site: CaptureSite;

  beforeAll(async () => {
    kafka = await startKafka();
  });
  beforeEach(async () => {
    const log = pino({ level: 'silent' });
    const eventLog = new KafkaLog({ brokers: kafka.brokers.split(','), clientId: 'capture-test', log });
    site = await CaptureSite.start({ eventLog });
  });
  afterEach(async () => {
    await site.stop();
  });
  afterAll(async () => {
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

  it('waits, unready, for a Kafka that is away at the start, and goes on when it comes', async () => {
    await site.setup();
    const [port, metricsPort] = [await freePort(), await freePort()];
    const stop = new AbortController();
    const running = payflow(
      ['run', 'capture'],
      {
        DATABASE_URL: site.url,
        KAFKA_BROKERS: `127.0.0.1:${port}`,
        TOPIC_PREFIX: site.prefix,
        METRICS_PORT: String(metricsPort),
        LOG_LEVEL: 'silent',
      },
      stop.signal,
    );
    const readiness = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${metricsPort}/readyz`).catch(() => undefined);
      return answer === undefined ? '' : answer.text();
    };
    await until(
      async () => (await readiness()).includes('LOG_UNREACHABLE'),
      'capture says what it waits for',
    );
    const closeDoor = await openDoor(port, kafka.brokers);
    await until(async () => (await readiness()).startsWith('{"ready":true'), 'capture is ready');
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (900001, 'late')`);
    // From the WAL, or with the seeding that its table still waits for.
    await until(
      async () => (await site.catalog()).changes.some(({ id }) => id === '900001'),
      'the row is in the stream',
    );
    stop.abort();
    expect(await running).toMatchObject({ code: 0, stderr: '' });
    closeDoor();
  });
});

/** From now on the port leads to the broker. */
async function openDoor(port: number, brokers: string): Promise<() => void> {
  const [host = '', brokerPort = ''] = brokers.split(',')[0]?.split(':') ?? [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const broker = createConnection({ host, port: Number(brokerPort) });
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.push(from);
      from.on('error', () => to.destroy()).pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}
