/** Triggers of the app that run on central rows, and what they do to them: nothing happens in silence. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  CATALOG,
  mine,
  openShopTill,
  product,
  SHOP_MAPPING,
  SHOP_SCHEMA,
  type ShopTill,
} from '../../support/shop-till.ts';

const KEEP = SHOP_MAPPING.replace('natural_key: [sku]', 'natural_key: [sku]\n    app_triggers: keep');
const SEARCH = 'CREATE VIRTUAL TABLE search USING fts5(name);';

let shop: ShopTill;
afterEach(() => shop.close());

function openWith(triggers: string, sku = 'sku TEXT NOT NULL UNIQUE'): void {
  const schema = SHOP_SCHEMA.replace('sku TEXT NOT NULL UNIQUE', sku) + SEARCH + triggers;
  shop = openShopTill({ schema, mapping: KEEP });
}
const push = async (lsn: number, ...products: [id: number, sku: string, more?: Record<string, string>][]) =>
  shop.toCatalog(
    shop.catalog.commit(
      lsn,
      ...products.map(([id, sku, more]) => shop.catalog.row('products', id, product(sku, more))),
    ),
  );
const names = () => shop.rows('SELECT sku, name FROM products ORDER BY sku');
const parked = () =>
  shop.apply.parked.all().map(({ centralId, reason, message }) => ({ centralId, reason, message }));

describe('a write that changed nothing', () => {
  it('of an insert is a refusal: the row waits, and the next one keeps its own key', async () => {
    openWith(`CREATE TRIGGER no BEFORE INSERT ON products WHEN new.sku = 'B'
      BEGIN SELECT RAISE(IGNORE); END;`);
    await push(100, [7, 'A'], [8, 'B'], [9, 'C']);
    expect(names()).toEqual([
      { sku: 'A', name: 'Name of A' },
      { sku: 'C', name: 'Name of C' },
    ]);
    expect(parked()).toEqual([
      { centralId: '8', reason: 'refused', message: expect.stringMatching(/go unwritten/) as string },
    ]);
    expect(shop.rows('SELECT central_id, row_key FROM sync_row_products ORDER BY 1')).toEqual([
      { central_id: '7', row_key: 1 },
      { central_id: '9', row_key: 2 },
    ]);
    shop.test.app.exec('DROP TRIGGER no');
    await push(101, [7, 'A']);
    expect(names()).toHaveLength(3);
  });

  it('of an update too', async () => {
    openWith(`CREATE TRIGGER no BEFORE UPDATE OF name ON products BEGIN SELECT RAISE(IGNORE); END;`);
    await push(100, [7, 'A']);
    await push(101, [7, 'A', { name: 'new' }]);
    expect(parked()).toMatchObject([{ centralId: '7', reason: 'refused' }]);
  });

  it('of a delete too: the row is not taken for gone', async () => {
    openWith(`CREATE TRIGGER no BEFORE DELETE ON products BEGIN SELECT RAISE(IGNORE); END;`);
    await push(100, [7, 'A']);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.delete('products', 7)));
    expect(names()).toHaveLength(1);
    expect(parked()).toMatchObject([{ centralId: '7', reason: 'refused' }]);
    expect(shop.rows('SELECT row_key, deleted FROM sync_row_products')).toEqual([{ row_key: 1, deleted: 0 }]);
  });
});

describe('a conflict clause of the table', () => {
  const OWN = (clause: string) => `sku TEXT NOT NULL UNIQUE ON CONFLICT ${clause}`;

  it('does not hold for our writes because a trigger calls replace()', async () => {
    openWith(
      `CREATE TRIGGER s AFTER INSERT ON products BEGIN
        INSERT INTO search(name) VALUES (replace(new.name, 'x', 'y')); END;`,
      OWN('REPLACE'),
    );
    await push(100, [7, 'A']);
    await push(101, [8, 'A', { name: 'other' }]);
    expect(names()).toEqual([{ sku: 'A', name: 'Name of A' }]);
    expect(parked()).toMatchObject([{ centralId: '8', reason: 'refused' }]);
  });

  it('nor because a trigger has one, which stands still instead', async () => {
    openWith(
      `CREATE TRIGGER s AFTER INSERT ON products BEGIN
        INSERT OR REPLACE INTO search(rowid, name) VALUES (1, new.name); END;`,
      OWN('REPLACE'),
    );
    await push(100, [7, 'A']);
    await push(101, [8, 'A', { name: 'other' }]);
    expect(names()).toEqual([{ sku: 'A', name: 'Name of A' }]);
    expect(parked()).toMatchObject([{ centralId: '8', reason: 'refused' }]);
    expect(shop.rows('SELECT name FROM search')).toEqual([]);
  });
});

describe('a trigger that fails', () => {
  const FAILS = `CREATE TABLE sums (n);
    CREATE TRIGGER counts AFTER INSERT ON products WHEN new.sku = 'B' BEGIN
      INSERT INTO sums VALUES (abs(-9223372036854775807 - 1)); END;`;
  const INDEX = (table: string) => `
    CREATE TRIGGER ${table}_ai AFTER INSERT ON ${table} BEGIN INSERT INTO search(name) VALUES (new.name); END;`;

  it('and is kept refuses its row, with its message, and no other', async () => {
    openWith(FAILS);
    await push(100, [7, 'A'], [8, 'B'], [9, 'C']);
    expect(names()).toMatchObject([{ sku: 'A' }, { sku: 'C' }]);
    expect(parked()).toEqual([{ centralId: '8', reason: 'refused', message: 'integer overflow' }]);
    expect(shop.rows("SELECT name FROM sqlite_master WHERE name = 'counts'")).toHaveLength(1);
  });

  it('when its row is deleted keeps the row, and the stream goes on', async () => {
    openWith(`CREATE TABLE sums (n); CREATE TRIGGER counts AFTER DELETE ON products BEGIN
      INSERT INTO sums VALUES (abs(-9223372036854775807 - 1)); END;`);
    await push(100, [7, 'A']);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.delete('products', 7)));
    await push(102, [8, 'B']);
    expect(names()).toMatchObject([{ sku: 'A' }, { sku: 'B' }]);
    expect(parked()).toEqual([{ centralId: '7', reason: 'refused', message: 'integer overflow' }]);
  });

  it('rests no trigger of another table, nor one of its own that is kept', async () => {
    openWith(`${INDEX('categories')}
      CREATE TABLE noted (sku);
      CREATE TRIGGER notes AFTER INSERT ON products BEGIN INSERT INTO noted VALUES (new.sku); END;
      CREATE VIRTUAL TABLE broken USING fts5(name);
      CREATE TRIGGER broken_ai AFTER INSERT ON products BEGIN
        INSERT INTO broken(rowid, name) VALUES (abs(-9223372036854775807 - 1), new.name); END;`);
    await push(100, [7, 'A']);
    await shop.toCatalog(
      shop.catalog.commit(101, shop.catalog.row('categories', 9, { name: 'fruit', parent_id: null })),
    );
    expect(names()).toMatchObject([{ sku: 'A' }]);
    expect(parked()).toEqual([]);
    expect(shop.rows('SELECT sku FROM noted')).toEqual([{ sku: 'A' }]);
    expect(shop.rows(`SELECT name FROM search('fruit')`)).toEqual([{ name: 'fruit' }]);
  });

  it('and takes the whole transaction with it rests: nothing is written outside of one', async () => {
    openWith(`CREATE TRIGGER no AFTER INSERT ON products WHEN new.sku = 'B' BEGIN
      SELECT RAISE(ROLLBACK, 'not here'); END;`);
    await push(100, [7, 'A'], [8, 'B'], [9, 'C']);
    expect(names()).toMatchObject([{ sku: 'A' }, { sku: 'B' }, { sku: 'C' }]);
    expect(shop.rows('SELECT op FROM sync_outbox')).toEqual([]);
    expect(shop.apply.resume(CATALOG)).toBeGreaterThan(0);
  });

  it('within what the agent notes in a row rests, and the row is settled', async () => {
    openWith(`CREATE TABLE sums (n); CREATE TRIGGER counts AFTER UPDATE OF server_id ON products BEGIN
      INSERT INTO sums VALUES (abs(-9223372036854775807 - 1)); END;`);
    shop.test.app.exec(`INSERT INTO products (sku, name) VALUES ('A', 'mine')`);
    const answer = shop.catalog.row('products', 7, product('A', { name: 'mine' }), {
      op: 'c',
      origins: [mine(1)],
    });
    await shop.toCatalog(shop.catalog.commit(100, answer));
    expect(shop.rows('SELECT server_id, sync_status FROM products')).toEqual([
      { server_id: 7, sync_status: 'synced' },
    ]);
  });
});

describe('a trigger that says FAIL', () => {
  const rowsOf = (sku: string) => shop.rows(`SELECT name FROM products WHERE sku = '${sku}'`);

  it('leaves nothing of a refused row behind, and once it lets it in there is one', async () => {
    openWith(`CREATE TRIGGER no AFTER INSERT ON products WHEN new.sku = 'B' BEGIN
      SELECT RAISE(FAIL, 'not here'); END;`);
    await push(100, [7, 'A'], [8, 'B']);
    expect(rowsOf('B')).toEqual([]);
    expect(parked()).toEqual([{ centralId: '8', reason: 'refused', message: 'not here' }]);
    shop.test.app.exec('DROP TRIGGER no');
    await push(101, [7, 'A', { name: 'new' }]);
    expect(rowsOf('B')).toHaveLength(1);
    expect(parked()).toEqual([]);
  });

  it('also by a clause of a statement of its own, behind an update or a delete', async () => {
    openWith(`CREATE TABLE seen (sku UNIQUE);
      CREATE TRIGGER u AFTER UPDATE OF name ON products BEGIN INSERT OR FAIL INTO seen VALUES (new.sku); END;
      CREATE TRIGGER d AFTER DELETE ON products BEGIN INSERT OR FAIL INTO seen VALUES (old.sku); END;`);
    await push(100, [7, 'A']);
    shop.test.app.exec(`INSERT INTO seen VALUES ('A')`);
    await push(101, [7, 'A', { name: 'new' }]);
    expect(rowsOf('A')).toEqual([{ name: 'Name of A' }]);
    await shop.toCatalog(shop.catalog.commit(102, shop.catalog.delete('products', 7)));
    expect(rowsOf('A')).toEqual([{ name: 'Name of A' }]);
    expect(parked()).toMatchObject([{ centralId: '7', reason: 'refused' }]);
  });
});

describe('two rows that exchange their values', () => {
  it('come in where a trigger would end the whole transaction', async () => {
    openWith('CREATE TABLE noted (sku);');
    await push(100, [7, 'A'], [8, 'B']);
    shop.test.app.exec(`CREATE TRIGGER no BEFORE DELETE ON products BEGIN SELECT RAISE(ROLLBACK, 'no'); END`);
    shop.test.till.appCommitted();
    await push(101, [7, 'B'], [8, 'A']);
    expect(shop.rows('SELECT sku, server_id FROM products ORDER BY server_id')).toEqual([
      { sku: 'B', server_id: 7 },
      { sku: 'A', server_id: 8 },
    ]);
    expect(parked()).toEqual([]);
    expect(shop.apply.resting).toEqual([
      { table: 'products', why: expect.stringMatching(/ended our transaction \(no\)/) as string },
    ]);
  });

  for (const clause of ['REPLACE', 'ROLLBACK', 'IGNORE'])
    it(`wait where one of them breaks what the table answers by ON CONFLICT ${clause}`, async () => {
      const schema = SHOP_SCHEMA.replace(
        /name TEXT,/,
        `name TEXT NOT NULL ON CONFLICT ${clause} DEFAULT 'none',`,
      );
      shop = openShopTill({ schema });
      await push(100, [7, 'A'], [8, 'B']);
      const noName = product('B', { name: null });
      await shop.toCatalog(
        shop.catalog.commit(
          101,
          shop.catalog.row('products', 7, noName),
          shop.catalog.row('products', 8, product('A')),
          shop.catalog.row('products', 9, product('C')),
        ),
      );
      expect(shop.rows('SELECT sku, name, server_id FROM products ORDER BY sku')).toEqual([
        { sku: 'A', name: 'Name of A', server_id: 7 },
        { sku: 'B', name: 'Name of B', server_id: 8 },
        { sku: 'C', name: 'Name of C', server_id: 9 },
      ]);
      expect(parked().map(({ centralId }) => centralId)).toEqual(['7', '8']);
    });
});

describe('what the agent notes in a row of the app', () => {
  const FINAL = (raise: string) => `
    CREATE TRIGGER early AFTER UPDATE ON products BEGIN SELECT 1; END;
    CREATE TRIGGER final BEFORE UPDATE ON products WHEN old.sku = 'A' BEGIN SELECT RAISE(${raise}); END;`;
  const sell = (shelf: string | null = null) =>
    shop.test.app
      .prepare(
        `INSERT INTO products (sku, name, shelf, price, stock_quantity, updated_at)
         VALUES ('A', 'mine', ?, 12.5, 10, '2026-01-02 03:04:05+00')`,
      )
      .run(shelf);
  const answer = (seq = 1) =>
    shop.toCatalog(
      shop.catalog.commit(
        99 + seq,
        shop.catalog.row('products', 7, product('A', { name: 'mine' }), { op: 'c', origins: [mine(seq)] }),
      ),
    );
  const triggers = () =>
    shop.rows(
      `SELECT name FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE 'sync%' ORDER BY rowid`,
    );

  for (const raise of [`ABORT, 'sold'`, `FAIL, 'sold'`, 'IGNORE']) {
    it(`is noted although a trigger says ${raise}, and its next change waits by it`, async () => {
      openWith(FINAL(raise));
      sell();
      const before = triggers();
      await answer();
      expect(parked()).toEqual([]);
      expect(shop.outcomes()).toMatchObject([{ outcome: 'applied' }]);
      expect(shop.rows('SELECT server_id FROM products')).toEqual([{ server_id: 7 }]);
      expect(triggers()).toEqual(before);
      await push(200, [7, 'A', { name: 'mine', price: '9.00' }], [8, 'B']);
      expect(shop.rows('SELECT sku FROM products ORDER BY sku')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
      expect(parked().map(({ centralId }) => centralId)).toContain('7');
    });
  }

  it('is noted where a refused insert is marked', async () => {
    openWith(FINAL(`ABORT, 'sold'`));
    sell();
    await shop.toCatalog(
      shop.catalog.commit(
        100,
        shop.catalog.row('products', 9, product('Z'), { op: 'c', origins: [mine(1, 'rejected')] }),
      ),
    );
    expect(shop.outcomes()).toMatchObject([{ outcome: 'rejected' }]);
    expect(shop.rows(`SELECT sync_status FROM products WHERE sku = 'A'`)).toEqual([
      { sync_status: 'rejected' },
    ]);
  });

  it('is left out where the table itself refuses it, and the row is settled', async () => {
    const schema = SHOP_SCHEMA.replace(
      'shelf TEXT,',
      `shelf TEXT CHECK (shelf IS NULL OR server_id IS NULL),`,
    ).replace(
      'sync_status TEXT, sync_operation',
      `sync_status TEXT CHECK (sync_status <> 'synced'), sync_operation`,
    );
    shop = openShopTill({ schema });
    sell('S');
    await answer();
    expect(parked()).toEqual([]);
    expect(shop.outcomes()).toMatchObject([{ outcome: 'applied' }]);
    expect(shop.rows('SELECT central_id, row_key FROM sync_row_products')).toEqual([
      { central_id: '7', row_key: 1 },
    ]);
  });
});

it('a fault of the file is none of a trigger: nothing rests, and the row is not called refused', async () => {
  openWith(`CREATE TRIGGER s AFTER INSERT ON products BEGIN
    INSERT INTO search(name) VALUES (new.name); END;`);
  await push(100, [7, 'A']);
  const { db } = shop.test.till;
  const pages = db.pragma('page_count', { simple: true }) as number;
  db.pragma(`max_page_count = ${pages}`);
  await expect(push(101, [8, 'B', { name: 'x'.repeat(100_000) }])).rejects.toThrow(/full/);
  expect(shop.apply.resting).toEqual([]);
  expect(parked()).toEqual([]);
  db.pragma(`max_page_count = ${pages + 1000}`);
  await push(101, [8, 'B']);
  expect(names()).toHaveLength(2);
});
