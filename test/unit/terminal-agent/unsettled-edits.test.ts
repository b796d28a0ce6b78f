/** Edits of a till until the centre answers them (DESIGN §5): shown over newer images, then settled. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { positionAt } from '../../support/down-stream.ts';
import { INCARNATION, mine, openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('unsettled edits', () => {
  it('stay visible over a newer image, and are settled by progress once both streams are there', async () => {
    const { catalog, store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toCatalog(
      catalog.commit(101, catalog.row('products', 7, product('A', { name: 'theirs', price: '9.00' }))),
    );
    expect(shop.rows('SELECT name, price, sync_status FROM products')).toEqual([
      { name: 'mine', price: 9, sync_status: 'pending' },
    ]);
    await shop.toStore(store.commit(103, store.progress('T1', INCARNATION, 1, { catalog: positionAt(102) })));
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'u', outcome: null }]);
    await shop.toCatalog(
      catalog.commit(102, catalog.row('products', 7, product('A', { name: 'theirs', price: '9.00' }))),
    );
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'u', outcome: 'applied' }]);
    expect(shop.rows('SELECT name, price, sync_status FROM products')).toEqual([
      { name: 'theirs', price: 9, sync_status: 'synced' },
    ]);
  });

  it('of a delta column show the centre’s value plus what is unsettled, settled one by one', async () => {
    const { catalog } = shop;
    const stock = () => shop.rows('SELECT stock_quantity AS n FROM products');
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 2`);
    shop.look();
    shop.test.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 3`);
    await shop.toCatalog(
      catalog.commit(101, catalog.row('products', 7, product('A', { stock_quantity: 100 }))),
    );
    expect(stock()).toEqual([{ n: 95 }]);
    await shop.toCatalog(
      catalog.commit(
        102,
        catalog.row('products', 7, product('A', { stock_quantity: 98 }), { origins: [mine(1)] }),
      ),
    );
    expect(stock()).toEqual([{ n: 95 }]);
    shop.restart();
    await shop.toCatalog(
      catalog.commit(
        103,
        catalog.row('products', 7, product('A', { stock_quantity: 95 }), { origins: [mine(2)] }),
      ),
    );
    expect(stock()).toEqual([{ n: 95 }]);
  });

  it('that lost, or were refused, give way to the image that says so', async () => {
    const { catalog } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toCatalog(
      catalog.commit(
        101,
        catalog.row('products', 7, product('A', { name: 'theirs' }), { op: 'r', origins: [mine(1, 'lost')] }),
      ),
    );
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'theirs' }]);
    shop.test.app.exec(`UPDATE products SET name = 'again'`);
    await shop.toCatalog(
      catalog.commit(
        102,
        catalog.row('products', 7, product('A', { name: 'theirs' }), {
          op: 'r',
          origins: [mine(2, 'rejected')],
        }),
      ),
    );
    expect(shop.rows('SELECT name, sync_status FROM products')).toEqual([
      { name: 'theirs', sync_status: 'synced' },
    ]);
    expect(shop.outcomes()).toEqual([
      { seq: 1, op: 'u', outcome: 'lost' },
      { seq: 2, op: 'u', outcome: 'rejected' },
    ]);
  });

  it('keep a row that the centre deleted until they are settled', async () => {
    const { catalog, store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toCatalog(catalog.commit(101, catalog.delete('products', 7)));
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'mine' }]);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 1)));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.rows('SELECT row_key, deleted FROM sync_row_products')).toEqual([
      { row_key: null, deleted: 1 },
    ]);
  });

  it('of children keep their parent from being deleted until they are settled', async () => {
    const { store } = shop;
    await shop.toStore(
      store.commit(100, store.row('orders', 5, { number: 'n', total: '1.00', store_id: 'S1' })),
    );
    shop.test.app.exec(`INSERT INTO order_items (order_id, quantity) VALUES (1, 2)`);
    const item = shop.identityOf('order_items');
    await shop.toStore(store.commit(101, store.delete('orders', 5)));
    expect(shop.rows('SELECT number FROM orders')).toEqual([{ number: 'n' }]);
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'children' }]);
    await shop.toStore(
      store.commit(
        102,
        store.link('T1', 'order_items', item, 50),
        store.delete('order_items', 50, { origins: [mine(1, 'gone')] }),
      ),
    );
    expect(shop.rows('SELECT * FROM orders')).toEqual([]);
  });

  it('that are held stay open, and a later progress settles them', async () => {
    const { store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'one'`);
    shop.look();
    shop.test.app.exec(`UPDATE products SET name = 'two'`);
    await shop.toStore(
      store.commit(101, store.progress('T1', INCARNATION, 2, { exceptions: [[2, 2, 'held']] })),
    );
    expect(shop.outcomes()).toMatchObject([{ outcome: 'applied' }, { outcome: null }]);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 2)));
    expect(shop.outcomes()).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
  });

  it('are not settled by another till’s records, nor by those of another incarnation', async () => {
    const { catalog, store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    const origins = [
      { ...mine(1), terminal: 'T2' },
      { ...mine(1), incarnation: 'older' },
    ];
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A'), { origins })));
    await shop.toStore(
      store.commit(102, store.progress('T2', INCARNATION, 1), store.progress('T1', 'older', 1)),
    );
    expect(shop.outcomes()).toMatchObject([{ outcome: null }]);
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'mine' }]);
  });

  it('are held back for no longer because an older incarnation’s progress is read again', async () => {
    await shop.knownProduct();
    const { store } = shop;
    const older = store.commit(101, store.progress('T1', 'older', 1, { exceptions: [[1, 1, 'held']] }));
    await shop.toStore(older);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 0)));
    await shop.apply.replay('payflow.store.S1', older);
    expect(shop.apply.progress).toMatchObject({ incarnation: INCARNATION, exceptions: [] });
  });

  it('are not settled when the centre counts changes this file never made: it is an older copy', async () => {
    const { store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 9)));
    expect(shop.outcomes()).toMatchObject([{ outcome: null }]);
    expect(shop.apply.fenced).toBe(true);
  });
});
