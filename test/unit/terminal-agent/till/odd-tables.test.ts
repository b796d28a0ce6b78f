/** Tables of shapes that nobody thinks of: they work, or are named with a reason, and the others go on. */
import { afterEach, describe, expect, it } from 'vitest';
import { useTillPull } from '../../../support/till-pull.ts';
import type { CentralColumns } from '../../../support/down-stream.ts';
import type { SqliteDatabase } from '../../../../services/shared/database/sqlite.ts';
import { agentStatus } from '../../../../services/terminal-agent/agent-status.ts';
import { UNCAPTURED_ROW } from '../../../../services/shared/records/unit-record.ts';
import { mine, openShopTill, product, type ShopTill } from '../../../support/shop-till.ts';

const open = useTillPull();
let shop: ShopTill | undefined;
afterEach(() => {
  shop?.close();
  shop = undefined;
});
const global = (...tables: string[]) =>
  `version: 1\ntables:\n${tables.map((name) => `  ${name}: {scope: global}\n`).join('')}`;

it('a table of 700 columns is captured and received', async () => {
  const names = Array.from({ length: 700 }, (_, at) => `c${at}`);
  const central: Record<string, CentralColumns> = {
    wide: {
      id: ['bigint', 'bigint'],
      ...Object.fromEntries(names.map((name) => [name, ['text', 'text'] as const])),
    },
  };
  const schema = `CREATE TABLE wide (id INTEGER PRIMARY KEY, ${names.map((name) => `${name} TEXT`).join(', ')})`;
  shop = openShopTill({ schema, mapping: global('wide'), central });
  shop.test.app.exec(
    `INSERT INTO wide (c0, c699) VALUES ('a', 'b'); UPDATE wide SET c350 = 'x'; DELETE FROM wide`,
  );
  expect(shop.rows('SELECT op FROM sync_outbox ORDER BY seq')).toEqual([
    { op: 'c' },
    { op: 'u' },
    { op: 'd' },
  ]);
  shop.close();
  shop = openShopTill({ schema, mapping: global('wide'), central });
  const values = (text: string) => Object.fromEntries(names.map((name) => [name, text]));
  await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('wide', 7, values('one'))));
  await shop.toCatalog(
    shop.catalog.commit(101, shop.catalog.row('wide', 7, { ...values('one'), c699: 'two' })),
  );
  expect(shop.rows('SELECT c0, c350, c699 FROM wide')).toEqual([{ c0: 'one', c350: 'one', c699: 'two' }]);
});

it('a table with more columns than can be captured is left out, and the others go on', async () => {
  const columns = Array.from({ length: 1200 }, (_, at) => `c${at}`).join(', ');
  const t = await open({
    schema: `CREATE TABLE huge (id INTEGER PRIMARY KEY, ${columns}); CREATE TABLE notes (id INTEGER PRIMARY KEY, text)`,
    mapping: global('huge', 'notes'),
  });
  expect([...t.till.binding.tables.keys()]).toEqual(['notes']);
  t.app.exec(`INSERT INTO huge (c0) VALUES (1); INSERT INTO notes (text) VALUES ('n')`);
  await t.pull();
  expect((await t.changes()).map(({ table }) => table)).toEqual(['notes']);
});

it('a table that is called like the key of another one has its own rows', async () => {
  const t = await open({
    schema: `CREATE TABLE license (id INTEGER PRIMARY KEY, name TEXT);
      CREATE TABLE license_key (id INTEGER PRIMARY KEY, text TEXT)`,
    mapping: global('license', 'license_key'),
  });
  t.app.exec(`INSERT INTO license (name) VALUES ('a'); INSERT INTO license_key (text) VALUES ('b')`);
  await t.pull();
  expect((await t.changes()).map(({ table }) => table)).toEqual(['license', 'license_key']);
});

