/** What was cut by an agent file that is lost, and has come back from the centre before it is cut again. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OPEN_ENTRIES_SQL } from '../../../services/terminal-agent/file/outbox-schema.ts';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(async () => {
  shop = openShopTill();
  await shop.knownProduct();
});
afterEach(() => shop.close());

const open = () => shop.test.app.prepare<[], number>(OPEN_ENTRIES_SQL).pluck().get();

function loseAgentFile(): void {
  for (const part of ['', '-wal', '-shm'])
    rmSync(join(shop.test.folder, `T1.agent.db${part}`), { force: true });
  shop.restart();
}

it.each([
  ['and nothing was sold since', ''],
  ['and something was sold since', `INSERT INTO products (sku) VALUES ('C')`],
])('is not open for ever, %s', async (_what, sql) => {
  const { catalog, store, test } = shop;
  test.app.exec(`UPDATE products SET name = 'mine' WHERE sku = 'A'; INSERT INTO products (sku) VALUES ('B')`);
  shop.apply.applyLocal();
  await shop.toStore(store.commit(200, store.link('T1', 'products', shop.identityOf('products'), 8)));
  await shop.toCatalog(
    catalog.commit(
      200,
      catalog.row('products', 7, product('A', { name: 'mine' })),
      catalog.row(
        'products',
        8,
        product('B', { name: null, price: null, stock_quantity: 0, updated_at: null }),
      ),
    ),
  );
  expect(open()).toBe(2);
  loseAgentFile();
  test.app.exec(sql);
  await shop.toCatalog(catalog.commit(300, catalog.heartbeat()));
  expect(open()).toBe(sql === '' ? 0 : 1);
  expect(shop.rows('SELECT sku, name FROM products WHERE server_id IS NOT NULL ORDER BY sku')).toEqual([
    { sku: 'A', name: 'mine' },
    { sku: 'B', name: null },
  ]);
});
