/** A tool that makes the app's schema drops tables that it does not know, ours among them: what is left makes them good. */
import { afterEach, describe, expect, it } from 'vitest';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
let spanMs = 0;
afterEach(() => {
  shop.close();
});

const app = (sql: string) => shop.test.app.exec(sql);
const order = (number: string) => ({ number, total: '1.00', updated_at: null, store_id: 'S1' });

/** The centre's rows, as they are read when the streams are read from the beginning. */
async function readAll(): Promise<void> {
  await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('products', 1, product('A'))));
  await shop.toStore(shop.store.commit(101, shop.store.row('orders', 9, order('old'))));
}

async function look(): Promise<void> {
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
}

const OURS = shopTables();
function shopTables(): string[] {
  const shop = openShopTill();
  const names = shop.rows(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'sync_*' ORDER BY name`,
  );
  shop.close();
  // Without these two a file proves no more that it is ours.
  return names.map((row) => (row as { name: string }).name).filter((name) => !/outbox|meta/.test(name));
}

describe.each(['running', 'stopped'] as const)('while the agent is %s', (agent) => {
  it.each([...OURS, 'sync_table sync_column', 'sync_row_orders sync_row_products sync_stream'])(
    'the loss of %s loses no sale and doubles none',
    async (names) => {
      shop = openShopTill({ apply: { elapsedMs: () => (spanMs += 60_000) } });
      await readAll();
      app(
        `UPDATE products SET stock_quantity = stock_quantity - 1; INSERT INTO orders (number) VALUES ('in flight')`,
      );
      shop.look();
      if (agent === 'stopped') shop.test.till.close();
      app(
        `UPDATE products SET stock_quantity = stock_quantity - 2; INSERT INTO orders (number) VALUES ('not cut')`,
      );
      app(
        names
          .split(' ')
          .map((name) => `DROP TABLE ${name};`)
          .join(''),
      );
      if (agent === 'stopped') shop.restart();
      else shop.test.till.appCommitted();
      // As any read does: a connection whose statement failed inside a trigger does not read the schema again by itself.
      shop.rows('SELECT * FROM products');
      app(`UPDATE products SET stock_quantity = stock_quantity - 4; INSERT INTO orders (number) VALUES ('later');
        UPDATE orders SET total = 5 WHERE number = 'old'`);
      await look();
      // From the beginning.
      expect(shop.rows('SELECT next_offset FROM sync_stream WHERE next_offset > 0')).toEqual([]);
      await readAll();
      await look();
      const numbers = shop
        .changes()
        .flatMap(({ cut, op }) =>
          cut.op === 'c' ? [`${op} ${cut.values.get('number') ?? cut.values.get('sku')}`] : [],
        );
      const sums = shop
        .changes()
        .map(({ cut }) => (cut.op === 'u' ? Number(cut.sums.get('stock_quantity') ?? 0) : 0));
      expect(numbers.sort()).toEqual(['c tin flight', 'c tlater', 'c tnot cut']);
      expect(sums.reduce((a, b) => a + b, 0)).toBe(-7);
      expect(shop.rows('SELECT stock_quantity AS n FROM products')).toEqual([{ n: 3 }]);
      expect(shop.rows(`SELECT count(*) AS n FROM orders WHERE number = 'old'`)).toEqual([{ n: 1 }]);
      await look();
      expect(shop.rows('SELECT * FROM sync_sweep')).toEqual([]);
      expect(shop.rows('SELECT * FROM sync_parked')).toEqual([]);
    },
  );
});

it('numbers that are lost are those that the triggers write, not those that come next', async () => {
  const mapping = (...tables: string[]) =>
    `version: 1\ntables:\n${tables.map((name) => `  ${name}: {scope: global}\n`).join('')}`;
  shop = openShopTill({
    schema:
      'CREATE TABLE early (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE late (id INTEGER PRIMARY KEY, name TEXT)',
    mapping: mapping('late'),
    apply: { elapsedMs: () => (spanMs += 60_000) },
  });
  shop.test.till.adoptMapping(2, mapping('early', 'late'));
  app(`INSERT INTO late (name) VALUES ('in late'); DROP TABLE sync_table`);
  shop.rows('SELECT * FROM late');
  await look();
  app(`INSERT INTO early (name) VALUES ('in early')`);
  const told = shop
    .changes()
    .map(({ table, cut }) => [table, cut.op === 'c' ? cut.values.get('name') : null]);
  expect(told).toEqual([
    ['late', 'tin late'],
    ['early', 'tin early'],
  ]);
});

it('a table that was renamed under its triggers has the number that they write', async () => {
  shop = openShopTill({ apply: { elapsedMs: () => (spanMs += 60_000) } });
  app(`ALTER TABLE orders RENAME TO sales; INSERT INTO sales (number) VALUES ('renamed');
    ALTER TABLE sales RENAME TO Orders; DROP TABLE sync_table`);
  shop.rows('SELECT * FROM orders');
  await look();
  const numbers = shop.changes().flatMap(({ cut }) => (cut.op === 'c' ? [cut.values.get('number')] : []));
  expect(numbers).toEqual(['trenamed']);
  shop.test.till.close();
  shop.restart();
  expect(shop.rows(`SELECT count(*) AS n FROM sync_table WHERE name = 'orders' COLLATE NOCASE`)).toEqual([
    { n: 1 },
  ]);
});
