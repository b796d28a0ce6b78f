/** What becomes of the streams while capture runs: a right is taken away, a topic, a port, a whole cluster. */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startLocalKafka } from '../../../scripts/support/kafka.ts';
import type { LocalKafka } from '../../../scripts/support/local-kafka.ts';
import { until } from '../../../scripts/support/until.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { KafkaLog } from '../../../services/shared/log/kafka-log.ts';
import { storeTopic } from '../../../services/shared/log/topics.ts';
import { CaptureSite, type RunningCapture } from '../../support/capture-site.ts';
import { TopicAdmin } from '../../support/topic-admin.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

let kafka: LocalKafka;
let otherPort: number;
let site: CaptureSite;

beforeAll(async () => {
  kafka = await startLocalKafka();
  otherPort = await freePort();
});
afterEach(() => site.stop());
afterAll(() => kafka.stop());

async function begin(wrapLog?: (log: EventLog) => EventLog): Promise<RunningCapture> {
  const brokers = [kafka.brokers, `127.0.0.1:${otherPort}`];
  const log = pino({ level: 'silent' });
  site = await CaptureSite.start({
    eventLog: new KafkaLog({ brokers, clientId: 'outages-test', log }),
    heartbeatMs: 200,
    ...(wrapLog && { wrapLog }),
  });
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a')`);
  await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
  await site.setup();
  const running = await site.capture();
  await site.seeded();
  await site.storeHolds('north', 'orders:1');
  return running;
}

/** Whoever reads while the log is in trouble is told so, and asks again. */
const holds = async (read: () => ReturnType<CaptureSite['catalog']>, keys: readonly string[]) => {
  try {
    const found = new Set((await read()).stored.map((record) => record.key?.toString('utf8')));
    return keys.every((key) => found.has(key));
  } catch (error) {
    if (error instanceof PayflowError) return false;
    throw error;
  }
};
const streamsHold = (catalog: readonly string[], north: readonly string[]) =>
  until(
    async () => (await holds(() => site.catalog(), catalog)) && holds(() => site.store('north'), north),
    `${[...catalog, ...north].join()} are in the streams`,
    { deadlineMs: 90_000 },
  );

/** A broker that has just come up knows for a moment not who leads: whoever runs setup is told so, and runs it again. */
const setUp = async () => {
  try {
    await site.setup();
    return true;
  } catch (error) {
    if (error instanceof PayflowError && error.retry === 'timed') return false;
    throw error;
  }
};

it('a right to write that is taken away in mid-stream is waited for', async () => {
  let mayWrite = true;
  let refusals = 0;
  const running = await begin((inner) =>
    wrappedLog(inner, {
      append: (stream, records, options) => {
        if (mayWrite) return inner.append(stream, records, options);
        refusals += 1;
        return Promise.reject(new PayflowError('LOG_AUTH', 'not authorized'));
      },
    }),
  );
  mayWrite = false;
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (2, 'b')`);
  await until(() => refusals > 1, 'it was tried again');
  mayWrite = true;
  await streamsHold(['products:1', 'products:2'], ['orders:1']);
  expect(running.session()).toBeDefined();
});

it('a topic that is deleted is made anew, with all that stood there', async () => {
  await begin();
  const admin = await TopicAdmin.connect(kafka.brokers);
  try {
    await admin.kafka.deleteTopics({ topics: [storeTopic(site.prefix, 'north')] });
  } finally {
    await admin.close();
  }
  await site.pool.query(`INSERT INTO orders VALUES (2, 'north', 'n')`);
  await streamsHold(['products:1'], ['orders:1', 'orders:2']);
});

it('a cluster that is another one, and empty, gets everything again once setup has made its topics', async () => {
  await begin();
  await kafka.renew();
  // Nobody fills a cluster that may be the wrong one by himself.
  await until(setUp, 'the new cluster takes the topics', { deadlineMs: 60_000 });
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (2, 'b')`);
  await streamsHold(['products:1', 'products:2'], ['orders:1']);
});

it('a broker that comes back at another of its addresses is found there', async () => {
  await begin();
  await kafka.moveTo(otherPort);
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (2, 'b')`);
  await site.pool.query(`INSERT INTO orders VALUES (2, 'north', 'n')`);
  await streamsHold(['products:1', 'products:2'], ['orders:1', 'orders:2']);
});
