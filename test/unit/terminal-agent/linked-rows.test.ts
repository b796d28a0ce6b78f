/** Rows that the centre knows, and what the app does to their keys and names; and what the app is told of its own. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(async () => {
  shop = openShopTill();
  await shop.knownProduct();
});
afterEach(() => shop.close());

const UUID = '11111111-1111-4111-8111-111111111111';
const theirs = (id: number, sku: string) =>
  shop.toCatalog(
    shop.catalog.commit(200, shop.catalog.row('products', id, product(sku, { name: 'theirs' }))),
  );

describe('a row that the centre knows', () => {
  it.each([
    ['by itself', 'UPDATE products SET id = 60'],
    ['with an edit', `UPDATE products SET id = 60, shelf = 'B2', price = 3`],
    ['more than once', 'UPDATE products SET id = 50; UPDATE products SET id = 60'],
  ])('keeps its link under another key: %s', async (_how, sql) => {
    shop.test.app.exec(sql);
    await theirs(7, 'A');
    await theirs(7, 'A');
    expect(shop.rows('SELECT id, server_id, name FROM products')).toEqual([
      { id: 60, server_id: 7, name: 'theirs' },
    ]);
    expect(shop.apply.parked.all()).toEqual([]);
  });

  it('that is put elsewhere by the app, and whose key a new row takes, is told apart from that', async () => {
    shop.test.app.exec(
      `UPDATE products SET id = 60, price = 3; INSERT INTO products (id, sku) VALUES (1, 'new')`,
    );
    await theirs(7, 'A');
    expect(shop.rows('SELECT id, sku, server_id FROM products ORDER BY id')).toEqual([
      { id: 1, sku: 'new', server_id: null },
      { id: 60, sku: 'A', server_id: 7 },
    ]);
  });

  it('and that is given the UUID of another row goes up as itself', () => {
    shop.test.app.prepare(`INSERT INTO products (id, sku, local_id) VALUES (2, 'B', ?)`).run(UUID);
    shop.look();
    shop.test.app.prepare(`UPDATE products SET local_id = NULL WHERE id = 2`).run();
    shop.test.app.prepare(`UPDATE products SET local_id = ?, price = 3 WHERE id = 1`).run(UUID);
    expect(shop.identityOf('products')).not.toBe(UUID);
    expect(shop.identityAt('products', 2)).toBe(UUID);
    expect(shop.outcomes().map((change) => (change as { op: string }).op)).toEqual(['c', 'u']);
  });
});

describe('the status columns of a row of the app', () => {
  const status = () =>
    shop.rows(`SELECT sync_status AS status, sync_operation AS operation FROM products WHERE sku = 'B'`);

  it('say that it is on its way, and as what', async () => {
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('B')`);
    shop.apply.applyLocal();
    expect(status()).toEqual([{ status: 'pending', operation: 'insert' }]);
    shop.test.app.exec(`UPDATE products SET price = 3 WHERE sku = 'B'`);
    shop.apply.applyLocal();
    expect(status()).toEqual([{ status: 'pending', operation: 'insert' }]);
    shop.test.app.exec(`UPDATE products SET sync_status = 'synced' WHERE sku = 'B'`);
    shop.test.app.exec(`UPDATE products SET price = 4 WHERE sku = 'B'`);
    shop.apply.applyLocal();
    expect(status()).toEqual([{ status: 'pending', operation: 'update' }]);
  });
});
