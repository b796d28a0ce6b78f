/** How the till comes to agree with the centre: links, origins, progress, rebase (DESIGN §5). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CentralValue } from '../../../services/shared/records/change-record.ts';
import { positionAt } from '../../support/down-stream.ts';
import { INCARNATION, mine, openShopTill, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

const product = (sku: string, more: Record<string, CentralValue> = {}) => ({
  sku,
  name: `Name of ${sku}`,
  price: '12.50',
  stock_quantity: 10,
  category_id: null,
  updated_at: '2026-01-02 03:04:05+00',
  ...more,
});
const outcomes = () => shop.rows('SELECT seq, op, outcome FROM sync_outbox ORDER BY seq');
const identity = (table: string) =>
  String(
    (
      shop.rows(`SELECT identity FROM sync_change_${table} ORDER BY seq DESC LIMIT 1`)[0] as {
        identity: string;
      }
    ).identity,
  );
/** A linked product, known to both sides, nothing open. */
const known = async (sku = 'A', id = 7, more: Record<string, CentralValue> = {}) =>
  shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('products', id, product(sku, more))));

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
    expect(outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
    await shop.toStore(store.commit(100, store.link('T1', 'products', identity('products'), 7)));
    expect(shop.rows('SELECT count(*) AS n FROM products')).toEqual([{ n: 1 }]);
  });

  it('is found under the key that the app gave it meanwhile, whoever has the old one now', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (id, sku) VALUES (5, 'A'), (6, 'B');
      UPDATE products SET id = 50 WHERE id = 5;
      UPDATE products SET id = 60 WHERE id = 6;
      INSERT INTO products (id, sku) VALUES (5, 'other')`);
    const identityOf = (key: number) =>
      (shop.rows(`SELECT identity FROM sync_identity WHERE row_key = ${key}`) as { identity: string }[])[0]
        ?.identity ?? '';
    await shop.toStore(store.commit(100, store.link('T1', 'products', identityOf(50), 7)));
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
    expect(shop.apply.parkedRows()).toMatchObject([{ reason: 'own', centralId: '7' }]);
    await shop.toStore(store.commit(110, store.link('T1', 'products', identity('products'), 7)));
    expect(shop.apply.parkedRows()).toEqual([]);
    expect(shop.rows('SELECT id, server_id FROM products')).toEqual([{ id: 1, server_id: 7 }]);
    await shop.toStore(store.commit(122, store.progress('T1', INCARNATION, 1, { catalog: positionAt(110) })));
    expect(shop.rows('SELECT id, sku, server_id, sync_status FROM products')).toEqual([
      { id: 1, sku: 'A2', server_id: 7, sync_status: 'synced' },
    ]);
    expect(outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
    expect(shop.apply.parkedRows()).toEqual([]);
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
    shop.apply.setCatchUpEnd('payflow.store.S1', 2);
    await shop.toStore(store.commit(500, store.heartbeat()));
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A2'))));
    expect(shop.apply.parkedRows()).toMatchObject([{ reason: 'own' }]);
    await shop.toStore(store.commit(501, store.link('T1', 'products', identity('products'), 7)));
    expect(shop.apply.parkedRows()).toEqual([]);
    expect(shop.rows('SELECT server_id FROM products')).toEqual([{ server_id: 7 }]);
  });

  it('and deleted here before its link came does not come back', async () => {
    const { catalog, store } = shop;
    shop.test.app.exec(`INSERT INTO products (sku) VALUES ('A')`);
    shop.test.app.exec(`DELETE FROM products`);
    await shop.toStore(store.commit(100, store.link('T1', 'products', identity('products'), 7)));
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A'), { origins: [mine(1)] })),
    );
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    shop.restart();
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'edited' }))));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    await shop.toCatalog(catalog.commit(102, catalog.delete('products', 7, { origins: [mine(2)] })));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(outcomes().map((entry) => (entry as { outcome: string }).outcome)).toEqual(['applied', 'applied']);
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
        store.link('T1', 'products', identity('products'), 7),
        store.progress('T1', INCARNATION, 1, { catalog: positionAt(200) }),
      ),
    );
    expect(shop.rows('SELECT id, server_id, name, sync_status FROM products')).toEqual([
      { id: 1, server_id: 7, name: 'taken', sync_status: 'synced' },
    ]);
    expect(outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'applied' }]);
  });

  it('that this till’s store does not get (gone) is removed by the key-only delete', async () => {
    const { store } = shop;
    shop.test.app.exec(`INSERT INTO orders (number) VALUES ('n1')`);
    await shop.toStore(
      store.commit(
        100,
        store.link('T1', 'orders', identity('orders'), 5),
        store.delete('orders', 5, { origins: [mine(1, 'gone')] }),
      ),
    );
    expect(shop.rows('SELECT * FROM orders')).toEqual([]);
    expect(outcomes()).toEqual([{ seq: 1, op: 'c', outcome: 'gone' }]);
  });

  it('with a reused key is told apart from the deleted row that had the key', async () => {
    const { catalog } = shop;
    await known();
    shop.test.app.exec(`DELETE FROM products; INSERT INTO products (id, sku) VALUES (1, 'other')`);
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'edited' }))));
    expect(shop.rows('SELECT id, sku, server_id FROM products')).toEqual([
      { id: 1, sku: 'other', server_id: null },
    ]);
    await shop.toCatalog(catalog.commit(102, catalog.delete('products', 7, { origins: [mine(1)] })));
    expect(shop.rows('SELECT id, sku FROM products')).toEqual([{ id: 1, sku: 'other' }]);
  });
});

describe('unsettled edits', () => {
  it('stay visible over a newer image, and are settled by progress once both streams are there', async () => {
    const { catalog, store } = shop;
    await known();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toCatalog(
      catalog.commit(101, catalog.row('products', 7, product('A', { name: 'theirs', price: '9.00' }))),
    );
    expect(shop.rows('SELECT name, price, sync_status FROM products')).toEqual([
      { name: 'mine', price: 9, sync_status: 'pending' },
    ]);
    await shop.toStore(store.commit(103, store.progress('T1', INCARNATION, 1, { catalog: positionAt(102) })));
    expect(outcomes()).toEqual([{ seq: 1, op: 'u', outcome: null }]);
    await shop.toCatalog(
      catalog.commit(102, catalog.row('products', 7, product('A', { name: 'theirs', price: '9.00' }))),
    );
    expect(outcomes()).toEqual([{ seq: 1, op: 'u', outcome: 'applied' }]);
    expect(shop.rows('SELECT name, price, sync_status FROM products')).toEqual([
      { name: 'theirs', price: 9, sync_status: 'synced' },
    ]);
    expect(shop.rows('SELECT base FROM sync_row_products')).toEqual([{ base: null }]);
  });

  it('of a delta column show the centre’s value plus what is unsettled, settled one by one', async () => {
    const { catalog } = shop;
    const stock = () => shop.rows('SELECT stock_quantity AS n FROM products');
    await known();
    shop.test.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 2`);
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
    expect(shop.rows('SELECT base FROM sync_row_products')).toEqual([{ base: null }]);
  });

  it('that lost, or were refused, give way to the image that says so', async () => {
    const { catalog } = shop;
    await known();
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
    expect(outcomes()).toEqual([
      { seq: 1, op: 'u', outcome: 'lost' },
      { seq: 2, op: 'u', outcome: 'rejected' },
    ]);
  });

  it('keep a row that the centre deleted until they are settled', async () => {
    const { catalog, store } = shop;
    await known();
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
    const item = identity('order_items');
    await shop.toStore(store.commit(101, store.delete('orders', 5)));
    expect(shop.rows('SELECT number FROM orders')).toEqual([{ number: 'n' }]);
    expect(shop.apply.parkedRows()).toMatchObject([{ reason: 'children' }]);
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
    await known();
    shop.test.app.exec(`UPDATE products SET name = 'one'`);
    shop.test.app.exec(`UPDATE products SET name = 'two'`);
    await shop.toStore(
      store.commit(101, store.progress('T1', INCARNATION, 2, { exceptions: [[2, 2, 'held']] })),
    );
    expect(outcomes()).toMatchObject([{ outcome: 'applied' }, { outcome: null }]);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 2)));
    expect(outcomes()).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
  });

  it('are not settled by another till’s records, nor by those of another incarnation', async () => {
    const { catalog, store } = shop;
    await known();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    const origins = [
      { ...mine(1), terminal: 'T2' },
      { ...mine(1), incarnation: 'older' },
    ];
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A'), { origins })));
    await shop.toStore(
      store.commit(102, store.progress('T2', INCARNATION, 1), store.progress('T1', 'older', 1)),
    );
    expect(outcomes()).toMatchObject([{ outcome: null }]);
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'mine' }]);
  });

  it('are held back for no longer because an older incarnation’s progress is read again', async () => {
    await known();
    const { store } = shop;
    const older = store.commit(101, store.progress('T1', 'older', 1, { exceptions: [[1, 1, 'held']] }));
    await shop.toStore(older);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 0)));
    await shop.apply.replay('payflow.store.S1', older);
    expect(shop.apply.progress).toMatchObject({ incarnation: INCARNATION, exceptions: [] });
  });

  it('are not settled when the centre counts changes this file never made: it is an older copy', async () => {
    const { store } = shop;
    await known();
    shop.test.app.exec(`UPDATE products SET name = 'mine'`);
    await shop.toStore(store.commit(102, store.progress('T1', INCARNATION, 9)));
    expect(outcomes()).toMatchObject([{ outcome: null }]);
    expect(shop.apply.fenced).toBe(true);
  });
});

