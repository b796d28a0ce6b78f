/** SQLite takes `orders` and `ORDERS` for one name: so do we, whoever writes it, and whenever it is written otherwise. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  mine,
  openShopTill,
  product,
  SHOP_CENTRAL,
  SHOP_MAPPING,
  SHOP_SCHEMA,
  type ShopOptions,
  type ShopTill,
} from '../../support/shop-till.ts';
import { toldBy } from '../../support/rebuilt-table.ts';

let shop: ShopTill;
let spanMs = 0;
const open = (options: ShopOptions = {}) => {
  shop = openShopTill({ ...options, apply: { elapsedMs: () => (spanMs += 60_000) } });
};
afterEach(() => {
  shop.close();
});

const app = (sql: string) => shop.test.app.exec(sql);
const told = () => toldBy(shop);
const toCatalog = (position: number, id: number, sku: string, more = {}) =>
  shop.toCatalog(shop.catalog.commit(position, shop.catalog.row('products', id, product(sku, more))));
const goods = (columns = 'sku, name, stock_quantity') =>
  shop.rows(`SELECT ${columns} FROM products ORDER BY id`);

async function look(): Promise<void> {
  shop.test.till.appCommitted();
  shop.apply.applyLocal();
  await shop.apply.sweep.due();
}

/** As the app's update does it: with the agent there, or away. */
async function changeSchema(sql: string, agent: 'running' | 'stopped'): Promise<void> {
  if (agent === 'stopped') shop.test.till.close();
  app(sql);
  if (agent === 'stopped') shop.restart();
  await look();
}

/** SQLite itself refuses to do it in one step. */
const renamed = (from: string, to: string) =>
  `ALTER TABLE ${from} RENAME TO on_the_way; ALTER TABLE on_the_way RENAME TO ${to};`;
const TABLE = renamed('products', 'Products');
const COLUMN = 'ALTER TABLE products RENAME COLUMN name TO Name';
const KEY = 'ALTER TABLE products RENAME COLUMN id TO ID';
const DELTA = 'ALTER TABLE products RENAME COLUMN stock_quantity TO Stock_Quantity';
const REFERENCE = 'ALTER TABLE products RENAME COLUMN category_id TO CATEGORY_ID';
const KEPT_BY_US = `ALTER TABLE products RENAME COLUMN local_id TO LocaL_Id; ALTER TABLE products RENAME COLUMN server_id TO Server_ID;
  ALTER TABLE products RENAME COLUMN sync_status TO Sync_Status; ALTER TABLE products RENAME COLUMN updated_at TO UPDATED_AT`;
const BACK = `${TABLE} ${COLUMN}; ${renamed('Products', 'products')} ALTER TABLE products RENAME COLUMN Name TO name`;
const OF_PARENT = renamed('categories', 'Categories');
const REBUILT = `BEGIN; CREATE TABLE PRODUCTS_NEW (Id INTEGER PRIMARY KEY, Local_Id TEXT, Server_Id INTEGER, Sku TEXT NOT NULL UNIQUE,
  Name TEXT, Price REAL, Stock_Quantity INTEGER NOT NULL DEFAULT 0, Category_Id INTEGER REFERENCES CATEGORIES (ID),
  Updated_At TEXT, Shelf TEXT, Sync_Status TEXT, Sync_Operation TEXT, Last_Sync_At TEXT);
  INSERT INTO products_new SELECT * FROM products; DROP TABLE products; ALTER TABLE products_new RENAME TO Products; COMMIT`;

describe.each(['running', 'stopped'] as const)('while the agent is %s', (agent) => {
  it.each([
    ['a table', TABLE],
    ['a column', COLUMN],
    ['the key', KEY],
    ['a column that is added up', DELTA],
    ['a reference', REFERENCE],
    ['columns that we keep', KEPT_BY_US],
    ['a table and a column, and back', BACK],
    ['the parent', OF_PARENT],
    ['a rebuilt table', REBUILT],
  ])('%s in other letters changes nothing, and what is sold, moved and pushed goes on', async (_, sql) => {
    open();
    await shop.toCatalog(
      shop.catalog.commit(90, shop.catalog.row('categories', 5, { name: 'Food', parent_id: null })),
    );
    await toCatalog(100, 1, 'A', { category_id: 5 });
    await toCatalog(101, 2, 'B');
    app(`UPDATE products SET stock_quantity = stock_quantity - 1, name = 'unsettled' WHERE sku = 'B'`);
    shop.look();
    await changeSchema(sql, agent);
    const unsettled = ['u', '2', { name: ['tName of B', 'tunsettled'] }, { stock_quantity: '-1' }];
    expect(told()).toEqual([unsettled]);
    await toCatalog(110, 3, 'C', { category_id: 5 });
    app(`UPDATE products SET stock_quantity = stock_quantity - 2, name = 'mine' WHERE sku = 'A';
      INSERT INTO products (sku, name, category_id) VALUES ('N', 'new', (SELECT id FROM categories))`);
    await look();
    expect(told()).toEqual([
      unsettled,
      ['u', '1', { name: ['tName of A', 'tmine'] }, { stock_quantity: '-2' }],
      ['c', { sku: 'tN', name: 'tnew', category_id: 'H5', stock_quantity: '0' }],
    ]);
    const changes = shop.changes();
    expect(new Set(changes.map(({ table }) => table))).toEqual(new Set(['products']));
    const answer = product('A', { name: 'mine', stock_quantity: 8, category_id: 5 });
    const origin = [mine(changes[1]?.number ?? 0)];
    await shop.toCatalog(
      shop.catalog.commit(111, shop.catalog.row('products', 1, answer, { origins: origin })),
    );
    expect(shop.outcomes()).toMatchObject([{ outcome: null }, { outcome: 'applied' }, { outcome: null }]);
    expect(
      shop.rows('SELECT sku AS a, name AS b, stock_quantity AS c, category_id AS d FROM products'),
    ).toEqual([
      { a: 'A', b: 'mine', c: 8, d: 1 },
      { a: 'B', b: 'unsettled', c: 9, d: null },
      { a: 'C', b: 'Name of C', c: 10, d: 1 },
      { a: 'N', b: 'new', c: 0, d: 1 },
    ]);
    await look();
    expect(told()).toHaveLength(3);
  });
});

