/** A trigger that forbids each UPDATE of a table, and comes while the agent is away, stops neither the app nor the agent. */
import { afterEach, expect, it } from 'vitest';
import { mine, openShopTill, type ShopTill } from '../../../support/shop-till.ts';

let shop: ShopTill;
afterEach(() => shop.close());

it.each(['ABORT', 'FAIL', 'ROLLBACK'])('RAISE(%s)', async (raise) => {
  shop = openShopTill();
  const { app } = shop.test;
  const sell = (number: string) =>
    app.prepare('INSERT INTO orders (number, total) VALUES (?, 1)').run(number);
  sell('before');
  shop.look();
  shop.test.till.close();
  app.exec(`CREATE TRIGGER final BEFORE UPDATE ON orders BEGIN SELECT RAISE(${raise}, 'final'); END`);
  sell('away');
  shop.restart();
  sell('later');
  const order = (number: string, origins = [mine(1)]) =>
    shop.store.row('orders', 5, { number, total: '1.00', updated_at: null, store_id: 'S1' }, { origins });
  await shop.toStore(shop.store.commit(100, order('before')));
  await shop.toStore(shop.store.commit(101, order('of head office', [])));
  sell('at last');
  expect(shop.outcomes()).toMatchObject([
    { op: 'c', outcome: 'applied' },
    { op: 'c', outcome: null },
    { op: 'c', outcome: null },
    { op: 'c', outcome: null },
  ]);
  expect(shop.rows('SELECT number, server_id FROM orders WHERE id = 1')).toEqual([
    { number: 'of head office', server_id: 5 },
  ]);
  expect(() => app.exec(`UPDATE orders SET total = 2`)).toThrow('final');
  expect(shop.rows('SELECT count(*) AS n FROM orders')).toEqual([{ n: 4 }]);
});
