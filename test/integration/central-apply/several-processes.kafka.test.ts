/** Several `payflow run apply` on one centre and one Kafka: they share out the partitions of the up stream. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { until } from '../../../scripts/support/until.ts';
import { loadConfig, type Environment } from '../../../services/shared/config.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { openEventLog } from '../../../services/shared/log/open-event-log.ts';
import { topicSpecUp, upStream } from '../../../services/shared/log/topics.ts';
import { sale } from '../../support/apply-site.ts';
import { silentLog, startCentre, type FakeTill, type TestCentre } from '../../support/centre.ts';
import { ServiceProcess } from '../../support/service-process.ts';

const prefix = `share_${randomBytes(4).toString('hex')}`;
const tills: { readonly till: FakeTill; readonly partition: number }[] = [];
const processes = new Map<string, ServiceProcess>();
let centre: TestCentre;
let kafka: RunningKafka;
let eventLog: EventLog;
let env: Environment;
let sold = 0;

beforeAll(async () => {
  [centre, kafka] = await Promise.all([startCentre(), startKafka()]);
  env = {
    DATABASE_URL: centre.postgres.url,
    KAFKA_BROKERS: kafka.brokers,
    TOPIC_PREFIX: prefix,
    LOG_LEVEL: 'info',
  };
  eventLog = openEventLog(loadConfig(env), { clientId: 'test', log: silentLog });
  await eventLog.createTopic(topicSpecUp(prefix));
  for (const partition of [0, 3, 4, 7, 10, 12, 13, 15]) {
    const till = await centre.till(`till-${partition}`, { partition });
    tills.push({ till, partition });
  }
});
afterAll(async () => {
  await Promise.all([...processes.values()].map((process) => process.kill()));
  await eventLog.close();
  await centre.stop();
  await kafka.stop();
});

async function start(name: string): Promise<void> {
  processes.set(name, await ServiceProcess.ready('apply', env));
}

/** Every till sells once. */
async function sellEverywhere(): Promise<void> {
  sold += 1;
  await Promise.all(
    tills.map(({ till, partition }) =>
      eventLog.append(upStream(prefix, partition), [
        till.stored(0, [till.unit(...sale(`${till.terminal}-${sold}`))]),
      ]),
    ),
  );
}

/** How many partitions each process reads, fewest first. */
async function shares(): Promise<number[]> {
  const rows = await centre.all<{ partitions: number }>(
    `SELECT count(*) FILTER (WHERE mode = 'ExclusiveLock')::int AS partitions FROM pg_locks
      WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY pid`,
  );
  return rows.map(({ partitions }) => partitions).sort((a, b) => a - b);
}

async function shared(...expected: number[]): Promise<void> {
  await until(
    async () => JSON.stringify(await shares()) === JSON.stringify(expected),
    async () =>
      `partitions are shared out as ${expected.join(', ')}; they are as ${(await shares()).join(', ')}`,
  );
}

/** Waits until every till's sales are there, each once. */
async function allThere(): Promise<void> {
  const counted = () =>
    centre.all<{ orders: string; items: string; paid: string }>(
      `SELECT count(*) AS orders, sum((SELECT count(*) FROM order_items i WHERE i.order_id = o.id)) AS items,
              sum((SELECT sum(amount) FROM payments p WHERE p.order_id = o.id)) AS paid
         FROM orders o GROUP BY o.terminal_code`,
    );
  const expected = { orders: `${sold}`, items: `${2 * sold}`, paid: (12.5 * sold).toFixed(2) };
  await until(
    async () => {
      const rows = await counted();
      return rows.length === tills.length && rows.every(({ orders }) => Number(orders) >= sold);
    },
    async () => `${sold} sales of each till; there are ${JSON.stringify(await counted())}`,
  );
  expect(await counted()).toEqual(tills.map(() => expected));
}

test('processes that join take their share, and sales go on', async () => {
  await start('a');
  await shared(16);
  await sellEverywhere();
  await start('b');
  await start('c');
  await sellEverywhere();
  await shared(5, 5, 6);
  await sellEverywhere();
  await allThere();
});

test('one that is killed while tills sell hands its partitions on, and has its share again when it is back', async () => {
  await shared(5, 5, 6);
  const killed = processes.get('b')?.kill();
  for (let round = 0; round < 10; round += 1) await sellEverywhere();
  await killed;
  await shared(8, 8);
  await allThere();
  await start('b');
  await sellEverywhere();
  await shared(5, 5, 6);
  await sellEverywhere();
  await allThere();
});

test('one that hangs is cut off, and does no harm when it wakes up', async () => {
  await shared(5, 5, 6);
  const hanging = processes.get('c');
  hanging?.signal('SIGSTOP');
  for (let round = 0; round < 3; round += 1) await sellEverywhere();
  await shared(8, 8);
  await allThere();
  await sellEverywhere();
  hanging?.signal('SIGCONT');
  await sellEverywhere();
  await shared(5, 5, 6);
  await sellEverywhere();
  await allThere();
}, 120_000);

test('one that hangs in the midst of a group lets go of the tills in it', async () => {
  await shared(5, 5, 6);
  const blocker = new pg.Client(centre.postgres.url);
  await blocker.connect();
  try {
    await blocker.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    await sellEverywhere();
    const inGroups = () =>
      centre.all(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND application_name = 'payflow-apply'`,
      );
    await until(async () => (await inGroups()).length >= tills.length, 'a group of each till is under way');
    processes.get('c')?.signal('SIGSTOP');
  } finally {
    await blocker.end();
  }
  await shared(8, 8);
  await allThere();
  processes.get('c')?.signal('SIGCONT');
  await shared(5, 5, 6);
  await sellEverywhere();
  await allThere();
}, 120_000);

test('processes that are stopped give everything back', async () => {
  for (const name of ['a', 'b']) await processes.get(name)?.kill('SIGTERM');
  await shared(16);
  await sellEverywhere();
  await allThere();
});
