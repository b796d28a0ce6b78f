/** Rows of the centre that cannot be written yet: they wait, stop nothing, and are written when they can. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('references', () => {
  it('are written as the local key of the parent', async () => {
    const { catalog } = shop;
    shop.test.app.exec(`INSERT INTO categories (id, name) VALUES (40, 'own')`);
    await shop.toCatalog(
      catalog.commit(100, catalog.row('categories', 9, { name: 'c', parent_id: null }), catalog.heartbeat()),
    );
    await shop.toStore(shop.store.commit(101, shop.store.heartbeat()));
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 7, product('A', { category_id: 9n }))));
    expect(shop.rows('SELECT category_id FROM products')).toEqual([{ category_id: 41 }]);
  });

  it('park a child whose parent is missing, and write it when the parent comes', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A', { category_id: 9n }))));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.apply.parked.all()).toMatchObject([
      { table: 'products', centralId: '7', reason: 'parent', waitsFor: 'categories:9' },
    ]);
    await shop.toCatalog(catalog.commit(101, catalog.row('categories', 9, { name: 'c', parent_id: null })));
    expect(shop.rows('SELECT sku, category_id FROM products')).toEqual([{ sku: 'A', category_id: 1 }]);
    expect(shop.apply.parked.all()).toEqual([]);
  });
});

it('a row that waits for a parent that is here is tried again after a restart', async () => {
  const { catalog, test } = shop;
  await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A', { category_id: 9n }))));
  await shop.toCatalog(catalog.commit(101, catalog.row('categories', 8, { name: 'c', parent_id: null })));
  test.app.exec(`UPDATE sync_row_categories SET central_id = '9'`);
  shop.restart();
  await shop.toCatalog(catalog.commit(102, catalog.heartbeat()));
  expect(shop.rows('SELECT sku, category_id FROM products')).toEqual([{ sku: 'A', category_id: 1 }]);
});

describe('rows that the till refuses', () => {
  it('and that others wait for bring them along when there is room', async () => {
    const { catalog, test } = shop;
    test.app.exec('CREATE UNIQUE INDEX one_name ON categories (name)');
    const category = (id: number, name: string) => catalog.row('categories', id, { name, parent_id: null });
    await shop.toCatalog(catalog.commit(100, category(1, 'a')));
    await shop.toCatalog(catalog.commit(101, category(2, 'a')));
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 7, product('A', { category_id: 2n }))));
    expect(shop.apply.parked.all().map((row) => row.reason)).toEqual(['refused', 'parent']);
    await shop.toCatalog(catalog.commit(103, category(1, 'b')));
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT sku, category_id FROM products')).toEqual([{ sku: 'A', category_id: 2 }]);
  });

  it('make room for one another, in whatever order they were parked', async () => {
    const { catalog } = shop;
    for (const [id, sku] of ['A', 'B', 'C'].entries()) {
      await shop.toCatalog(catalog.commit(100 + id, catalog.row('products', id + 1, product(sku))));
    }
    await shop.toCatalog(catalog.commit(110, catalog.row('products', 4, product('A'))));
    await shop.toCatalog(catalog.commit(111, catalog.row('products', 1, product('B'))));
    await shop.toCatalog(catalog.commit(112, catalog.row('products', 2, product('C'))));
    await shop.toCatalog(catalog.commit(113, catalog.delete('products', 3)));
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT server_id, sku FROM products ORDER BY sku')).toEqual([
      { server_id: 4, sku: 'A' },
      { server_id: 1, sku: 'B' },
      { server_id: 2, sku: 'C' },
    ]);
  });

  it('are parked and stop nothing; the newest image is written when there is room', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A'))));
    await shop.toCatalog(
      catalog.commit(
        101,
        catalog.row('products', 2, product('A', { name: 'x' })),
        catalog.row('products', 3, product('C')),
      ),
    );
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 2, product('A', { name: 'y' }))));
    expect(shop.rows('SELECT server_id FROM products ORDER BY 1')).toEqual([
      { server_id: 1 },
      { server_id: 3 },
    ]);
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '2', reason: 'refused' }]);
    await shop.toCatalog(catalog.commit(103, catalog.delete('products', 1)));
    expect(shop.rows(`SELECT server_id, name FROM products WHERE sku = 'A'`)).toEqual([
      { server_id: 2, name: 'y' },
    ]);
    expect(shop.apply.parked.all()).toEqual([]);
  });

  it('are written together when they are in each other’s way', async () => {
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, ...['A', 'B', 'C'].map((sku, i) => catalog.row('products', i + 1, product(sku)))),
    );
    shop.test.app.exec(`UPDATE products SET shelf = 'shelf of ' || id`);
    await shop.toCatalog(
      catalog.commit(101, ...['B', 'C', 'A'].map((sku, i) => catalog.row('products', i + 1, product(sku)))),
    );
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT id, server_id, sku, shelf FROM products ORDER BY id')).toEqual([
      { id: 1, server_id: 1, sku: 'B', shelf: 'shelf of 1' },
      { id: 2, server_id: 2, sku: 'C', shelf: 'shelf of 2' },
      { id: 3, server_id: 3, sku: 'A', shelf: 'shelf of 3' },
    ]);
  });

  it('get their turn behind any number of hopeless ones', async () => {
    const { catalog } = shop;
    const hopeless = Array.from({ length: 700 }, (_, i) =>
      catalog.row('products', i + 10, product(`H${i}`, { price: '-1' })),
    );
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A')), ...hopeless));
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 2, product('A', { name: 'waits' }))));
    shop.test.app.exec(`UPDATE products SET sku = 'B' WHERE sku = 'A'`);
    for (let tries = 0; tries < 3; tries += 1) shop.apply.applyLocal();
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 3, product('C'))));
    expect(shop.rows(`SELECT name FROM products WHERE sku = 'A'`)).toEqual([{ name: 'waits' }]);
    expect(shop.apply.parked.all()).toHaveLength(700);
  });

  it('are tried again when the app made room that something else saw first', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    await shop.toStore(store.commit(100, store.heartbeat()));
    await shop.toCatalog(catalog.commit(99, catalog.row('products', 1, product('A'))));
    shop.test.app.exec(`UPDATE products SET sku = 'B'`);
    shop.apply.unsettled();
    shop.apply.applyLocal();
    expect(shop.rows('SELECT sku FROM products ORDER BY 1')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
  });

  it('are tried again when the app makes room', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    await shop.toStore(store.commit(100, store.heartbeat()));
    await shop.toCatalog(catalog.commit(99, catalog.row('products', 1, product('A'))));
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'refused' }]);
    shop.test.app.exec(`UPDATE products SET sku = 'B'`);
    shop.apply.applyLocal();
    expect(shop.rows('SELECT sku FROM products ORDER BY 1')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
  });
});
