/** A search index of the app follows the rows that come from the centre; what counts stock doesn't. */
import { afterEach, describe, expect, it } from 'vitest';
import { openShopTill, product, SHOP_MAPPING, SHOP_SCHEMA, type ShopTill } from '../../support/shop-till.ts';

/** As SQLite's documentation of FTS5 has it, for a table whose texts stay outside of the index. */
const EXTERNAL_CONTENT = `
CREATE VIRTUAL TABLE product_search USING fts5(name, sku, content='products', content_rowid='id');
CREATE TRIGGER products_ai AFTER INSERT ON products BEGIN
  INSERT INTO product_search(rowid, name, sku) VALUES (new.id, new.name, new.sku);
END;
CREATE TRIGGER products_ad AFTER DELETE ON products BEGIN
  INSERT INTO product_search(product_search, rowid, name, sku) VALUES ('delete', old.id, old.name, old.sku);
END;
CREATE TRIGGER products_au AFTER UPDATE ON products BEGIN
  INSERT INTO product_search(product_search, rowid, name, sku) VALUES ('delete', old.id, old.name, old.sku);
  INSERT INTO product_search(rowid, name, sku) VALUES (new.id, new.name, new.sku);
END;
`;

let shop: ShopTill;
afterEach(() => shop.close());

const found = (word: string) =>
  shop.rows(
    `SELECT sku FROM products WHERE id IN (SELECT rowid FROM product_search('${word}')) ORDER BY sku`,
  );
const triggers = () =>
  shop.rows(
    `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE 'sync_%' ORDER BY rowid`,
  );
const checkIndex = () =>
  shop.test.app.exec(`INSERT INTO product_search(product_search, rank) VALUES ('integrity-check', 1)`);

describe('an index that triggers fill', () => {
  it('finds rows that came, changed and went at the centre', async () => {
    shop = openShopTill({ schema: SHOP_SCHEMA + EXTERNAL_CONTENT });
    const { catalog } = shop;
    const before = triggers();
    await shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('products', 7, product('A', { name: 'green apple' })),
        catalog.row('products', 8, product('B', { name: 'red apple' })),
      ),
    );
    expect(found('apple')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
    checkIndex();
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'pear' }))));
    await shop.toCatalog(catalog.commit(102, catalog.delete('products', 8)));
    expect(found('apple')).toEqual([]);
    expect(found('pear')).toEqual([{ sku: 'A' }]);
    checkIndex();
    expect(triggers()).toEqual(before);
  });

  it('is not touched by a row that comes again as it is', async () => {
    shop = openShopTill({
      schema: `${SHOP_SCHEMA}${EXTERNAL_CONTENT}
        CREATE TABLE noted (n); CREATE VIRTUAL TABLE calls USING fts5(what);
        CREATE TRIGGER noting AFTER UPDATE OF name ON products BEGIN INSERT INTO calls VALUES (new.name); END;`,
    });
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A', { name: 'apple' }))));
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'apple' }))));
    expect(shop.rows('SELECT what FROM calls')).toEqual([]);
    checkIndex();
  });
});

