/** Records that come again, late, or twice at once: everything is applied exactly once, whatever breaks. */
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { connect, createPool } from '../../../services/shared/database/postgres.ts';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import type { StoredRecord } from '../../../services/shared/log/event-log.ts';
import { topicSpecUp, upStream } from '../../../services/shared/log/topics.ts';
import { applierOn, useCentre } from '../../support/apply-site.ts';
import { insert, silentLog, type ChangeSpec, type FakeTill } from '../../support/centre.ts';

const centre = useCentre();

function sale(name: string): ChangeSpec[] {
  return [
    insert('orders', `${name}-o`, { number: name, total: 1.1 }),
    insert('order_items', `${name}-i`, { quantity: 1n, price: 1.1 }, { order_id: `${name}-o` }),
    insert('payments', `${name}-p`, { method: 'cash', amount_cents: 110n }, { order_id: `${name}-o` }),
  ];
}

/** `units` records of one sale each. */
const sales = (till: FakeTill, units: number): StoredRecord[] =>
  Array.from({ length: units }, (_, index) =>
    till.stored(centre.nextOffset(), [till.unit(...sale(`${index + 1}`))]),
  );

async function soldBy(till: FakeTill) {
  const { orders, items, cents } = await centre.one<{ orders: string; items: string; cents: string }>(
    `SELECT count(DISTINCT o.id) AS orders, count(DISTINCT i.id) AS items, sum(p.amount)::text AS cents
       FROM orders o LEFT JOIN order_items i ON i.order_id = o.id LEFT JOIN payments p ON p.order_id = o.id
      WHERE o.terminal_code = $1`,
    [till.terminal],
  );
  return [Number(orders), Number(items), cents];
}

test('any record, any number of times, in any order: every sale is there exactly once', async () => {
  const apply = applierOn(centre.pool);
  for (let round = 0; round < 8; round += 1) {
    const till = await centre.newTill();
    const records = sales(till, 12);
    let seed = round * 7919 + 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const delivery = [...records, ...records, ...records].sort(() => random() - 0.5);
    while (delivery.length > 0) await apply.applyRecords(0, delivery.splice(0, 1 + Math.floor(random() * 5)));
    expect(await soldBy(till), `seed ${round}`).toEqual([12, 12, '13.20']);
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  }
});

