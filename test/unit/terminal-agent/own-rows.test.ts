/** How a row made on a till and the row that the centre made of it become one (DESIGN §5): links, origins, progress. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { positionAt } from '../../support/down-stream.ts';
import { INCARNATION, mine, openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('a row made here', () => {
  it('is linked and settled by the record that answers it, and is never inserted again', async () => {
    shop.test.app.exec(`INSERT INTO products (sku, stock_quantity) VALUES ('A', 10)`);
    const { catalog, store } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A'), { op: 'c', origins: [mine(1)] })),
    );
    expect(shop.rows('SELECT id, server_id, name, sync_status FROM products')).toEqual([
      { id: 1, server_id: 7, name: 'Name of A', sync_status: 'synced' },
    ]);
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
    await shop.toStore(store.commit(100, store.link('T1', 'products', shop.identityOf('products'), 7)));
    expect(shop.rows('SELECT count(*) AS n FROM products')).toEqual([{ n: 1 }]);
  });

  it('is not taken for a row that a copy of this file made under the same number', async () => {
    shop.test.app.exec(`INSERT INTO products (sku, stock_quantity) VALUES ('A', 10)`);
    const { catalog, store } = shop;
    const ofCopy = { ...mine(1), unitHash: Buffer.alloc(32, 7) };
    const row = catalog.row('products', 7, product('B'), { op: 'c', origins: [ofCopy] });
    await shop.toCatalog(catalog.commit(100, row));
    await shop.toStore(store.commit(101, store.link('T1', 'products', 'identity of the copy', 7)));
    expect(shop.rows('SELECT sku, server_id, sync_status FROM products ORDER BY sku')).toEqual([
      { sku: 'A', server_id: null, sync_status: 'pending' },
      { sku: 'B', server_id: 7, sync_status: 'synced' },
    ]);
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: null }]);
    await shop.toStore(
      store.commit(
        102,
        store.link('T1', 'products', shop.identityOf('products'), 8),
        store.progress('T1', INCARNATION, 1, { catalog: positionAt(100) }),
      ),
    );
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
    expect(shop.rows('SELECT sku, server_id FROM products ORDER BY sku')).toEqual([
      { sku: 'A', server_id: 8 },
      { sku: 'B', server_id: 7 },
    ]);
  });

  it.each([{ restarts: false }, { restarts: true }])(
    'is linked by a link that comes only after it was settled, as where records were lost: %o',
    async ({ restarts }) => {
      const { catalog, store } = shop;
      shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A'), ('B')`);
      shop.look();
      shop.test.app.exec(`UPDATE products SET id = 60 WHERE sku = 'B'`);
      const identities = [1, 60].map((key) => shop.identityAt('products', key));
      await shop.toCatalog(catalog.commit(50, catalog.heartbeat()));
      await shop.toStore(
        store.commit(100, store.progress('T1', INCARNATION, 2, { catalog: positionAt(50) })),
      );
      expect(shop.outcomes().map((entry) => (entry as { outcome: unknown }).outcome)).not.toContain(null);
      if (restarts) shop.restart();
      const links = identities.map((identity, at) => store.link('T1', 'products', identity, 7 + at));
      await shop.toStore(store.commit(101, ...links));
      await shop.toCatalog(
        catalog.commit(
          102,
          catalog.row('products', 7, product('A')),
          catalog.row('products', 8, product('B')),
        ),
      );
      expect(shop.rows('SELECT sku, server_id FROM products ORDER BY sku')).toEqual([
        { sku: 'A', server_id: 7 },
        { sku: 'B', server_id: 8 },
      ]);
    },
  );

  it('is found under the key that the app gave it meanwhile, whoever has the old one now', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (id, sku) VALUES (5, 'A'), (6, 'B')`);
    shop.look();
    shop.test.app.exec(`UPDATE products SET id = 50 WHERE id = 5;
      UPDATE products SET id = 60 WHERE id = 6;
      INSERT INTO products (id, sku) VALUES (5, 'other')`);
    await shop.toStore(store.commit(100, store.link('T1', 'products', shop.identityAt('products', 50), 7)));
    await shop.toCatalog(
      catalog.commit(101, catalog.row('products', 8, product('B'), { op: 'c', origins: [mine(2)] })),
    );
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 7, product('A', { name: 'central' }))));
    expect(shop.rows('SELECT id, sku, server_id FROM products ORDER BY id')).toEqual([
      { id: 5, sku: 'other', server_id: null },
      { id: 50, sku: 'A', server_id: 7 },
      { id: 60, sku: 'B', server_id: 8 },
    ]);
  });

  it('is not inserted a second time when its link arrives after its row, nor when all origins were compacted away', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    await shop.toStore(store.commit(50, store.heartbeat()));
    await shop.toCatalog(catalog.commit(120, catalog.row('products', 7, product('A2'))));
    expect(shop.rows('SELECT sku, server_id FROM products')).toEqual([{ sku: 'A', server_id: null }]);
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'own', centralId: '7' }]);
    await shop.toStore(store.commit(110, store.link('T1', 'products', shop.identityOf('products'), 7)));
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT id, server_id FROM products')).toEqual([{ id: 1, server_id: 7 }]);
    await shop.toStore(store.commit(122, store.progress('T1', INCARNATION, 1, { catalog: positionAt(110) })));
    expect(shop.rows('SELECT id, sku, server_id, sync_status FROM products')).toEqual([
      { id: 1, sku: 'A2', server_id: 7, sync_status: 'synced' },
    ]);
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
    expect(shop.apply.parked.all()).toEqual([]);
  });

  it('keeps another row waiting only until the store stream has come as far', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 8, product('B'))));
    expect(shop.rows('SELECT sku FROM products')).toEqual([{ sku: 'A' }]);
    await shop.toStore(store.commit(101, store.heartbeat()));
    expect(shop.rows('SELECT sku, server_id FROM products ORDER BY 1')).toEqual([
      { sku: 'A', server_id: null },
      { sku: 'B', server_id: 8 },
    ]);
  });

  it('keeps new rows waiting while the store stream is read from the beginning, whatever its positions', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    shop.apply.checkpoints.setCatchUpEnd('payflow.store.S1', 2);
    await shop.toStore(store.commit(500, store.heartbeat()));
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A2'))));
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'own' }]);
    await shop.toStore(store.commit(501, store.link('T1', 'products', shop.identityOf('products'), 7)));
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT server_id FROM products')).toEqual([{ server_id: 7 }]);
  });

  it.each([
    ['REPLACE', `REPLACE INTO products (id, sku, name) VALUES (50, 'A', 'mine')`],
    [
      'DELETE and INSERT',
      `DELETE FROM products; INSERT INTO products (id, sku, name) VALUES (50, 'A', 'mine')`,
    ],
  ])('in the place of another by %s becomes what the centre merged it with', async (_how, sql) => {
    const { catalog, store } = shop;
    await shop.knownProduct();
    shop.test.app.exec(sql);
    shop.look();
    const identity = shop.identityOf('products');
    const answered = catalog.commit(
      101,
      catalog.row('products', 7, product('A', { name: 'mine' }), { origins: [mine(2, 'merged')] }),
    );
    await shop.toCatalog(answered);
    await shop.toStore(
      store.commit(
        101,
        store.link('T1', 'products', identity, 7),
        store.progress('T1', INCARNATION, 3, { catalog: positionAt(101) }),
      ),
    );
    await shop.toCatalog(catalog.commit(102, catalog.row('products', 7, product('A', { name: 'theirs' }))));
    expect(shop.rows('SELECT id, server_id, name, sync_status FROM products')).toEqual([
      { id: 50, server_id: 7, name: 'theirs', sync_status: 'synced' },
    ]);
    expect(shop.apply.parked.all()).toEqual([]);
  });

  it('and deleted here before its link came does not come back', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    shop.look();
    shop.test.app.exec(`DELETE FROM products`);
    await shop.toStore(store.commit(100, store.link('T1', 'products', shop.identityOf('products'), 7)));
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A'), { origins: [mine(1)] })),
    );
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    shop.restart();
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'edited' }))));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    await shop.toCatalog(catalog.commit(102, catalog.delete('products', 7, { origins: [mine(2)] })));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.outcomes().map((entry) => (entry as { outcome: string }).outcome)).toEqual([
      'applied',
      'applied',
    ]);
  });

  it('and deleted here comes back, with its key, when the delete loses', async () => {
    const { catalog } = shop;
    shop.test.app.exec(`INSERT INTO products (id, sku) VALUES (33, 'A')`);
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A'), { origins: [mine(1)] })),
    );
    shop.test.app.exec(`DELETE FROM products`);
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'kept' }))));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    await shop.toCatalog(
      catalog.commit(
        102,
        catalog.row('products', 7, product('A', { name: 'kept' }), { op: 'r', origins: [mine(2, 'lost')] }),
      ),
    );
    expect(shop.rows('SELECT id, server_id, name FROM products')).toEqual([
      { id: 33, server_id: 7, name: 'kept' },
    ]);
  });

  it('that the centre refused stays, flagged, and is linked when a retry succeeds', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    await shop.toStore(
      store.commit(100, store.progress('T1', INCARNATION, 1, { exceptions: [[1, 1, 'rejected']] })),
    );
    expect(shop.rows('SELECT sku, sync_status FROM products')).toEqual([
      { sku: 'A', sync_status: 'rejected' },
    ]);
    shop.restart();
    await shop.toCatalog(catalog.commit(200, catalog.row('products', 7, product('A', { name: 'taken' }))));
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: null }]);
    await shop.toStore(
      store.commit(
        200,
        store.link('T1', 'products', shop.identityOf('products'), 7),
        store.progress('T1', INCARNATION, 1, { catalog: positionAt(200) }),
      ),
    );
    expect(shop.rows('SELECT id, server_id, name, sync_status FROM products')).toEqual([
      { id: 1, server_id: 7, name: 'taken', sync_status: 'synced' },
    ]);
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
  });

  it('that this till’s store does not get (gone) is removed by the key-only delete', async () => {
    const { store } = shop;
    shop.test.app.exec(`INSERT INTO orders (number) VALUES ('n1')`);
    await shop.toStore(
      store.commit(
        100,
        store.link('T1', 'orders', shop.identityOf('orders'), 5),
        store.delete('orders', 5, { origins: [mine(1, 'gone')] }),
      ),
    );
    expect(shop.rows('SELECT * FROM orders')).toEqual([]);
    expect(shop.outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'gone' }]);
  });

  it('with a reused key is told apart from the deleted row that had the key', async () => {
    const { catalog } = shop;
    await shop.knownProduct();
    shop.test.app.exec(`DELETE FROM products; INSERT INTO products (id, sku) VALUES (1, 'other')`);
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'edited' }))));
    expect(shop.rows('SELECT id, sku, server_id FROM products')).toEqual([
      { id: 1, sku: 'other', server_id: null },
    ]);
    await shop.toCatalog(catalog.commit(102, catalog.delete('products', 7, { origins: [mine(1)] })));
    expect(shop.rows('SELECT id, sku FROM products')).toEqual([{ id: 1, sku: 'other' }]);
  });
});
