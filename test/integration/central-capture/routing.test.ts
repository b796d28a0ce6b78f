/** Which stream a row goes to, and what stands there afterwards. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeRecord } from '../../../services/shared/records/change-record.ts';
import {
  CaptureSite,
  SHOP_MAPPING,
  type RunningCapture,
  type StreamContent,
} from '../../support/capture-site.ts';

const brief = (change: ChangeRecord) => [change.op, change.table, change.id, change.after !== null];
/** Business rows only, without tombstones. */
function events({ changes, stored }: StreamContent): ChangeRecord[] {
  const values = stored.filter((record) => record.key?.[0] !== '~'.charCodeAt(0));
  return changes.filter(
    (change, index) => values[index]?.value !== null && !change.table.startsWith('payflow_sync.'),
  );
}

describe('routing', () => {
  let site: CaptureSite;
  let running: RunningCapture;

  beforeEach(async () => {
    site = await CaptureSite.start();
    await site.setup();
    running = await site.capture();
    await site.seeded();
  });
  afterEach(async () => {
    await site.stop();
  });

  it('sends a row to its store, and its children to the same', async () => {
    await site.pool.query(`
      BEGIN; INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 's');
      INSERT INTO order_items VALUES (10, 1, 5), (20, 2, 6); COMMIT`);
    await site.acknowledged();
    const north = events(await site.store('north'));
    expect(north.map(brief)).toEqual([
      ['c', 'orders', '1', true],
      ['c', 'order_items', '10', true],
    ]);
    expect(north.map((change) => change.lastOfTransaction)).toEqual([false, true]);
    expect(north.map((change) => change.position.seq)).toEqual([1, 3]);
    const south = events(await site.store('south'));
    expect(south.map(brief)).toEqual([
      ['c', 'orders', '2', true],
      ['c', 'order_items', '20', true],
    ]);
    expect(events(await site.catalog())).toEqual([]);
  });

  it('finds the store of a child whose parent is not in the WAL any more', async () => {
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.acknowledged();
    await running.stop();
    running = await site.capture();
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5)`);
    await site.acknowledged();
    expect(events(await site.store('north')).map(brief)).toEqual([
      ['c', 'orders', '1', true],
      ['c', 'order_items', '10', true],
    ]);
  });

  it('tells every store of deleted children whose parent is gone too, and not in the cache', async () => {
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 's')`);
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5), (11, 1, 6)`);
    await site.acknowledged();
    await running.stop();
    await site.pool.query(`BEGIN; DELETE FROM order_items; DELETE FROM orders WHERE id = 1; COMMIT`);
    running = await site.capture();
    await site.acknowledged();
    expect(
      events(await site.store('north'))
        .slice(-3)
        .map(brief),
    ).toEqual([
      ['d', 'order_items', '10', false],
      ['d', 'order_items', '11', false],
      ['d', 'orders', '1', false],
    ]);
    const south = events(await site.store('south')).filter((change) => change.table === 'order_items');
    expect(south.map((change) => change.before)).toEqual([{ id: 10n }, { id: 11n }]);
  });

  it('tells a till that a row of another store is gone, by its key, and nothing of the row', async () => {
    await site.pool.query(`
      INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition) VALUES ('T1', 'north', 0);
      INSERT INTO orders VALUES (1, 'north', 'ours'), (2, 'south', 'theirs'); INSERT INTO order_items VALUES (20, 2, 5)`);
    const entries = [
      [1, 'orders', '2', 'rejected', 'h', { id: '2', store_id: 'south' }, null],
      [2, 'order_items', '20', 'duplicate', 'h', { id: '20', order_id: '2' }, null],
      // The till has been moved to the row's store since.
      [3, 'orders', '1', 'rejected', 'h', { id: '1', store_id: 'north' }, null],
    ];
    await site.pool.query(
      `INSERT INTO payflow_sync.outcome (terminal_id, incarnation, unit, entries) VALUES ('T1', 'i', 1, $1)`,
      [JSON.stringify(entries)],
    );
    await site.acknowledged();
    const answers = events(await site.store('north')).slice(1);
    expect(answers.map(({ op, id, before, after }) => ({ op, id, before, after }))).toEqual([
      { op: 'd', id: '2', before: { id: 2n }, after: null },
      { op: 'd', id: '20', before: { id: 20n }, after: null },
    ]);
    expect(answers.map(({ origins }) => origins)).toEqual([
      [{ terminal: 'T1', incarnation: 'i', seq: 1, outcome: 'rejected' }],
      [{ terminal: 'T1', incarnation: 'i', seq: 2, outcome: 'gone' }],
    ]);
    expect(events(await site.store('south'))).toHaveLength(2);
  });

  it('counts a row without a store and sends it to nobody', async () => {
    await site.pool.query(
      `INSERT INTO orders VALUES (1, NULL, 'n'), (2, 'no/store', 'n'), (3, 'north', 'n')`,
    );
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5), (11, 999, 5)`);
    await site.acknowledged();
    expect(events(await site.store('north')).map(brief)).toEqual([['c', 'orders', '3', true]]);
    expect(events(await site.catalog())).toEqual([]);
    expect([...running.session().rows.unscoped]).toEqual([
      ['orders', 2],
      ['order_items', 2],
    ]);
  });

  it('takes a row that moves out of the old store, and its children with it', async () => {
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 'x')`);
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5), (11, 1, 6)`);
    await site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 1`);
    await site.acknowledged();
    const north = events(await site.store('north'));
    expect(north.slice(3).map(brief)).toEqual([
      ['d', 'orders', '1', false],
      ['d', 'order_items', '10', false],
      ['d', 'order_items', '11', false],
    ]);
    expect(
      events(await site.store('south'))
        .slice(1)
        .map(brief),
    ).toEqual([
      ['c', 'orders', '1', true],
      ['r', 'order_items', '10', true],
      ['r', 'order_items', '11', true],
    ]);
  });

  it('deletes by the old row, each delete followed by its tombstone', async () => {
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.pool.query(`DELETE FROM orders WHERE id = 1`);
    await site.acknowledged();
    const { changes, stored } = await site.store('north');
    const last = stored.slice(-2);
    expect(last.map((record) => record.key?.toString())).toEqual(['orders:1', 'orders:1']);
    expect(last.map((record) => record.value === null)).toEqual([false, true]);
    expect(changes.slice(-2).map((change) => change.lastOfTransaction)).toEqual([false, true]);
    expect(changes.at(-2)?.before).toMatchObject({ id: 1n, store_id: 'north' });
  });

  it('makes a changed key a delete of the old one and an insert of the new', async () => {
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A')`);
    await site.pool.query(`UPDATE products SET id = 2 WHERE id = 1`);
    await site.acknowledged();
    expect(events(await site.catalog()).map(brief)).toEqual([
      ['c', 'products', '1', true],
      ['d', 'products', '1', false],
      ['c', 'products', '2', true],
    ]);
  });

  it('loses no digit: microseconds, numerics, int8 in json, NaN, infinity, bytes', async () => {
    await site.pool.query(`SET timezone = 'Asia/Kolkata'`);
    await site.pool.query(`INSERT INTO products VALUES (9223372036854775807, 'A', 1234567890.10, 'é',
      '2024-02-29 23:59:59.123456+02', '{"n": 9007199254740993}', 'NaN', '\\x00ff', true, -5)`);
    await site.pool.query(`INSERT INTO products (id, sku, price, changed, weight)
      VALUES (-9223372036854775808, 'B', 'NaN', 'infinity', '-Infinity')`);
    await site.pool.query(`INSERT INTO products (id, sku, weight) VALUES (3, 'C', 0.1::float8 + 0.2)`);
    await site.acknowledged();
    const rows = events(await site.catalog()).map((change) => ({ ...change.after }));
    expect(rows[0]).toEqual({
      id: 9223372036854775807n,
      sku: 'A',
      price: '1234567890.10',
      description: 'é',
      changed: '2024-02-29 21:59:59.123456+00',
      data: '{"n": 9007199254740993}',
      weight: NaN,
      photo: Buffer.from([0, 255]),
      active: true,
      shelf: -5,
    });
    expect(rows[1]).toMatchObject({
      id: -9223372036854775808n,
      price: 'NaN',
      changed: 'infinity',
      weight: -Infinity,
    });
    expect(rows[2]).toMatchObject({ weight: 0.1 + 0.2 });
  });

  it('completes a long column that an update did not touch', async () => {
    const { rows } = await site.pool.query<{ text: string }>(
      `INSERT INTO products (id, sku, description)
       SELECT 1, 'A', string_agg(md5(i::text), '') FROM generate_series(1, 2000) AS i RETURNING description AS text`,
    );
    await site.pool.query(`UPDATE products SET shelf = 7 WHERE id = 1`);
    await site.acknowledged();
    expect(events(await site.catalog()).at(-1)?.after).toMatchObject({
      shelf: 7,
      description: rows[0]?.text,
    });
  });

  it('tells a new mapping in every stream, and rows after it by its rules', async () => {
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.acknowledged();
    await site.setup(SHOP_MAPPING.replace('{ scope: global }', '{ scope: global, exclude: [price] }'));
    await site.seeded();
    await site.pool.query(`INSERT INTO products (id, sku, price) VALUES (1, 'A', 5)`);
    await site.acknowledged();
    for (const content of [await site.catalog(), await site.store('north')]) {
      const mappings = content.changes.filter((change) => change.table === 'payflow_sync.mapping');
      expect(mappings.at(-1)?.after?.['version']).toBe(2);
    }
    expect(events(await site.catalog()).at(-1)?.after).not.toHaveProperty('price');
  });

  it('carries a column that is added while it runs', async () => {
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A')`);
    await site.pool.query(`ALTER TABLE products ADD COLUMN colour text DEFAULT 'red'`);
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (2, 'B')`);
    await site.acknowledged();
    const inserts = events(await site.catalog()).filter((change) => change.op === 'c');
    expect(inserts.map((change) => change.after?.['colour'])).toEqual([undefined, 'red']);
  });
});
