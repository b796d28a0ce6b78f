/** Triggers of the app that are called as ours could be: they stay, run for the app, and not on central rows. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openShopTill, type ShopTill } from '../../../support/shop-till.ts';

const APP = `
CREATE TABLE seen (what TEXT);
CREATE TRIGGER sync_update_stock AFTER INSERT ON order_items BEGIN
  UPDATE products SET stock_quantity = stock_quantity - NEW.quantity WHERE id = NEW.product_id; END;
CREATE TRIGGER sync_delete_old AFTER INSERT ON orders BEGIN INSERT INTO seen VALUES (NEW.number); END;
`;
/** Exactly so; on a table of ours, and on another one. */
const TAKEN = `
CREATE TRIGGER Sync_Insert_Orders AFTER INSERT ON orders BEGIN INSERT INTO seen VALUES ('taken ' || NEW.number); END;
CREATE TRIGGER sync_delete_products AFTER INSERT ON orders BEGIN INSERT INTO seen VALUES ('other'); END;
`;

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

const ofApp = () =>
  shop.rows(
    `SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND (sql LIKE '%seen%' OR name = 'sync_update_stock')
      ORDER BY name`,
  );
const order = (id: number, number: string) =>
  shop.store.row('orders', id, { number, total: null, updated_at: null, store_id: 'S1' });

it('are left where they are, cause no sweep, and are not run by what comes down', async () => {
  shop.test.app.exec(APP);
  const before = ofApp();
  await shop.knownProduct('A', 7, { stock_quantity: 10 });
  await shop.toStore(
    shop.store.commit(
      100,
      order(1, 'n1'),
      shop.store.row('order_items', 2, { order_id: 1, product_id: 7, quantity: 3 }),
    ),
  );
  expect(shop.rows('SELECT stock_quantity FROM products')).toEqual([{ stock_quantity: 10 }]);
  expect(shop.rows('SELECT * FROM seen')).toEqual([]);
  shop.restart();
  shop.restart();
  expect(ofApp()).toEqual(before);
  expect(shop.rows('SELECT table_name FROM sync_sweep')).toEqual([]);
  shop.test.app.exec(`INSERT INTO orders (number) VALUES ('n2');
    INSERT INTO order_items (order_id, product_id, quantity) VALUES (2, 1, 4)`);
  expect(shop.rows('SELECT stock_quantity FROM products')).toEqual([{ stock_quantity: 6 }]);
  expect(shop.changes().map(({ table, op }) => `${op} ${table}`)).toEqual([
    'c orders',
    'c order_items',
    'u products',
  ]);
});

it('keep their names where ours had these, and all goes on being recorded', async () => {
  const { app } = shop.test;
  app.exec(`${APP} DROP TRIGGER sync_insert_orders; DROP TRIGGER sync_delete_products; ${TAKEN}`);
  const before = ofApp();
  shop.restart();
  expect(ofApp()).toEqual(before);
  await shop.knownProduct('A', 7);
  await shop.toStore(shop.store.commit(100, order(1, 'n1')));
  shop.restart();
  expect(ofApp()).toEqual(before);
  app.exec(`INSERT INTO orders (number) VALUES ('n2'); DELETE FROM products`);
  expect(shop.changes().map(({ table, op }) => `${op} ${table}`)).toEqual(['c orders', 'd products']);
  expect(shop.rows('SELECT what FROM seen ORDER BY what')).toEqual([
    { what: 'n2' },
    { what: 'other' },
    { what: 'taken n2' },
  ]);
  const names = () =>
    shop.rows(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%sync_outbox%'`).length;
  const installed = names();
  app.exec('DROP TRIGGER Sync_Insert_Orders');
  shop.restart();
  expect(names()).toBe(installed);
});

it('of an app that comes to a name later are followed, too', () => {
  shop.test.app.exec(`${APP} DROP TRIGGER sync_insert_orders; DROP TRIGGER sync_delete_products; ${TAKEN}`);
  shop.test.app.exec(`INSERT INTO orders (number) VALUES ('without us')`);
  expect(shop.test.till.hasNews()).toBe(true);
  shop.test.app.exec(`INSERT INTO orders (number) VALUES ('n3')`);
  expect(shop.changes().map(({ table, op }) => `${op} ${table}`)).toContain('c orders');
  expect(ofApp()).toHaveLength(4);
});