it('also where the index of an earlier version bears its name', async () => {
  const t = await open({
    schema: `CREATE TABLE license (id INTEGER PRIMARY KEY, name TEXT)`,
    mapping: global('license', 'license_key'),
  });
  t.app.exec(`DROP INDEX sync_key_license; CREATE INDEX sync_row_license_key ON sync_row_license (row_key);
    CREATE TABLE license_key (id INTEGER PRIMARY KEY, text TEXT)`);
  t.restart();
  t.app.exec(`INSERT INTO license_key (text) VALUES ('b')`);
  await t.pull();
  expect((await t.changes()).map(({ table }) => table)).toEqual(['license_key']);
  const indexes = t.app.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%(row_key)'`,
  );
  expect(indexes.pluck().all()).toEqual(expect.arrayContaining(['sync_key_license', 'sync_key_license_key']));
});

it('a table with nothing but its key goes up and comes down', async () => {
  const central: Record<string, CentralColumns> = {
    tags: { code: ['text', 'text'] },
    tickets: { id: ['bigint', 'bigint'] },
  };
  shop = openShopTill({
    schema: 'CREATE TABLE tags (code TEXT PRIMARY KEY); CREATE TABLE tickets (id INTEGER PRIMARY KEY)',
    mapping: global('tags', 'tickets'),
    central,
  });
  const { catalog } = shop;
  shop.test.app.exec(`INSERT INTO tags VALUES ('a'); INSERT INTO tickets DEFAULT VALUES`);
  await shop.toCatalog(
    catalog.commit(
      100,
      catalog.row('tags', 'a', {}, { op: 'c', origins: [mine(1)] }),
      catalog.row('tickets', 70, {}, { op: 'c', origins: [mine(2)] }),
      catalog.row('tags', 'b', {}),
      catalog.row('tickets', 71, {}),
    ),
  );
  await shop.toCatalog(catalog.commit(101, catalog.row('tags', 'a', {}), catalog.row('tickets', 70, {})));
  expect(shop.rows('SELECT code FROM tags ORDER BY code')).toEqual([{ code: 'a' }, { code: 'b' }]);
  expect(shop.rows('SELECT id FROM tickets ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  expect(shop.outcomes()).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
});

const SHAPES = {
  'without a rowid': 'CREATE TABLE wares (sku TEXT PRIMARY KEY, name TEXT, amount INTEGER) WITHOUT ROWID',
  'without a rowid, by a key of two columns':
    'CREATE TABLE wares (name TEXT, sku TEXT, amount INTEGER, PRIMARY KEY (sku, name)) WITHOUT ROWID',
  strict: 'CREATE TABLE wares (sku TEXT PRIMARY KEY, name TEXT, amount INTEGER) STRICT',
  'strict, of any type':
    'CREATE TABLE wares (sku ANY PRIMARY KEY, name ANY, amount ANY) STRICT, WITHOUT ROWID',
  'with generated columns': `CREATE TABLE wares (sku TEXT PRIMARY KEY, name TEXT, amount INTEGER,
    label TEXT GENERATED ALWAYS AS (sku || name) VIRTUAL UNIQUE, twice GENERATED ALWAYS AS (amount * 2) STORED)`,
  'with a generated column before its key': `CREATE TABLE wares (sku TEXT UNIQUE, name TEXT, amount INTEGER,
    code TEXT GENERATED ALWAYS AS (upper(sku)) STORED, id INTEGER PRIMARY KEY)`,
};

it.each(Object.entries(SHAPES))(
  'a table %s goes up, comes down and is looked through',
  async (name, schema) => {
    const isOfTwo = name.includes('two');
    const central: Record<string, CentralColumns> = {
      wares: { sku: ['text', 'text'], name: ['text', 'text'], amount: ['int', 'integer'] },
    };
    let spanMs = 0;
    const apply = { elapsedMs: () => (spanMs += 60_000) };
    const mapping = global('wares').replace(
      '{scope: global}',
      '{scope: global, columns: {amount: {policy: delta}}}',
    );
    const till = openShopTill({ schema, mapping, central, apply });
    shop = till;
    const id = (sku: string) => (isOfTwo ? JSON.stringify([sku, sku]) : sku);
    const row = (sku: string, amount: number) =>
      till.catalog.row('wares', id(sku), { sku, name: sku, amount });
    await till.toCatalog(till.catalog.commit(100, row('a', 3), row('b', 3), row('c', 3)));
    till.test.app
      .exec(`UPDATE wares SET amount = amount - 1 WHERE sku = 'a'; DELETE FROM wares WHERE sku = 'b';
    INSERT OR REPLACE INTO wares (sku, name, amount) VALUES ('d', 'd', 9)`);
    till.look();
    const triggers = `SELECT 'DROP TRIGGER ' || name AS sql FROM sqlite_master WHERE name GLOB 'sync_*_wares' AND type = 'trigger'`;
    till.test.app.exec(
      till
        .rows(triggers)
        .map((each) => (each as { sql: string }).sql)
        .join(';'),
    );
    till.test.app
      .exec(`UPDATE wares SET amount = amount - 2 WHERE sku = 'a'; DELETE FROM wares WHERE sku = 'c';
    INSERT INTO wares (sku, name, amount) VALUES ('e', 'e', 1)`);
    till.test.till.appCommitted();
    till.apply.applyLocal();
    await till.apply.sweep.due();
    const told = till
      .changes()
      .map(({ op, handle, cut }) =>
        cut.op === 'c'
          ? [op, cut.values.get('sku'), cut.values.get('amount')]
          : cut.op === 'd'
            ? [op, handle]
            : [op, handle, cut.sums.get('amount')],
      );
    expect(told).toEqual([
      ['u', id('a'), '-1'],
      ['d', id('b')],
      ['c', 'td', '9'],
      ['u', id('a'), '-2'],
      ['r', 'te', '1'],
      ['d', id('c')],
    ]);
  },
);

it('a view or a search index in the mapping is left out, and the others go on', async () => {
  const t = await open({
    schema: `CREATE TABLE notes (id INTEGER PRIMARY KEY, text); CREATE VIEW shown AS SELECT * FROM notes;
      CREATE VIRTUAL TABLE search USING fts5(text)`,
    mapping: global('shown', 'search', 'search_content', 'notes'),
  });
  expect([...t.till.binding.tables.keys()]).toEqual(['notes']);
  expect(t.till.binding.missing.map(({ local }) => local).sort()).toEqual([
    'search',
    'search_content',
    'shown',
  ]);
  t.app.exec(`INSERT INTO notes (text) VALUES ('n'); INSERT INTO search VALUES ('n')`);
  await t.pull();
  expect((await t.changes()).map(({ table }) => table)).toEqual(['notes']);
});

it('what refers to a table that can not be captured says so, instead of pointing nowhere', async () => {
  const columns = Array.from({ length: 1200 }, (_, at) => `c${at}`).join(', ');
  const t = await open({
    schema: `CREATE TABLE huge (id INTEGER PRIMARY KEY, ${columns});
      CREATE TABLE notes (id INTEGER PRIMARY KEY, huge_id INTEGER, note_id INTEGER)`,
    mapping: `${global('huge')}  notes: {scope: global, references: {huge_id: huge, note_id: notes}}\n`,
  });
  t.app.exec(
    `INSERT INTO huge (c0) VALUES (1); INSERT INTO notes (huge_id, note_id) VALUES (1, 99), (NULL, NULL)`,
  );
  await t.pull();
  const references = (await t.changes()).map((change) =>
    Object.fromEntries(change.references.map(({ column, target }) => [column, target])),
  );
  expect(references).toEqual([
    { huge_id: UNCAPTURED_ROW, note_id: null },
    { huge_id: null, note_id: null },
  ]);
});

describe('a table that was captured and can not be any more', () => {
  /** As 1,000 times ADD COLUMN leaves the file, which takes SQLite many seconds. */
  const widen = (db: SqliteDatabase, table: string) => {
    const columns = Array.from({ length: 1000 }, (_, at) => `c${at}`).join(', ');
    db.unsafeMode(true);
    db.exec(`PRAGMA writable_schema = ON;
      UPDATE sqlite_master SET sql = substr(sql, 1, length(sql) - 1) || ', ${columns})' WHERE name = '${table}';
      PRAGMA writable_schema = RESET; CREATE TABLE noticed (n)`);
  };

  it('is recorded as before, and what refers to it still names its rows', async () => {
    const t = await open({
      schema: `CREATE TABLE sales (id INTEGER PRIMARY KEY, number TEXT);
        CREATE TABLE items (id INTEGER PRIMARY KEY, sale_id INTEGER, qty INTEGER)`,
      mapping: `${global('sales')}  items: {scope: global, references: {sale_id: sales}}\n`,
    });
    widen(t.app, 'sales');
    t.restart();
    expect([...t.till.binding.tables.keys()]).toEqual(['items']);
    t.app.exec(`INSERT INTO sales (number) VALUES ('A'); INSERT INTO items (sale_id, qty) VALUES (1, 2)`);
    await t.pull();
    const [sale, item] = await t.changes();
    expect(sale).toMatchObject({ table: 'sales', op: 'c' });
    expect(sale?.columns).toContainEqual({ name: 'number', old: null, new: 'A' });
    expect(item?.references).toMatchObject([{ column: 'sale_id', target: { identity: sale?.row.identity } }]);
  });

  it('loses its triggers where they would fail the app', async () => {
    const t = await open({
      schema: `CREATE TABLE sales (id INTEGER PRIMARY KEY, number TEXT UNIQUE);
        CREATE TABLE items (id INTEGER PRIMARY KEY, sale_id INTEGER)`,
      mapping: `${global('sales')}  items: {scope: global, references: {sale_id: sales}}\n`,
    });
    t.till.close();
    t.app.exec('ALTER TABLE sales RENAME COLUMN number TO named');
    widen(t.app, 'sales');
    // As a program leaves it that rebuilds its tables and keeps their triggers.
    t.app.unsafeMode(true);
    t.app.exec(`PRAGMA writable_schema = ON;
      UPDATE sqlite_master SET sql = replace(sql, '"named"', '"number"')
        WHERE type = 'trigger' AND tbl_name = 'sales';
      PRAGMA writable_schema = RESET`);
    t.restart();
    t.app.exec(`INSERT INTO sales (named) VALUES ('A'); INSERT INTO items (sale_id) VALUES (1)`);
    await t.pull();
    expect((await t.changes()).map(({ references }) => references)).toEqual([
      [{ column: 'sale_id', target: UNCAPTURED_ROW }],
    ]);
    const triggers = t.app.prepare(
      `SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'sales'`,
    );
    expect(triggers.pluck().get()).toBe(0);
  });

  it('is told by the status, and a row that refers to it waits instead of losing the reference', async () => {
    shop = openShopTill();
    const { catalog, test } = shop;
    const rows = (name: string) => [
      catalog.row('categories', 9, { name: 'c', parent_id: null }),
      catalog.row('products', 7, product('A', { category_id: 9n, name })),
    ];
    await shop.toCatalog(catalog.commit(100, ...rows('before')));
    widen(test.app, 'categories');
    shop.restart();
    const status = () =>
      agentStatus({
        till: test.till,
        apply: (shop as ShopTill).apply,
        topics: [],
        mode: 'stream',
        earlierRows: [],
      });
    expect(status().uninstallableTables).toEqual([
      { table: 'categories', why: expect.stringMatching(/too many/) as string },
    ]);
    await shop.toCatalog(catalog.commit(101, ...rows('after')));
    expect(shop.rows('SELECT category_id, name FROM products')).toEqual([{ category_id: 1, name: 'before' }]);
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'parent', waitsFor: 'categories:9' }]);
  });
});
