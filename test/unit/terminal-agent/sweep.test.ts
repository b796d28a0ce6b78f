/** What the app does while our triggers are away is found, and nothing is written over it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { product, openShopTill, SHOP_SCHEMA, type ShopTill } from '../../support/shop-till.ts';
import { markAllUnswept } from '../../../services/terminal-agent/file/unswept.ts';
import { REBUILD, toldBy } from '../../support/rebuilt-table.ts';
import { seededRandom } from '../../support/random.ts';

let shop: ShopTill;
let spanMs = 0;
/** Each look at the clock is long after the one before: what has to be still is. */
const still = { apply: { elapsedMs: () => (spanMs += 60_000) } };
beforeEach(() => {
  shop = openShopTill(still);
});
afterEach(() => {
  shop.close();
});

const toCatalog = (position: number, id: number, sku: string, more = {}) =>
  shop.toCatalog(shop.catalog.commit(position, shop.catalog.row('products', id, product(sku, more))));
const app = (sql: string) => shop.test.app.exec(sql);

const told = () => toldBy(shop);

/** The agent comes to see the schema; then whatever comes down first has the table looked through. */
async function look(): Promise<void> {
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
}

describe('a table that the app makes anew', () => {
  it('in one transaction goes on as it was: nothing goes up, and the next sale does', async () => {
    await toCatalog(100, 1, 'A');
    await toCatalog(101, 2, 'B');
    app(`${REBUILD} COMMIT`);
    await look();
    expect(told()).toEqual([]);
    app(`UPDATE products SET stock_quantity = stock_quantity - 2 WHERE sku = 'A'`);
    await look();
    expect(told()).toEqual([['u', '1', {}, { stock_quantity: '-2' }]]);
  });

  it('with edits, sales, new rows and deletes in the same transaction loses none of them', async () => {
    for (const [at, sku] of ['A', 'B', 'C', 'D'].entries()) await toCatalog(100 + at, at + 1, sku);
    app(`${REBUILD}
      UPDATE products SET name = 'Apple' WHERE sku = 'A';
      UPDATE products SET stock_quantity = stock_quantity - 3 WHERE sku = 'B';
      DELETE FROM products WHERE sku = 'C';
      INSERT INTO products (sku, name, stock_quantity) VALUES ('E', 'new', 7);
      COMMIT`);
    await look();
    expect(told()).toEqual([
      ['u', '1', { name: ['tName of A', 'tApple'] }, {}],
      ['u', '2', {}, { stock_quantity: '-3' }],
      ['r', { sku: 'tE', name: 'tnew', stock_quantity: '7' }],
      ['d', '3'],
    ]);
  });

  it('is not written to before it was looked through', async () => {
    await toCatalog(100, 1, 'A');
    app(`${REBUILD} UPDATE products SET name = 'Apple'; COMMIT`);
    shop.test.till.appCommitted();
    await toCatalog(110, 1, 'A', { name: 'of head office' });
    expect(told()).toEqual([['u', '1', { name: ['tName of A', 'tApple'] }, {}]]);
    // In flight, so that it shows what the app wrote.
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'Apple' }]);
  });

  it('between our last look at its schema and our own transaction, is noticed in that', async () => {
    await toCatalog(100, 1, 'A');
    app(`${REBUILD} UPDATE products SET name = 'Apple'; COMMIT`);
    await toCatalog(110, 1, 'A', { name: 'of head office' });
    expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'Apple' }]);
    await look();
    expect(told()).toEqual([['u', '1', { name: ['tName of A', 'tApple'] }, {}]]);
  });

  it('in pieces, seconds apart, is none deleted and none doubled', async () => {
    for (const [at, sku] of ['A', 'B'].entries()) await toCatalog(100 + at, at + 1, sku);
    app(
      `INSERT INTO products (sku, name, local_id) VALUES ('S', 'sold here', '0123456789abcdef0123456789abcdef')`,
    );
    await look();
    const before = told();
    app('CREATE TABLE backup AS SELECT * FROM products');
    await look();
    app('DROP TABLE products');
    await look();
    app(
      REBUILD.slice(REBUILD.indexOf('CREATE'), REBUILD.indexOf(';', REBUILD.indexOf('CREATE'))).replace(
        'products_new',
        'products',
      ),
    );
    shop.test.till.appCommitted();
    shop.look();
    app('INSERT INTO products SELECT * FROM backup; DROP TABLE backup');
    await look();
    app(`UPDATE products SET stock_quantity = stock_quantity - 1 WHERE sku = 'B'`);
    await look();
    expect(told().slice(before.length)).toEqual([['u', '2', {}, { stock_quantity: '-1' }]]);
  });

  it('while the agent is away is found at its start', async () => {
    await toCatalog(100, 1, 'A');
    shop.test.till.close();
    app(`${REBUILD} UPDATE products SET price = 9.5, stock_quantity = 4; COMMIT`);
    shop.restart();
    await look();
    expect(told()).toEqual([['u', '1', { price: ['r12.5', 'r9.5'] }, { stock_quantity: '-6' }]]);
  });
});