describe('beside it', () => {
  const COUNTING = `CREATE TABLE log (what);
    CREATE TRIGGER counts AFTER INSERT ON products BEGIN INSERT INTO log VALUES (new.sku); END;`;
  const apple = async () =>
    shop.toCatalog(
      shop.catalog.commit(100, shop.catalog.row('products', 7, product('A', { name: 'apple' }))),
    );

  it('a trigger that writes ordinary tables stays away, and all stand as they stood', async () => {
    shop = openShopTill({ schema: SHOP_SCHEMA + COUNTING + EXTERNAL_CONTENT });
    const before = triggers();
    await apple();
    expect(found('apple')).toEqual([{ sku: 'A' }]);
    expect(shop.rows('SELECT what FROM log')).toEqual([]);
    expect(triggers()).toEqual(before);
    expect(before.map((trigger) => (trigger as { name: string }).name)).toEqual([
      'counts',
      'products_ai',
      'products_ad',
      'products_au',
    ]);
  });

  it('the mapping may keep them all, or none', async () => {
    const withMode = (mode: string) =>
      SHOP_MAPPING.replace('natural_key: [sku]', `natural_key: [sku]\n    app_triggers: ${mode}`);
    shop = openShopTill({ schema: SHOP_SCHEMA + EXTERNAL_CONTENT + COUNTING, mapping: withMode('keep') });
    await apple();
    expect(found('apple')).toEqual([{ sku: 'A' }]);
    expect(shop.rows('SELECT what FROM log')).toEqual([{ what: 'A' }]);
    shop.close();
    shop = openShopTill({ schema: SHOP_SCHEMA + EXTERNAL_CONTENT + COUNTING, mapping: withMode('suspend') });
    await apple();
    expect(shop.rows(`SELECT rowid FROM product_search('apple')`)).toEqual([]);
    expect(shop.rows('SELECT what FROM log')).toEqual([]);
  });

  it('a trigger with a conflict clause of its own has it', async () => {
    shop = openShopTill({
      schema: `${SHOP_SCHEMA} CREATE VIRTUAL TABLE search USING fts5(name);
        CREATE TRIGGER s AFTER INSERT ON products BEGIN
          INSERT OR REPLACE INTO search(rowid, name) VALUES (1, new.name); END;`,
    });
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A')), catalog.row('products', 8, product('B'))),
    );
    expect(shop.rows('SELECT name FROM search')).toEqual([{ name: 'Name of B' }]);
    expect(shop.rows('SELECT count(*) AS n FROM products')).toEqual([{ n: 2 }]);
  });
});

const UPDATES_ONLY = `CREATE VIRTUAL TABLE product_search USING fts5(name);
  CREATE TRIGGER changes AFTER UPDATE OF name ON products BEGIN
    INSERT INTO product_search(name) VALUES (new.name); END;`;

it.each([
  ['', EXTERNAL_CONTENT],
  [', of which only updates tell it,', UPDATES_ONLY],
])('an index whose tokenizer only the app has%s is left as it is, and rows come in', async (_, schema) => {
  shop = openShopTill({ schema: SHOP_SCHEMA + schema });
  // As if the app had registered a module that our process lacks.
  shop.test.app.unsafeMode(true);
  shop.test.app.exec(`PRAGMA writable_schema = ON;
    UPDATE sqlite_master SET sql = replace(sql, 'fts5(name', 'shopsearch(name') WHERE name = 'product_search';
    PRAGMA writable_schema = RESET;`);
  shop.restart();
  await shop.knownProduct();
  await shop.knownProduct('A', 7, { name: 'new' });
  expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'new' }]);
  expect(shop.apply.resting).toEqual([]);
});

it('nor does it matter which change of a known row comes first after a start', async () => {
  shop = openShopTill({ schema: SHOP_SCHEMA + EXTERNAL_CONTENT });
  await shop.knownProduct();
  shop.test.app.unsafeMode(true);
  shop.test.app.exec(`PRAGMA writable_schema = ON;
    UPDATE sqlite_master SET sql = replace(sql, 'fts5(name', 'shopsearch(name') WHERE name = 'product_search';
    PRAGMA writable_schema = RESET;`);
  shop.restart();
  await shop.knownProduct('A', 7, { name: 'new' });
  expect(shop.rows('SELECT name FROM products')).toEqual([{ name: 'new' }]);
  await shop.toCatalog(shop.catalog.commit(102, shop.catalog.delete('products', 7)));
  expect(shop.rows('SELECT name FROM products')).toEqual([]);
});

it('an index whose own tables are damaged refuses no row, and the agent starts', async () => {
  shop = openShopTill({
    schema: `${SHOP_SCHEMA} CREATE VIRTUAL TABLE places USING rtree(id, low, high);
      CREATE TRIGGER place AFTER INSERT ON products BEGIN
        INSERT INTO places VALUES (new.id, new.stock_quantity, new.stock_quantity); END;`,
  });
  shop.test.app.unsafeMode(true);
  shop.test.app.exec('UPDATE places_node SET data = zeroblob(4)');
  shop.restart();
  await shop.knownProduct();
  expect(shop.rows('SELECT sku FROM products')).toEqual([{ sku: 'A' }]);
});

