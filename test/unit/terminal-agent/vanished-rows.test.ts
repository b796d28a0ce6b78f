/** Rows that are gone, come back later or one by one, or live under other keys: none is deleted, and none doubled. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markAllUnswept, markUnswept } from '../../../services/terminal-agent/file/unswept.ts';
import { REBUILD, toldBy } from '../../support/rebuilt-table.ts';
import { product, openShopTill, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
let spanMs = 0;
/** What the app does while the sweep waits. */
let meanwhile: () => void = () => undefined;
const elapsedMs = () => {
  meanwhile();
  return (spanMs += 60_000);
};
beforeEach(() => {
  meanwhile = () => undefined;
  shop = openShopTill({ apply: { elapsedMs } });
});
afterEach(() => {
  shop.close();
});

const app = (sql: string) => shop.test.app.exec(sql);
const told = () => toldBy(shop);
const stock = () => shop.rows('SELECT sku, stock_quantity AS stock FROM products ORDER BY id');
const imageOf = (position: number, id: number, more = {}) =>
  shop.catalog.commit(position, shop.catalog.row('products', id, product(`P${id}`, more)));

async function many(rows: number): Promise<void> {
  for (let id = 1; id <= rows; id += 1) await shop.toCatalog(imageOf(100 + id, id));
}

async function look(): Promise<void> {
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
}

const REFILL = 'INSERT INTO products SELECT * FROM backup';

describe('a table whose rows have vanished', () => {
  const vanish = async (rows: number) => {
    await many(rows);
    app(`CREATE TABLE backup AS SELECT * FROM products; ${REBUILD} DELETE FROM products; COMMIT`);
    await look();
    expect([told(), shop.apply.sweep.vanished]).toEqual([[], new Map([['products', rows]])]);
  };

  it.each([30, 2])('goes on with the same rows when it is filled again (%i)', async (rows) => {
    await vanish(rows);
    app(`${REFILL}; UPDATE products SET stock_quantity = 7 WHERE sku = 'P2'`);
    await look();
    expect(told()).toEqual([['u', '2', {}, { stock_quantity: '-3' }]]);
  });

  it('does so after a restart, and after a schema that lacks our triggers again', async () => {
    await vanish(30);
    shop.restart();
    await look();
    expect(shop.apply.sweep.vanished).toEqual(new Map([['products', 30]]));
    app(`${REBUILD} COMMIT`);
    await look();
    app(REFILL);
    await look();
    expect(told()).toEqual([]);
    app('DROP TABLE backup');
    await look();
    expect([told(), shop.apply.sweep.vanished.size]).toEqual([[], 0]);
  });

  it('takes images meanwhile', async () => {
    await vanish(30);
    await shop.toCatalog(imageOf(200, 2, { stock_quantity: 4 }));
    expect(stock()).toEqual([{ sku: 'P2', stock: 4 }]);
  });

  it('takes a sale under a key that it had for another row, where that says so', async () => {
    const uuid = (digit: string) => digit.repeat(32);
    const sell = (id: number, digit: string) =>
      app(`INSERT INTO products (id, sku, local_id) VALUES (${id}, 'S${digit}', '${uuid(digit)}')`);
    sell(1, 'a');
    sell(2, 'b');
    await look();
    app(`${REBUILD} DELETE FROM products; COMMIT`);
    await look();
    expect(shop.apply.sweep.vanished).toEqual(new Map([['products', 2]]));
    const before = shop.cut();
    sell(1, 'c');
    expect(shop.cut().slice(before.length)).toEqual([
      ['c', uuid('c'), 1],
      ['d', uuid('a'), 1],
    ]);
    await look();
    app(`UPDATE products SET name = 'known' WHERE id = 1`);
    expect(shop.cut().slice(before.length + 2)).toEqual([['u', uuid('c'), 1]]);
  });

  it('can be said to have lost them for good', async () => {
    await vanish(2);
    markAllUnswept(shop.test.app, { deletes: true });
    await look();
    expect([told(), shop.apply.sweep.vanished.size]).toEqual([
      [
        ['d', '1'],
        ['d', '2'],
      ],
      0,
    ]);
  });
});

it('a table that is filled row by row is waited for', async () => {
  await many(12);
  app(`CREATE TABLE backup AS SELECT * FROM products; ${REBUILD} DELETE FROM products WHERE id > 3; COMMIT`);
  let filled = 3;
  meanwhile = () => {
    filled += 1;
    app(`${REFILL} WHERE id = ${filled}`);
  };
  await look();
  expect([told(), stock().length, shop.apply.sweep.vanished.size]).toEqual([[], 12, 0]);
});

it('a row that was deleted is not brought back by an image that waited', async () => {
  await many(3);
  app(`${REBUILD} DELETE FROM products WHERE sku = 'P2'; COMMIT`);
  shop.test.till.appCommitted();
  await shop.apply.replay('payflow.catalog', imageOf(200, 2, { name: 'of head office' }));
  expect(shop.apply.parked.all()).toMatchObject([{ centralId: '2', reason: 'uncut' }]);
  await look();
  expect(told()).toEqual([['d', '2']]);
  expect(stock().map((row) => (row as { sku: string }).sku)).toEqual(['P1', 'P3']);
});

it('a mark keeps what was known when it was set, and what an operator has said', () => {
  app('DELETE FROM sync_sweep');
  markUnswept(shop.test.app, 'products');
  const marked = () => shop.rows(`SELECT since, deletes FROM sync_sweep WHERE table_name = 'products'`);
  const [first] = marked() as { since: number }[];
  app(`INSERT INTO products (sku) VALUES ('A')`);
  markAllUnswept(shop.test.app, { deletes: true });
  markUnswept(shop.test.app, 'products');
  markAllUnswept(shop.test.app, { deletes: false });
  expect(marked()).toEqual([{ since: first?.since, deletes: 1 }]);
});

describe('rows whose keys changed without a word', () => {
  it('are neither offered nor deleted, and are the same when they get their keys back', async () => {
    await many(3);
    app(`${REBUILD} UPDATE products SET id = id + 100; COMMIT`);
    await look();
    expect([told(), shop.apply.sweep.vanished]).toEqual([[], new Map([['products', 3]])]);
    app(`UPDATE products SET id = id - 100; UPDATE products SET stock_quantity = 9 WHERE sku = 'P3'`);
    await look();
    expect(told()).toEqual([['u', '3', {}, { stock_quantity: '-1' }]]);
  });

  it('are so though they are few, and though an operator says that what is gone was deleted', async () => {
    await many(3);
    app(`${REBUILD} UPDATE products SET id = 50 WHERE sku = 'P2'; COMMIT`);
    markAllUnswept(shop.test.app, { deletes: true });
    await look();
    expect(told()).toEqual([]);
  });

  it('are known by the name that they were sold under, too', async () => {
    app(`INSERT INTO products (id, sku, local_id) VALUES (1, 'S', '0123456789abcdef0123456789abcdef')`);
    await look();
    const sold = told();
    app(`${REBUILD} UPDATE products SET id = 50; COMMIT`);
    await look();
    expect(told()).toEqual(sold);
  });
});
