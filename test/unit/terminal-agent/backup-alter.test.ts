/** A table that the app makes anew without a transaction, by a copy of it, again and again, while the agent looks at any moment. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../support/random.ts';
import { toldBy } from '../../support/rebuilt-table.ts';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

const SEEDS = Array.from({ length: Number(process.env['BACKUP_SEEDS'] ?? 12) }, (_, seed) => seed + 1);

it.each(SEEDS)('what is sold meanwhile goes up once, and none of it is deleted, seed %i', (seed) => {
  const next = seededRandom(seed);
  let spanMs = 0;
  const shop = openShopTill({ apply: { elapsedMs: () => (spanMs += 1) } });
  const { app, till } = shop.test;
  const sql =
    app.prepare<[], string>(`SELECT sql FROM sqlite_master WHERE name = 'orders'`).pluck().get() ?? '';
  const steps = [
    'CREATE TABLE backup AS SELECT * FROM orders',
    'DROP TABLE orders',
    sql,
    'INSERT INTO orders SELECT * FROM backup',
    'DROP TABLE backup',
  ];
  const sold: string[] = [];
  app.pragma('foreign_keys = OFF');
  for (let round = 1; round <= 6; round += 1) {
    app.prepare('INSERT INTO orders (number) VALUES (?)').run(`n${round}`);
    sold.push(`c tn${round}`);
    for (const step of ['SELECT 1', ...steps]) {
      app.exec(step);
      const look = Math.floor(next() * 4);
      if (look > 0) till.appCommitted();
      if (look === 1) shop.look();
      if (look === 2) shop.apply.applyLocal();
    }
  }
  till.appCommitted();
  shop.apply.applyLocal();
  const told = shop
    .changes()
    .map(({ op, cut }) => (cut.op === 'c' ? `${op} ${cut.values.get('number')}` : op));
  // What nobody has seen before its table was dropped is found by the sweep.
  expect(sold).toEqual(expect.arrayContaining(told));
  expect(new Set(told).size).toBe(told.length);
  shop.close();
});

/** Two that the centre knows, and how their table is made. */
async function openWithProducts(): Promise<{ shop: ShopTill; sql: string }> {
  let spanMs = 0;
  const shop = openShopTill({ apply: { elapsedMs: () => (spanMs += 60_000) } });
  await shop.toCatalog(
    shop.catalog.commit(
      100,
      shop.catalog.row('products', 7, product('A')),
      shop.catalog.row('products', 8, product('B')),
    ),
  );
  const sql =
    shop.test.app
      .prepare<[], string>(`SELECT sql FROM sqlite_master WHERE name = 'products'`)
      .pluck()
      .get() ?? '';
  return { shop, sql };
}

it('of what was sold off a row just before, its amount goes up at once, and what else was edited once it is back', async () => {
  const { shop, sql } = await openWithProducts();
  const { app, till } = shop.test;
  app.exec(`UPDATE products SET stock_quantity = stock_quantity - 2, name = 'typed' WHERE sku = 'A';
    DELETE FROM products WHERE sku = 'B'; PRAGMA foreign_keys = OFF;
    CREATE TABLE backup AS SELECT * FROM products; DROP TABLE products; ${sql}`);
  till.appCommitted();
  shop.look();
  const away = toldBy(shop);
  app.exec('INSERT INTO products SELECT * FROM backup; DROP TABLE backup');
  till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
  shop.look();
  expect(away).toEqual([
    ['u', '7', {}, { stock_quantity: '-2' }],
    ['d', '8'],
  ]);
  expect(toldBy(shop).slice(away.length)).toEqual([['u', '7', { name: ['tName of A', 'ttyped'] }, {}]]);
  shop.close();
});

it('a row that got another key just before is known under it once its table is back', async () => {
  const { shop, sql } = await openWithProducts();
  const { app, till } = shop.test;
  app.exec(`UPDATE products SET id = id + 40, name = 'renumbered'`);
  till.appCommitted();
  shop.look();
  app.exec(`PRAGMA foreign_keys = OFF; CREATE TABLE backup AS SELECT * FROM products; DROP TABLE products`);
  till.appCommitted();
  shop.apply.applyLocal();
  app.exec(`${sql}; INSERT INTO products SELECT * FROM backup; DROP TABLE backup`);
  till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
  app.exec(`UPDATE products SET name = 'later' WHERE sku = 'A'; DELETE FROM products WHERE sku = 'B'`);
  till.appCommitted();
  shop.look();
  expect(toldBy(shop).slice(2)).toEqual([
    ['u', '7', { name: ['trenumbered', 'tlater'] }, {}],
    ['d', '8'],
  ]);
  shop.close();
});
