/** Topics that an administrator changes while capture runs. */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { until } from '../../../scripts/support/until.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import { KafkaLog } from '../../../services/shared/log/kafka-log.ts';
import type { Health } from '../../../services/shared/lifecycle.ts';
import { catalogTopic, schemasTopic, storeTopic, upTopic } from '../../../services/shared/log/topics.ts';
import { CaptureSite } from '../../support/capture-site.ts';
import { TopicAdmin } from '../../support/topic-admin.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

const DAY_MS = 86_400_000;
let kafka: RunningKafka;
let admin: TopicAdmin;
let site: CaptureSite;
let health: Health[];
/** Changing a topic is refused, as by a missing ACL. */
let mayChange: boolean;
/** A request that changes this setting is refused, as by a policy. */
let forbidden: string | undefined;

beforeAll(async () => {
  kafka = await startKafka();
  admin = await TopicAdmin.connect(kafka.brokers);
});
afterEach(() => site.stop());
afterAll(async () => {
  await admin.close();
  await kafka.stop();
});

async function begin(): Promise<void> {
  health = [];
  mayChange = true;
  forbidden = undefined;
  const log = pino({ level: 'silent' });
  site = await CaptureSite.start({
    eventLog: new KafkaLog({ brokers: kafka.brokers.split(','), clientId: 'topics-test', log }),
    heartbeatMs: 100,
    onTopics: (state) => health.push(state),
    wrapLog: (inner) =>
      wrappedLog(inner, {
        changeTopic: (topic, settings) =>
          mayChange && (forbidden === undefined || !settings.has(forbidden))
            ? inner.changeTopic(topic, settings)
            : Promise.reject(new PayflowError('LOG_AUTH', 'not authorized')),
      }),
  });
  await site.setup();
}

const settingsOf = (topic: string) => admin.settings(topic);
const products = async () => {
  const { changes } = await site.catalog();
  return changes.filter(({ table }) => table === 'products');
};
const ready = () => until(() => health.at(-1)?.state === 'ready', 'the topics are as they have to be');

it('settings that somebody changed are put back, and nobody else’s', async () => {
  await begin();
  await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
  await site.capture();
  await site.seeded();
  await ready();
  await site.storeHolds('north', 'orders:1');
  const changes: [string, Record<string, string>][] = [
    [catalogTopic(site.prefix), { 'cleanup.policy': 'compact,delete', 'retention.ms': '3600000' }],
    [storeTopic(site.prefix, 'north'), { 'min.compaction.lag.ms': '0', 'max.compaction.lag.ms': '1' }],
    [storeTopic(site.prefix, 'north'), { 'message.timestamp.type': 'CreateTime', 'segment.ms': '777777' }],
    [schemasTopic(site.prefix), { 'cleanup.policy': 'delete', 'retention.bytes': '1073741824' }],
    [upTopic(site.prefix), { 'cleanup.policy': 'compact', 'max.message.bytes': '1000000' }],
    [upTopic(site.prefix), { 'retention.ms': String(DAY_MS) }],
  ];
  for (const [topic, changed] of changes) {
    const before = await settingsOf(topic);
    await admin.set(topic, changed);
    const { 'segment.ms': segment, ...wanted } = before;
    const isBack = async () => {
      const { 'segment.ms': _own, ...now } = await settingsOf(topic);
      return JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(wanted).sort());
    };
    await until(isBack, `${topic} is as it was`);
    expect(segment).toBeUndefined();
  }
  expect((await settingsOf(storeTopic(site.prefix, 'north')))['segment.ms']).toBe('777777');
});

it('what may be put back is, beside a setting that may not be changed', async () => {
  await begin();
  await site.capture();
  await ready();
  forbidden = 'compression.type';
  const topic = catalogTopic(site.prefix);
  const wanted = await settingsOf(topic);
  await admin.set(topic, {
    'compression.type': 'gzip',
    'cleanup.policy': 'delete',
    'delete.retention.ms': '1',
  });
  const changed = { ...wanted, 'compression.type': 'gzip' };
  await until(async () => {
    const now = await settingsOf(topic);
    return JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(changed).sort());
  }, 'all others are as they were');
  await ready();
});

it('what may not be put back is said until it is right, and setup --check says it too', async () => {
  await begin();
  const running = await site.capture();
  await ready();
  mayChange = false;
  const topic = catalogTopic(site.prefix);
  await admin.set(topic, { 'cleanup.policy': 'delete' });
  await until(() => health.at(-1)?.state === 'unready', 'it is said');
  expect(health.at(-1)).toMatchObject({ error: { code: 'LOG_TOPIC_SETTINGS' } });
  const told = () =>
    site.pool.query<{ topic: string; code: string; message: string }>(
      'SELECT topic, code, message FROM payflow_sync.topic',
    );
  expect((await told()).rows).toMatchObject([{ topic, code: 'LOG_TOPIC_SETTINGS' }]);
  expect((await told()).rows[0]?.message).toContain('cleanup.policy is delete, not compact');
  await admin.set(topic, { 'cleanup.policy': 'compact' });
  await ready();
  await until(async () => (await told()).rows.length === 0, 'it is said no more');
  expect(running.session()).toBeDefined();
});