describe('rows that were here before the agent', () => {
  const before = (values: string) => {
    shop.close();
    shop = openShopTill();
    shop.test.till.close();
    shop.test.app
      .exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO products (sku, name, server_id) VALUES ${values};
      DELETE FROM sync_silence`);
    shop.restart();
  };

  it('are adopted by their natural key, and the centre’s values win', async () => {
    before(`('A', 'old name', NULL)`);
    await known('A', 7);
    expect(shop.rows('SELECT id, sku, name, server_id FROM products')).toEqual([
      { id: 1, sku: 'A', name: 'Name of A', server_id: 7 },
    ]);
  });

  it('that claim a central id are adopted when the natural key agrees, else the row is parked', async () => {
    before(`('A', 'a', 7), ('B', 'b', 8)`);
    await known('A', 7);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('products', 8, product('other'))));
    expect(shop.rows('SELECT sku, name FROM products ORDER BY sku')).toEqual([
      { sku: 'A', name: 'Name of A' },
      { sku: 'B', name: 'b' },
    ]);
    expect(shop.apply.parkedRows()).toMatchObject([{ reason: 'server-id', centralId: '8' }]);
  });

  it('that were offered show what the centre has once their link comes, also without the record that answers', async () => {
    before(`('B', 'b', 8)`);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('products', 8, product('other'))));
    expect(shop.apply.parkedRows()).toMatchObject([{ reason: 'server-id', centralId: '8' }]);
    shop.test.app.exec(`INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
        SELECT 'products', 'r', id, 1 FROM products WHERE sku = 'B';
      INSERT INTO sync_change_products (seq, identity, new_sku) VALUES (1, 'offered', 'B')`);
    await shop.toStore(
      shop.store.commit(
        102,
        shop.store.link('T1', 'products', 'offered', 8),
        shop.store.progress('T1', INCARNATION, 1),
      ),
    );
    expect(shop.apply.parkedRows()).toEqual([]);
    expect(shop.rows('SELECT server_id, sku FROM products')).toEqual([{ server_id: 8, sku: 'other' }]);
  });
});

describe('tables that the till only receives', () => {
  it('show central’s values again after an edit, an insert and a delete, and count them', async () => {
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('settings', 'a', { value: '1' }),
        catalog.row('settings', 'b', { value: '2' }),
      ),
    );
    shop.test.app.exec(`UPDATE settings SET value = 'x' WHERE name = 'a'`);
    shop.test.app.exec(`UPDATE settings SET value = 'y' WHERE name = 'a'`);
    shop.test.app.exec(`DELETE FROM settings WHERE name = 'b'`);
    shop.test.app.exec(`INSERT INTO settings VALUES ('c', '3')`);
    shop.apply.applyLocal();
    expect(shop.rows('SELECT * FROM settings ORDER BY name')).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
    expect(shop.apply.putBack.get('settings')).toBe(4);
    await shop.toCatalog(catalog.commit(101, catalog.row('settings', 'b', { value: '5' })));
    expect(shop.rows(`SELECT value FROM settings WHERE name = 'b'`)).toEqual([{ value: '5' }]);
    expect(shop.apply.open.empty).toBe(true);
  });
});

describe('replay', () => {
  it('applies again what is missing, and changes nothing where it stands already', async () => {
    const { catalog } = shop;
    await known();
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'new' }))));
    shop.test.app.exec(`INSERT INTO sync_silence VALUES (1); DELETE FROM products; DELETE FROM sync_silence`);
    const done = await shop.apply.replay('payflow.catalog', catalog.records);
    expect(done).toEqual({ applied: 1, skipped: 1 });
    expect(shop.rows('SELECT sku, name FROM products')).toEqual([{ sku: 'A', name: 'new' }]);
  });
});