it('an index that was never filled refuses an update: the row counts, and the agent goes on', async () => {
  shop = openShopTill();
  const { catalog } = shop;
  await shop.knownProduct();
  shop.test.app.exec(EXTERNAL_CONTENT);
  shop.restart();
  await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'pear' }))));
  await shop.toCatalog(catalog.commit(102, catalog.row('products', 8, product('B', { name: 'plum' }))));
  expect(shop.rows('SELECT name FROM products ORDER BY sku')).toEqual([{ name: 'pear' }, { name: 'plum' }]);
  // Rebuilt, and the agent started anew: the index is followed again.
  shop.test.app.exec(`INSERT INTO product_search(product_search) VALUES ('rebuild')`);
  shop.restart();
  await shop.toCatalog(catalog.commit(103, catalog.row('products', 7, product('A', { name: 'quince' }))));
  expect(found('quince')).toEqual([{ sku: 'A' }]);
  checkIndex();
});

describe('an index that holds what is no longer there', () => {
  const GEOMETRY = `
    CREATE VIRTUAL TABLE places USING rtree(id, low, high);
    CREATE TRIGGER place AFTER INSERT ON products BEGIN
      INSERT INTO places VALUES (new.id, new.stock_quantity, new.stock_quantity); END;`;
  const OWN_TEXTS = `
    CREATE VIRTUAL TABLE texts USING fts5(name);
    CREATE TRIGGER text AFTER INSERT ON products BEGIN INSERT INTO texts(rowid, name) VALUES (new.id, new.name); END;`;
  const stale = {
    texts: [OWN_TEXTS, `INSERT INTO texts(rowid, name) VALUES (1, 'old')`],
    places: [GEOMETRY, 'INSERT INTO places VALUES (1, 0, 0)'],
  };

  for (const [index, [schema, left]] of Object.entries(stale)) {
    it(`(${index}) refuses no row, and is named as what has to be rebuilt`, async () => {
      shop = openShopTill({ schema: `${SHOP_SCHEMA}${schema};${left}` });
      const { catalog } = shop;
      await shop.toCatalog(
        catalog.commit(
          100,
          catalog.row('products', 7, product('A')),
          catalog.row('products', 8, product('B')),
        ),
      );
      expect(shop.rows('SELECT sku FROM products ORDER BY sku')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
      expect(shop.apply.parked.all()).toEqual([]);
      expect(shop.apply.resting).toEqual([
        {
          table: 'products',
          why: expect.stringMatching(new RegExp(`index ${index} .* rebuild it`)) as string,
        },
      ]);
    });
  }

  it('a row that the table itself refuses waits, and the index is filled on', async () => {
    shop = openShopTill({
      schema: SHOP_SCHEMA.replace('sku TEXT NOT NULL UNIQUE', 'sku TEXT NOT NULL UNIQUE') + OWN_TEXTS,
    });
    const { catalog } = shop;
    const rows = [
      catalog.row('products', 7, product('A')),
      catalog.row('products', 8, product('B', { price: '-1.00' })),
      catalog.row('products', 9, product('C')),
    ];
    await shop.toCatalog(catalog.commit(100, ...rows));
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '8', reason: 'refused' }]);
    expect(shop.apply.resting).toEqual([]);
    expect(shop.rows('SELECT name FROM texts ORDER BY name')).toEqual([
      { name: 'Name of A' },
      { name: 'Name of C' },
    ]);
  });

  it('also where only a try tells whose refusal it is', async () => {
    shop = openShopTill({
      schema: `${SHOP_SCHEMA}${OWN_TEXTS}
        CREATE TRIGGER text_u AFTER UPDATE ON products BEGIN
          INSERT OR REPLACE INTO texts(rowid, name) VALUES (new.id, new.name); END;`,
      mapping: SHOP_MAPPING.replace('natural_key: [sku]', 'natural_key: [sku]\n    app_triggers: keep'),
    });
    shop.test.app.exec(
      `CREATE TRIGGER no BEFORE INSERT ON products WHEN new.sku = 'B' BEGIN SELECT RAISE(ABORT, 'no B'); END`,
    );
    shop.test.till.appCommitted();
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 7, product('A')), catalog.row('products', 8, product('B'))),
    );
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '8', reason: 'refused', message: 'no B' }]);
    expect(shop.apply.resting).toEqual([]);
    expect(shop.rows('SELECT name FROM texts')).toEqual([{ name: 'Name of A' }]);
  });
});
