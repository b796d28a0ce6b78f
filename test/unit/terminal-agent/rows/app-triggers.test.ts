import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firedBy } from '../../../../services/terminal-agent/rows/app-triggers.ts';
import { openShopTill, type ShopTill } from '../../../support/shop-till.ts';

describe('what fires a trigger', () => {
  it('is read from its head, however it is written', () => {
    expect(
      [
        'CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END',
        'CREATE TRIGGER "delete on" BEFORE UPDATE OF a, b ON x BEGIN DELETE FROM y; END',
        'create trigger [insert on]\n  delete on x begin select 1; end',
        'CREATE TRIGGER main.`a``b` AFTER\n INSERT ON x BEGIN SELECT 1; END',
        "CREATE TRIGGER 'update' BEFORE DELETE ON x BEGIN SELECT 1; END",
      ].map(firedBy),
    ).toEqual(['insert', 'update', 'delete', 'insert', 'delete']);
  });

  it('is unknown where the head holds anything else', () => {
    expect(firedBy('CREATE TRIGGER t /* BEFORE UPDATE */ AFTER INSERT ON x BEGIN SELECT 1; END')).toBeNull();
  });
});

describe('the triggers of the app, while central rows are written', () => {
  let shop: ShopTill;
  beforeEach(() => {
    shop = openShopTill();
    shop.test.app.exec('CREATE TABLE noted (what TEXT)');
  });
  afterEach(() => shop.close());

  const row = (sku: string) => ({
    sku,
    name: 'any',
    price: '1.00',
    stock_quantity: 1,
    category_id: null,
    updated_at: '2026-01-02 03:04:05+00',
  });
  const commit = (lsn: number, id: number, sku: string) =>
    shop.toCatalog(shop.catalog.commit(lsn, shop.catalog.row('products', id, row(sku))));
  const schemaVersion = () => Number(shop.test.app.pragma('schema_version', { simple: true }));
  const addTrigger = (name: string, head: string) => {
    shop.test.app.exec(
      `CREATE TRIGGER ${name} ${head} ON products BEGIN INSERT INTO noted VALUES ('${name}'); END`,
    );
    shop.test.till.appCommitted();
  };
  const noted = () => shop.rows('SELECT what FROM noted').map((each) => (each as { what: string }).what);

  it('are left where they are, and the schema as it is, when the write does not fire them', async () => {
    addTrigger('inserted', 'AFTER INSERT');
    await commit(100, 7, 'A');
    const before = schemaVersion();
    await commit(101, 7, 'B');
    expect({ noted: noted(), changed: schemaVersion() !== before }).toEqual({ noted: [], changed: false });
  });

  it('none of them fires, and all fire for the app in the same order as before', async () => {
    addTrigger('first', 'AFTER UPDATE');
    addTrigger('second', 'AFTER INSERT');
    addTrigger('third', '/* what */ AFTER UPDATE');
    await commit(100, 7, 'A');
    await commit(101, 7, 'B');
    await shop.toCatalog(
      shop.catalog.commit(
        102,
        shop.catalog.row('products', 7, row('C')),
        shop.catalog.row('products', 8, row('D')),
      ),
    );
    expect(noted()).toEqual([]);
    shop.test.app.exec(`UPDATE products SET name = 'by the app' WHERE sku = 'C'`);
    expect(noted()).toEqual(['third', 'first']);
    expect(shop.rows('SELECT op FROM sync_outbox')).toEqual([{ op: 'u' }]);
  });

  it('stay before ours, which many rows at once have made anew, and all record what the app does', async () => {
    addTrigger('first', 'AFTER INSERT');
    const many = Array.from({ length: 600 }, (_, i) => shop.catalog.row('products', i + 1, row(`S${i}`)));
    await shop.toCatalog(shop.catalog.commit(100, ...many));
    expect({ rows: shop.rows('SELECT 1 FROM products').length, noted: noted() }).toEqual({
      rows: 600,
      noted: [],
    });
    shop.test.app.exec(`
      INSERT INTO products (sku, stock_quantity) VALUES ('app', 1);
      UPDATE products SET name = 'by the app' WHERE sku = 'S1';
      DELETE FROM products WHERE sku = 'S2'`);
    expect(noted()).toEqual(['first']);
    expect(shop.rows('SELECT op FROM sync_outbox ORDER BY seq')).toEqual([
      { op: 'c' },
      { op: 'u' },
      { op: 'd' },
    ]);
  });

  it('where only ours stand, many rows at once leave every one of them as it was', async () => {
    const ours = () => shop.rows(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name`);
    const before = ours();
    const many = (names: string) =>
      Array.from({ length: 600 }, (_, i) => shop.catalog.row('products', i + 1, row(`${names}${i}`)));
    await shop.toCatalog(shop.catalog.commit(100, ...many('S')));
    await shop.toCatalog(shop.catalog.commit(101, ...many('T')));
    expect(ours()).toEqual(before);
    shop.test.app.exec(`INSERT OR REPLACE INTO products (sku, stock_quantity) VALUES ('T1', 1)`);
    expect(shop.rows('SELECT op FROM sync_outbox ORDER BY seq')).toHaveLength(2);
  });
});