test('a clone that uses a number its original has left behind is fenced, and what it sold is kept', async () => {
  const apply = applierOn(centre.pool);
  const till = await centre.newTill();
  const units = ['1', '2', '3'].map((name) => till.unit(...sale(name)));
  const original = till.stored(centre.nextOffset(), units);
  await apply.applyRecords(0, [original]);
  await apply.applyRecords(0, [original]);
  const statusOf = () =>
    centre.one('SELECT status FROM payflow_sync.terminal WHERE terminal_id = $1', [till.terminal]);
  expect(await statusOf()).toMatchObject({ status: 'enrolled' });
  const cloned = units.slice(1, 2).map((unit) => ({ ...unit, hash: Buffer.alloc(32, 1) }));
  await apply.applyRecords(0, [till.stored(centre.nextOffset(), cloned)]);
  expect(await statusOf()).toMatchObject({ status: 'fenced' });
  expect(
    await centre.all('SELECT unit, reason FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
  ).toEqual([{ unit: '2', reason: 'fenced' }]);
  expect(await soldBy(till)).toEqual([3, 3, '3.30']);
});

/** A proxy that lets COMMIT through and then hangs up before the reply. */
async function hangUpAfterCommit(url: string) {
  const { hostname, port } = new URL(url);
  let armed = false;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    sockets.add(client).add(upstream);
    client.on('data', (bytes) => {
      if (armed && bytes.includes('COMMIT')) {
        armed = false;
        // The server works the COMMIT off and answers; nobody hears it.
        upstream.removeAllListeners('data');
        upstream.once('data', () => {
          client.destroy();
          upstream.destroy();
        });
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  return {
    url: through.href,
    arm: () => (armed = true),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('applied, then the reply was lost: the repeat is a duplicate', async () => {
  const proxy = await hangUpAfterCommit(centre.url);
  const pool = createPool({ connectionString: proxy.url, applicationName: 'test', max: 2, log: silentLog });
  try {
    const till = await centre.newTill();
    const records = sales(till, 3);
    const apply = applierOn(pool);
    await apply.applyRecords(0, []);
    proxy.arm();
    await expect(apply.applyRecords(0, records)).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
    await until(async () => (await soldBy(till))[0] === 3, 'the commit went through');
    expect(await apply.applyRecords(0, records)).toMatchObject({ units: 0, duplicateUnits: 3 });
    expect(await soldBy(till)).toEqual([3, 3, '3.30']);
  } finally {
    await pool.end();
    proxy.close();
  }
});

test('appliers of two partitions on the same rows neither deadlock nor lose a difference', async () => {
  const ids = (
    await centre.all<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at)
       SELECT 'hot-' || g, 'hot', 1, 1000, now() - interval '1 day' FROM generate_series(1, 40) g RETURNING id`,
    )
  ).map(({ id }) => id);
  const appliers = await Promise.all(
    [0, 1, 2].map(async (partition) => ({
      partition,
      till: await centre.newTill({ partition }),
      apply: applierOn(centre.pool),
    })),
  );
  await Promise.all(
    appliers.map(async ({ partition, till, apply }) => {
      for (let round = 0; round < 10; round += 1) {
        const order = partition % 2 === 0 ? ids : [...ids].reverse();
        const changes = order.map((id): ChangeSpec => ({
          op: 'u',
          table: 'products',
          row: { identity: `h-${id}`, centralId: id },
          old: { stock: 10 },
          new: { stock: 9 },
        }));
        await apply.applyRecords(partition, [till.stored(centre.nextOffset(), [till.unit(...changes)])]);
      }
    }),
  );
  expect(await centre.all(`SELECT DISTINCT stock FROM products WHERE sku LIKE 'hot-%'`)).toEqual([
    { stock: '970.000' },
  ]);
});

test('two appliers on one partition apply every sale once', async () => {
  const till = await centre.newTill();
  const records = sales(till, 20);
  const [one, two] = [applierOn(centre.pool), applierOn(centre.pool)];
  await Promise.all([
    (async () => {
      for (const record of records) await one.applyRecords(0, [record]);
    })(),
    (async () => {
      for (const record of records) await two.applyRecords(0, [record]);
    })(),
  ]);
  expect(await soldBy(till)).toEqual([20, 20, '22.00']);
});

test('a session that ends while somebody holds its connection, between two queries, ends no process', async () => {
  const pool = createPool({
    connectionString: centre.url,
    applicationName: 'holder',
    log: silentLog,
  });
  const client = await connect(pool);
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  await centre.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'`,
  );
  await ended;
  await expect(client.query('SELECT 1')).rejects.toThrow();
  client.release(true);
  await pool.end();
});

test('the loop outlives a server that ends its sessions', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'central-apply-'));
  const till = await centre.newTill({ partition: 6 });
  const eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log: silentLog });
  const pool = createPool({
    connectionString: centre.url,
    applicationName: 'victim',
    log: silentLog,
  });
  const stop = new AbortController();
  try {
    await eventLog.createTopic(topicSpecUp('outlive', 8));
    const apply = applierOn(pool, { eventLog, prefix: 'outlive' });
    const running = apply.readPartition(6, stop.signal);
    const sessions = () => centre.all(`SELECT 1 FROM pg_stat_activity WHERE application_name = 'victim'`);
    await until(async () => (await sessions()).length > 0, 'the loop has a session');
    let killed = 0;
    for (const record of sales(till, 30)) {
      await eventLog.append(upStream('outlive', 6), [record]);
      const { rowCount } = await centre.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'`,
      );
      killed += rowCount ?? 0;
    }
    await until(async () => (await soldBy(till))[0] === 30, '30 sales are there');
    stop.abort();
    await running;
    expect(killed).toBeGreaterThan(0);
    expect(await soldBy(till)).toEqual([30, 30, '33.00']);
  } finally {
    stop.abort();
    await pool.end();
    await eventLog.close();
    await rm(folder, { recursive: true });
  }
});

test('the loop goes on where it was, and from the first offset when the stream is another one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'central-apply-'));
  const till = await centre.newTill({ partition: 7 });
  const run = async (eventLog: EmbeddedLog, units: number) => {
    const stop = new AbortController();
    const running = applierOn(centre.pool, { eventLog }).readPartition(7, stop.signal);
    try {
      await until(async () => (await soldBy(till))[0] === units, `${units} sales are there`);
    } finally {
      stop.abort();
      await running;
    }
  };
  try {
    const records = sales(till, 6);
    const eventLog = new EmbeddedLog({ file: join(folder, 'one.db'), log: silentLog });
    await eventLog.createTopic(topicSpecUp('payflow', 8));
    await eventLog.append(upStream('payflow', 7), records.slice(0, 2));
    await run(eventLog, 2);
    await eventLog.append(upStream('payflow', 7), records.slice(2, 4));
    await run(eventLog, 4);
    await eventLog.close();
    const other = new EmbeddedLog({ file: join(folder, 'two.db'), log: silentLog });
    await other.createTopic(topicSpecUp('payflow', 8));
    await other.append(upStream('payflow', 7), records);
    await run(other, 6);
    await other.close();
    expect(await soldBy(till)).toEqual([6, 6, '6.60']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