it('with a limit below a row, the row travels without its largest columns, the next ones flow, and it is sent whole later', async () => {
  await begin();
  const running = await site.capture();
  await site.seeded();
  await ready();
  mayChange = false;
  const topic = catalogTopic(site.prefix);
  const usual = (await settingsOf(topic))['max.message.bytes'] ?? '';
  await admin.set(topic, { 'max.message.bytes': '120000' });
  for (let id = 1; id <= 3; id += 1) {
    const length = id === 2 ? 600_000 : 50_000;
    await site.pool.query(
      `INSERT INTO products (id, sku, description) VALUES ($1::int, 'S' || $1::int, repeat(md5('x'), $2::int / 32))`,
      [id, length],
    );
  }
  await until(async () => (await products()).length >= 3, 'all three are there');
  const found = new Map((await products()).map((change) => [change.id, change]));
  expect(found.get('2' as never)).toMatchObject({ omitted: ['description'], after: { sku: 'S2' } });
  expect(found.get('1' as never)?.omitted).toEqual([]);
  expect(found.get('3' as never)?.omitted).toEqual([]);
  // A whole transaction that is far larger than the limit.
  await site.pool.query(
    `INSERT INTO products (id, sku, description) SELECT i, 'T', repeat('x', 40000) FROM generate_series(100, 130) AS i`,
  );
  await site.acknowledged();
  await admin.set(topic, { 'max.message.bytes': usual });
  const whole = async () =>
    (await products()).some(
      ({ id, after }) => id === '2' && String(after?.['description']).length === 600_000,
    );
  await until(whole, 'the row is sent whole');
  expect(await Promise.race([running.ended(), Promise.resolve('runs')])).toBe('runs');
});

it('of two topics with a limit below a row each has its rows sent whole once its own limit is right', async () => {
  await begin();
  await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
  await site.capture();
  await site.seeded();
  await ready();
  mayChange = false;
  const [catalog, store] = [catalogTopic(site.prefix), storeTopic(site.prefix, 'north')];
  const usual = (await settingsOf(catalog))['max.message.bytes'] ?? '';
  for (const topic of [catalog, store]) await admin.set(topic, { 'max.message.bytes': '120000' });
  const limited = async () => {
    const { rowCount } = await site.pool.query(
      'SELECT FROM payflow_sync.topic WHERE limit_bytes IS NOT NULL',
    );
    return rowCount;
  };
  // Before a row is refused: the session that goes on knows which tables it is about.
  await until(async () => (await limited()) === 2, 'both limits are seen');
  await site.pool.query(`INSERT INTO products (id, sku, description) VALUES (2, 'S', repeat('x', 600000))`);
  await site.pool.query(`INSERT INTO orders VALUES (2, 'north', repeat('x', 600000))`);
  const orders = async () => (await site.store('north')).changes.filter(({ table }) => table === 'orders');
  const cut = async () =>
    [...(await products()), ...(await orders())].filter(({ omitted }) => omitted.length > 0).length;
  await until(async () => (await cut()) === 2, 'both travelled without columns');
  const isWhole = (changes: Awaited<ReturnType<typeof orders>>, column: string) =>
    changes.some(({ id, after }) => id === '2' && String(after?.[column]).length === 600_000);
  await admin.set(catalog, { 'max.message.bytes': usual });
  await until(async () => isWhole(await products(), 'description'), 'the product is sent whole');
  expect(isWhole(await orders(), 'note')).toBe(false);
  await admin.set(store, { 'max.message.bytes': usual });
  await until(async () => isWhole(await orders(), 'note'), 'the order is sent whole');
  await until(async () => (await limited()) === 0, 'nothing is limited any more');
});

it('a stream whose beginning was deleted is seeded again, while capture runs and before it starts', async () => {
  await begin();
  await site.pool.query(`INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series(1, 50) AS i`);
  await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
  const running = await site.capture();
  await site.seeded();
  await ready();
  const ids = async () => new Set((await products()).map(({ id }) => id)).size;
  await until(async () => (await ids()) === 50, 'the rows are there');
  const orders = async () =>
    (await site.store('north')).changes.filter(({ table }) => table === 'orders').length;
  const ordersBefore = await orders();
  mayChange = false;
  const first = await admin.deleteRecords(catalogTopic(site.prefix));
  expect(first).toBeGreaterThan(0);
  await until(async () => (await ids()) === 50, 'the rows are there again');
  await site.seeded();
  // Not what travels elsewhere.
  expect(await orders()).toBe(ordersBefore);
  await running.stop();
  await admin.deleteRecords(catalogTopic(site.prefix));
  await site.capture();
  await until(async () => (await ids()) === 50, 'the rows are there after a start');
});

const readable = async () => {
  try {
    return (await products()).length > 0;
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'SCHEMA_UNKNOWN') return false;
    throw error;
  }
};

it('schemas that were deleted are written again', async () => {
  await begin();
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'S')`);
  await site.capture();
  await site.seeded();
  await ready();
  await until(async () => (await products()).length > 0, 'the row is there');
  mayChange = false;
  await admin.deleteRecords(schemasTopic(site.prefix));
  await until(readable, 'the rows can be read again');
});

it('schemas that were deleted while capture was away are written again, of older forms of a table too', async () => {
  await begin();
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'S')`);
  const running = await site.capture();
  await site.seeded();
  await ready();
  await until(async () => (await products()).length > 0, 'the row is there');
  const noted = async () => (await site.pool.query('SELECT FROM payflow_sync.schema')).rowCount ?? 0;
  await until(async () => (await noted()) > 0, 'the schemas are noted');
  const before = await noted();
  await site.pool.query('ALTER TABLE products ADD COLUMN colour text');
  await site.pool.query(`INSERT INTO products (id, sku, colour) VALUES (2, 'T', 'red')`);
  await until(async () => (await noted()) > before, 'the new form is noted');
  await running.stop();
  await admin.deleteRecords(schemasTopic(site.prefix));
  await site.capture();
  // Of the first record on.
  await until(readable, 'the rows can be read again');
});
