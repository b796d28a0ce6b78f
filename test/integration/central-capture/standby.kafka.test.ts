/** Two `payflow run capture` on one slot, as processes, on Kafka. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { until } from '../../../scripts/support/until.ts';
import { loadConfig, type Environment } from '../../../services/shared/config.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { openEventLog } from '../../../services/shared/log/open-event-log.ts';
import { CaptureSite } from '../../support/capture-site.ts';
import { silentLog } from '../../support/centre.ts';
import { ServiceProcess } from '../../support/service-process.ts';

let kafka: RunningKafka;
let eventLog: EventLog;
let site: CaptureSite;
let env: Environment;
const processes: ServiceProcess[] = [];

beforeAll(async () => {
  kafka = await startKafka();
  eventLog = openEventLog(loadConfig({ KAFKA_BROKERS: kafka.brokers }), { clientId: 'test', log: silentLog });
  site = await CaptureSite.start({ eventLog });
  await site.setup();
  env = {
    DATABASE_URL: site.url,
    KAFKA_BROKERS: kafka.brokers,
    TOPIC_PREFIX: site.prefix,
    LOG_LEVEL: 'info',
  };
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await site.stop();
  await kafka.stop();
});

const products = async () =>
  (await site.catalog()).changes.flatMap(({ table, id }) => (table === 'products' ? [Number(id)] : []));

test('the second waits with SLOT_BUSY and takes over when the first is killed amid its work', async () => {
  const first = await ServiceProcess.ready('capture', env);
  processes.push(first);
  await site.seeded();
  const second = new ServiceProcess('capture', env);
  processes.push(second);
  await second.says('[SLOT_BUSY]');
  for (let id = 1; id <= 20; id += 1) {
    if (id === 10) await first.kill();
    await site.pool.query('INSERT INTO products (id, sku) VALUES ($1, $2)', [id, `S${id}`]);
  }
  await second.says('"msg":"ready"');
  await until(async () => new Set(await products()).size === 20, 'all products are in the stream');
  await site.acknowledged();
  // In order. (An append of the killed one that arrives late is written once more, behind the others.)
  expect([...new Set(await products())]).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(second.lines.filter((line) => line.includes('[SLOT_BUSY]'))).toHaveLength(1);
});