describe('rows that are gone without a word', () => {
  it('go up behind the amount that was taken off them before', async () => {
    for (const [at, sku] of ['A', 'B'].entries()) await toCatalog(100 + at, at + 1, sku);
    app(`UPDATE products SET stock_quantity = stock_quantity - 3 WHERE sku = 'B'; ${REBUILD}
      DELETE FROM products WHERE sku = 'B'; COMMIT`);
    await look();
    expect(told()).toEqual([
      ['u', '2', {}, { stock_quantity: '-3' }],
      ['d', '2'],
    ]);
  });

  const many = async (rows: number) => {
    for (let at = 1; at <= rows; at += 1) await toCatalog(100 + at, at, `P${at}`);
  };

  it('like most of their table were taken by a tool: none is deleted, and it is said', async () => {
    await many(30);
    app(`${REBUILD} DELETE FROM products; COMMIT`);
    await look();
    expect([told(), shop.apply.sweep.vanished]).toEqual([[], new Map([['products', 30]])]);
    await toCatalog(200, 7, 'P7', { name: 'again' });
    expect(shop.rows('SELECT sku, name FROM products')).toEqual([{ sku: 'P7', name: 'again' }]);
  });

  it('are deleted if an operator says so', async () => {
    await many(30);
    app(`${REBUILD} DELETE FROM products; COMMIT`);
    await look();
    markAllUnswept(shop.test.app, { deletes: true });
    await look();
    expect(told().map(([op]) => op)).toEqual(Array.from({ length: 30 }, () => 'd'));
    expect(shop.apply.sweep.vanished.size).toBe(0);
  });
});

describe('rows that nobody knows', () => {
  it('are left to bootstrap where some were there before the agent', async () => {
    shop.close();
    shop = openShopTill({ schema: `${SHOP_SCHEMA} INSERT INTO products (sku) VALUES ('old')`, ...still });
    app(`${REBUILD} INSERT INTO products (sku) VALUES ('new'); COMMIT`);
    await look();
    expect(told()).toEqual([]);
  });
});

describe('whatever the app does without triggers', () => {
  const FIELDS = ['name', 'price', 'category_id'] as const;

  it.each([1, 2, 3, 4, 5, 6])('ends up in what goes up, seed %i', async (seed) => {
    const next = seededRandom(seed);
    const below = (count: number) => Math.floor(next() * count);
    for (let at = 1; at <= 12; at += 1) await toCatalog(100 + at, at, `P${at}`);
    const statement = () => {
      const sku = `P${below(12) + 1}`;
      const field = FIELDS[below(2)] ?? 'name';
      const statements = [
        `UPDATE products SET ${field} = ${below(50)} WHERE sku = '${sku}'`,
        `UPDATE products SET stock_quantity = stock_quantity - ${below(4)} WHERE sku = '${sku}'`,
        `DELETE FROM products WHERE sku = '${sku}' AND ${below(3)} = 0`,
        `INSERT INTO products (sku, stock_quantity) VALUES ('N${below(1e9)}', ${below(9)})`,
      ];
      return statements[below(4)];
    };
    const some = () => Array.from({ length: below(6) }, statement).join(';');
    for (let round = 0; round < 5; round += 1) {
      app(some());
      if (below(2) === 0) shop.look();
      app(`${REBUILD} ${some()}; COMMIT`);
      shop.test.till.appCommitted();
      app(some());
      if (below(2) === 0) shop.look();
      await look();
    }
    await look();
    expect(playedBack(shop)).toEqual(
      shop.rows('SELECT sku, name, price, stock_quantity FROM products ORDER BY sku'),
    );
  });
});

/** What the centre makes of all that went up. */
function playedBack(till: ShopTill): unknown[] {
  const rows = new Map<string, Map<string, string | null>>();
  for (let at = 1; at <= 12; at += 1) {
    rows.set(
      String(at),
      new Map([
        ['sku', `tP${at}`],
        ['name', `tName of P${at}`],
        ['price', 'r12.5'],
        ['stock_quantity', '10'],
      ]),
    );
  }
  for (const { handle, cut } of till.changes()) {
    if (cut.op === 'c') rows.set(handle, new Map(cut.values));
    else if (cut.op === 'd') rows.delete(handle);
    else {
      const row = rows.get(handle);
      for (const [column, { after }] of cut.edits) row?.set(column, after);
      for (const [column, sum] of cut.sums) row?.set(column, String(Number(row.get(column)) + Number(sum)));
    }
  }
  const plain = (text: string | null | undefined) =>
    text == null ? null : text.startsWith('t') ? text.slice(1) : Number(text.replace(/^[ri]/, ''));
  return [...rows.values()]
    .map((row) => ({
      sku: plain(row.get('sku')),
      name: plain(row.get('name')),
      price: plain(row.get('price')),
      stock_quantity: plain(row.get('stock_quantity')),
    }))
    .sort((a, b) => (String(a.sku) < String(b.sku) ? -1 : 1));
}