describe('names that mapping, file and centre write in different letters', () => {
  const upper = (sql: string) =>
    sql.replace(
      /\b(products|categories|orders|order_items|settings|sku|name|price|stock_quantity|category_id|order_id|product_id|parent_id|quantity|number|total|updated_at|value)\b/g,
      (word) => word.toUpperCase(),
    );

  it('in the file are those that the mapping means', async () => {
    open({ schema: upper(SHOP_SCHEMA) });
    await toCatalog(100, 1, 'A');
    app(`UPDATE products SET stock_quantity = stock_quantity - 1, name = 'mine'`);
    await look();
    // What the mapping does not name is called as in the file, and known at the centre in any case.
    expect(told()).toEqual([['u', '1', { NAME: ['tName of A', 'tmine'] }, { stock_quantity: '-1' }]]);
  });

  it('within the mapping are one', async () => {
    const mapping = SHOP_MAPPING.replace('natural_key: [sku]', 'natural_key: [Sku]')
      .replace('category_id: categories', 'Category_ID: CATEGORIES')
      .replace('store: {via: order_id}', 'store: {via: ORDER_ID}')
      .replace('stock_quantity: {policy', 'Stock_quantity: {policy')
      .replaceAll('sync_status', 'SYNC_STATUS');
    open({ mapping });
    await shop.toCatalog(
      shop.catalog.commit(90, shop.catalog.row('categories', 5, { name: 'Food', parent_id: null })),
    );
    await toCatalog(100, 1, 'A', { category_id: 5 });
    expect(shop.rows('SELECT category_id, stock_quantity, sync_status FROM products')).toEqual([
      { category_id: 1, stock_quantity: 10, sync_status: 'synced' },
    ]);
    app(`UPDATE products SET stock_quantity = stock_quantity - 1`);
    await look();
    expect(shop.changes().map(({ cut }) => cut.op === 'u' && [...cut.sums.values()])).toEqual([['-1']]);
  });

  it('in a mapping that comes later are what they were', async () => {
    open();
    await toCatalog(100, 1, 'A');
    app(`UPDATE products SET name = 'mine'`);
    shop.look();
    shop.test.till.adoptMapping(
      2,
      SHOP_MAPPING.replaceAll('products', 'Products').replace(
        'Products:',
        'Products:\n    central: products',
      ),
    );
    app(`UPDATE products SET stock_quantity = stock_quantity - 1`);
    await look();
    expect(shop.changes().map(({ table }) => table)).toEqual(['products', 'products']);
    await shop.toCatalog(
      shop.catalog.commit(
        111,
        shop.catalog.row('products', 1, product('A', { name: 'mine' }), { origins: [mine(1)] }),
      ),
    );
    expect(goods()).toEqual([{ sku: 'A', name: 'mine', stock_quantity: 9 }]);
  });

  it('at the centre are those of the columns that the mapping does not name', async () => {
    const { name, ...others } = SHOP_CENTRAL['products'] ?? {};
    open({ central: { ...SHOP_CENTRAL, products: { ...others, Name: name ?? ['text', 'text'] } } });
    const { name: text, ...row } = product('A');
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('products', 1, { ...row, Name: text })));
    expect(goods()).toEqual([{ sku: 'A', name: 'Name of A', stock_quantity: 10 }]);
  });

  it('that differ in other letters than A to Z are two', async () => {
    open({ schema: SHOP_SCHEMA.replace('shelf TEXT', 'shelf TEXT, "größe" TEXT, "GRÖßE" TEXT') });
    await toCatalog(100, 1, 'A');
    app(`UPDATE products SET "größe" = 's', "GRÖßE" = 'l'`);
    await look();
    expect(shop.test.till.binding.tables.get('products')?.columns.map(({ local }) => local)).toEqual(
      expect.arrayContaining(['größe', 'GRÖßE']),
    );
  });
});
