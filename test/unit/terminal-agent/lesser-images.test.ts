/** Images that do not say all of a row: what they leave out stays as the app has it, also where it wrote it itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mine, openShopTill, product, SHOP_CENTRAL, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => {
  shop.close();
});

const shown = () => shop.rows('SELECT name, stock_quantity FROM products');
const edit = (sql: string) => {
  shop.test.app.exec(sql);
  return shop.changes().at(-1)?.number ?? 0;
};

describe('an image that leaves out what is large', () => {
  it.each([true, false])('leaves the till’s own value that it answers (alone: %s)', async (isAlone) => {
    const { catalog } = shop;
    await shop.knownProduct('A', 7);
    const number = edit(`UPDATE products SET name = 'mine'`);
    if (!isAlone) edit('UPDATE products SET price = 3');
    const lesser = catalog.row('products', 7, product('A', { name: null, stock_quantity: 4 }), {
      omitted: ['name'],
      origins: [mine(number)],
    });
    await shop.toCatalog(catalog.commit(101, lesser));
    expect(shown()).toEqual([{ name: 'mine', stock_quantity: 4 }]);
    shop.restart();
    await shop.toCatalog(
      catalog.commit(102, catalog.row('products', 7, product('A', { name: null }), { omitted: ['name'] })),
    );
    expect(shown()).toEqual([{ name: 'mine', stock_quantity: 10 }]);
    expect(shop.changes().filter(({ table }) => table === 'products')).toHaveLength(isAlone ? 1 : 2);
  });

  it('still knows that when it had to wait', async () => {
    const { catalog, test } = shop;
    await shop.knownProduct('A', 7);
    test.app.exec(`INSERT INTO products (sku) VALUES ('B')`);
    const inTheWay = catalog.row('products', 7, product('B', { name: null }), { omitted: ['name'] });
    await shop.toCatalog(catalog.commit(101, inTheWay));
    expect(shop.apply.parked.all()).toHaveLength(1);
    test.app.exec(`UPDATE products SET sku = 'C' WHERE server_id IS NULL`);
    shop.apply.applyLocal();
    expect(shop.rows('SELECT sku, name FROM products WHERE server_id = 7')).toEqual([
      { sku: 'B', name: 'Name of A' },
    ]);
  });
});

describe('a column that the centre drops', () => {
  it('stays as the app writes it', async () => {
    const { catalog, schemas } = shop;
    await shop.knownProduct('A', 7);
    const { name: _, ...without } = SHOP_CENTRAL['products'] ?? {};
    schemas.set('products', without);
    const number = edit(`UPDATE products SET name = 'mine', price = 3`);
    const { name: __, ...values } = product('A', { price: '3.00' });
    const answer = catalog.row('products', 7, values, { origins: [mine(number)] });
    await shop.toCatalog(catalog.commit(101, answer));
    expect(shop.rows('SELECT name, price FROM products')).toEqual([{ name: 'mine', price: 3 }]);
  });
});

describe('what our own transaction enters', () => {
  it('is cut once it is committed: the agent file knows nothing that may be undone', async () => {
    const { catalog, test } = shop;
    await shop.knownProduct('A', 7);
    test.app.exec(`INSERT INTO products (sku) VALUES ('B')`);
    shop.look();
    shop.apply.applyLocal();
    // B goes without a word, so that its end has to be entered.
    test.app.exec(`INSERT OR REPLACE INTO products (id, sku) VALUES (9, 'B')`);
    test.app.exec(
      `CREATE TRIGGER full BEFORE INSERT ON sync_checkpoint BEGIN SELECT RAISE(ABORT, 'no checkpoint'); END`,
    );
    test.till.appCommitted();
    const image = () =>
      shop.toCatalog(catalog.commit(110, catalog.row('products', 7, product('A', { name: 'x' }))));
    await expect(image()).rejects.toThrow(/no checkpoint/);
    test.app.exec('DROP TRIGGER full');
    shop.restart();
    await image();
    shop.look();
    expect(shop.rows('SELECT sku, name FROM products ORDER BY id')).toEqual([
      { sku: 'A', name: 'x' },
      { sku: 'B', name: null },
    ]);
  });
});
