/** A table that the app makes anew without a transaction, by a copy of it, again and again, while the agent looks at any moment. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../support/random.ts';
import { openShopTill } from '../../support/shop-till.ts';

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
