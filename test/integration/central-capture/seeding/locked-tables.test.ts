/** A table that is altered while it is read: its rows are neither missed nor taken for gone. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { CaptureSite } from '../../../support/capture-site.ts';
import { stateOf } from '../../../support/stream-state.ts';
import { wrappedLog } from '../../../support/wrapped-log.ts';

let site: CaptureSite;
beforeEach(async () => {
  site = await CaptureSite.start({
    sql: `CREATE TABLE products (id bigint PRIMARY KEY, sku text);
      CREATE TABLE orders (id bigint PRIMARY KEY, store_id text, note text);
      CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint, qty int);
      INSERT INTO products SELECT i, 's' || i FROM generate_series(1, 5000) AS i;
      INSERT INTO orders SELECT i, 'north', '' FROM generate_series(1, 300) AS i;
      INSERT INTO order_items SELECT i, i % 300 + 1, i FROM generate_series(1, 900) AS i`,
  });
  await site.setup();
});
afterEach(() => site.stop());

const want = (table: string) =>
  site.pool.query(`UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL WHERE table_name = $1`, [
    table,
  ]);

async function withLocked(alter: string, table: string): Promise<void> {
  const client = await site.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(alter);
    await want(table);
    const isWaiting = async () => {
      const { rowCount } = await site.pool.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'payflow-capture' AND wait_event_type = 'Lock'
           AND datname = current_database()`,
      );
      return rowCount !== 0;
    };
    await until(isWaiting, 'the chunk waits for the table', { everyMs: 5 });
    await client.query('COMMIT');
  } finally {
    client.release();
  }
  await site.seeded();
  await site.acknowledged();
}

it('a chunk that waits behind a rewrite reads what the rewrite left', async () => {
  await site.capture();
  await site.seeded();
  await withLocked(`ALTER TABLE products ALTER COLUMN sku TYPE text USING sku || '!'`, 'products');
  const rows = [...stateOf((await site.catalog()).changes)].filter(([key]) => key.startsWith('products:'));
  expect(rows).toHaveLength(5000);
  expect(rows.every(([key, row]) => row?.['sku'] === `s${key.slice('products:'.length)}!`)).toBe(true);
});

it.each<[string, string, number, () => Promise<unknown>]>([
  ['seeded', 'products', 5000, () => want('products')],
  [
    'looked at for its parents',
    'order_items',
    3,
    () => site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 1`),
  ],
])('capture stops, and begins again, while a table that is %s is locked', async (_, table, count, ask) => {
  const isWaiting = async () => {
    const { rowCount } = await site.pool.query(
      'SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted',
      [table],
    );
    return rowCount !== 0;
  };
  const running = await site.capture();
  await site.seeded();
  const client = await site.pool.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    await ask();
    await until(isWaiting, 'the chunk waits for the table', { everyMs: 5 });
    await running.stop();
    await site.capture();
    await until(isWaiting, 'the next one waits, too', { everyMs: 5 });
  } finally {
    await client.query('COMMIT');
    client.release();
  }
  await site.seeded();
  await site.acknowledged();
  const { changes } = await (table === 'products' ? site.catalog() : site.store('south'));
  expect([...stateOf(changes).keys()].filter((key) => key.startsWith(`${table}:`))).toHaveLength(count);
});

it('nor are rows taken for strays because the table of their parents is rewritten', async () => {
  await site.capture();
  await site.seeded();
  await withLocked(`ALTER TABLE orders ALTER COLUMN note TYPE varchar USING note || '!'`, 'order_items');
  const rows = [...stateOf((await site.store('north')).changes)].filter(([key]) =>
    key.startsWith('order_items:'),
  );
  expect(rows).toHaveLength(900);
});

it('a table that was altered between two of its chunks is read again from its first', async () => {
  let isAltered = false;
  await site.stop();
  site = await CaptureSite.start({
    sql: `CREATE TABLE products (id bigint PRIMARY KEY, sku text, pad text);
      CREATE TABLE orders (id bigint PRIMARY KEY, store_id text); CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint);
      INSERT INTO products SELECT i, 's' || i, repeat('x', 1500) FROM generate_series(1, 5000) AS i; ANALYZE products`,
    wrapLog: (log) =>
      wrappedLog(log, {
        append: async (stream, records, options) => {
          const isFirst = records.some(({ key }) => key?.toString() === 'products:1');
          if (isFirst && !isAltered) {
            isAltered = true;
            await site.pool.query(`ALTER TABLE products ALTER COLUMN sku TYPE text USING sku || '!'`);
          }
          return log.append(stream, records, options);
        },
      }),
  });
  await site.setup();
  await site.capture();
  await until(() => isAltered, 'the first chunk is written');
  await site.seeded();
  await site.acknowledged();
  const rows = [...stateOf((await site.catalog()).changes)].filter(([key]) => key.startsWith('products:'));
  expect(rows.filter(([key, row]) => row?.['sku'] !== `s${key.slice('products:'.length)}!`)).toEqual([]);
  expect(rows).toHaveLength(5000);
});
