/** What is looked through in pieces: all of it, whatever is between them. */
import { afterEach, expect, it, vi } from 'vitest';
import { FillEntries } from '../../../services/terminal-agent/file/fill-entries.ts';
import { markAllUnswept } from '../../../services/terminal-agent/file/unswept.ts';
import { TriggerFault } from '../../../services/terminal-agent/rows/refusal.ts';
import { requireTable, TillTables } from '../../../services/terminal-agent/rows/till-tables.ts';
import { REBUILD, toldBy } from '../../support/rebuilt-table.ts';
import { openShopTill, product, type ShopOptions, type ShopTill } from '../../support/shop-till.ts';

const PRICES: ShopOptions = {
  schema: 'CREATE TABLE prices (a INTEGER, b INTEGER, note TEXT, PRIMARY KEY (a, b))',
  mapping: 'version: 1\ntables:\n  prices:\n    scope: global\n',
  central: {
    prices: {
      id: ['bigint', 'bigint'],
      a: ['bigint', 'bigint'],
      b: ['bigint', 'bigint'],
      note: ['text', 'text'],
    },
  },
};

let shop: ShopTill;
let meanwhile: () => void;
function open(options: ShopOptions = {}): void {
  let spanMs = 0;
  meanwhile = () => undefined;
  const elapsedMs = () => {
    meanwhile();
    return (spanMs += 60_000);
  };
  shop = openShopTill({ ...options, apply: { elapsedMs } });
}
afterEach(() => {
  shop.close();
});

const app = (sql: string) => shop.test.app.exec(sql);
const numbers = (count: number) =>
  `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
const manyWithoutKey = () =>
  app(`INSERT INTO prices (a, b) ${numbers(1_200)} SELECT NULL, i FROM n;
    INSERT INTO prices (a, b) ${numbers(1_200)} SELECT 5, NULL FROM n`);

it('rows without a whole key end no pass', async () => {
  open(PRICES);
  manyWithoutKey();
  app(`DROP TRIGGER sync_insert_prices; INSERT INTO prices VALUES (5, 1, 'x'), (7, 1, 'y')`);
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
  expect(toldBy(shop).map(([op, row]) => [op, (row as { note: string }).note])).toEqual([
    ['r', 'tx'],
    ['r', 'ty'],
  ]);
});

it('so many rows are looked at in one transaction, however few of them lack a column', () => {
  open(PRICES);
  manyWithoutKey();
  app(`INSERT INTO prices (a, b) ${numbers(2_500)} SELECT 6, i FROM n; UPDATE prices SET note = 'x' WHERE b = 2500;
    INSERT INTO sync_row_prices (central_id, row_key, position, base) ${numbers(2_500)}
      SELECT i, '6,' || i, x'00', '[]' FROM n`);
  const { till } = shop.test;
  const table = requireTable(new TillTables(till.db, till.binding).byLocal('prices'), 'prices');
  const [fills] = FillEntries.of(till.db, table, ['note']);
  const entered = () => shop.rows(`SELECT handle FROM sync_outbox WHERE op = 'f'`);
  const pieces: unknown[] = [];
  for (let left = true; left;) {
    left = till.write(() => fills?.next()) === true;
    pieces.push(entered());
  }
  expect(pieces).toEqual([[], [], [{ handle: '2500' }]]);
});

it('a table that the app drops between two pieces, is looked through no further', async () => {
  open();
  for (const id of [1, 2])
    await shop.toCatalog(shop.catalog.commit(100 + id, shop.catalog.row('products', id, product(`P${id}`))));
  app(`${REBUILD} COMMIT`);
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  meanwhile = () => app('DROP TABLE IF EXISTS products');
  await shop.apply.sweep.due();
  expect(shop.rows('SELECT table_name, due FROM sync_sweep')).toEqual([{ table_name: 'products', due: 1 }]);
});

it('a piece that is undone by a fault in a trigger of the app is looked through again', async () => {
  open();
  app(`DROP TRIGGER sync_insert_products; INSERT INTO products (sku) VALUES ('A'), ('B')`);
  const { till } = shop.test;
  till.appCommitted();
  shop.apply.applyLocal();
  const begin = till.writeRepeatable.bind(till);
  const fault = new TriggerFault('products', {
    ofIndex: false,
    undidAll: false,
    cause: new Error('a fault'),
  });
  vi.spyOn(till, 'writeRepeatable')
    .mockImplementationOnce(begin)
    .mockImplementationOnce((body, options) =>
      begin(() => {
        body();
        throw fault;
      }, options),
    );
  await shop.apply.sweep.due();
  expect(toldBy(shop).map(([op]) => op)).toEqual(['r', 'r']);
});

it('a table that is marked while our transaction waits to begin is not written to', async () => {
  open();
  const { till } = shop.test;
  await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('products', 1, product('P1'))));
  const begin = till.writeRepeatable.bind(till);
  const write = vi.spyOn(till, 'writeRepeatable').mockImplementationOnce((body, options) => {
    markAllUnswept(shop.test.app, { deletes: false });
    return begin(body, options);
  });
  await shop.toCatalog(
    shop.catalog.commit(101, shop.catalog.row('products', 1, product('P1', { name: 'another' }))),
  );
  expect(write).toHaveBeenCalled();
  expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'Name of P1' }]);
});

it('images that wait for a sweep are not read before it is over', () => {
  open();
  const { parked } = shop.apply;
  const row = {
    position: Buffer.alloc(12),
    topic: 't',
    image: '',
    reason: 'uncut',
    message: '',
    waitsFor: null,
  } as const;
  for (const table of ['products', 'orders']) parked.put({ ...row, table, centralId: '1' }, 0);
  expect(parked.uncutOutside(new Set(['products'])).map(({ table }) => table)).toEqual(['orders']);
});
