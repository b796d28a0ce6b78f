/** How rows that the till had before the agent are recognised as those of the centre. */
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { FirstImages } from '../../../services/terminal-agent/file/first-images.ts';
import { silentLog } from '../../support/till.ts';
import { CATALOG, INCARNATION, openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('rows that were here before the agent', () => {
  const before = (values: string) => {
    shop.close();
    shop = openShopTill();
    shop.test.till.close();
    shop.test.app
      .exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO products (sku, name, server_id) VALUES ${values};
      DELETE FROM sync_silence`);
    shop.restart();
  };

  it('are adopted by their natural key, and the centre’s values win', async () => {
    before(`('A', 'old name', NULL)`);
    await shop.knownProduct('A', 7);
    expect(shop.rows('SELECT id, sku, name, server_id FROM products')).toEqual([
      { id: 1, sku: 'A', name: 'Name of A', server_id: 7 },
    ]);
  });

  it('are found again where the transaction that looked for them is undone', async () => {
    before(`('A', 'old name', NULL), ('B', 'old name', NULL)`);
    vi.spyOn(shop.apply.checkpoints, 'saveStream').mockImplementationOnce(() => {
      throw new Error('undone');
    });
    const both = shop.catalog.commit(
      100,
      shop.catalog.row('products', 7, product('A')),
      shop.catalog.row('products', 8, product('B')),
    );
    await expect(shop.toCatalog(both)).rejects.toThrow('undone');
    expect(shop.rows('SELECT name FROM products WHERE server_id IS NOT NULL')).toEqual([]);
    shop.apply.resume(CATALOG);
    await shop.toCatalog(both);
    expect(shop.rows('SELECT id, name, server_id FROM products ORDER BY id')).toEqual([
      { id: 1, name: 'Name of A', server_id: 7 },
      { id: 2, name: 'Name of B', server_id: 8 },
    ]);
  });

  it('are looked for once, when a row comes that may be one of them, and outside the transaction where they are many', async () => {
    const many = Array.from({ length: 10_050 }, (_, n) => `('S${n}', 'old', NULL)`);
    before(many.join(','));
    const scanned = () => shop.test.till.db.prepare('SELECT count(*) FROM temp.sync_unlinked').pluck().get();
    const asked = vi.spyOn(shop.test.till, 'writeRepeatable');
    expect(scanned()).toBe(0);
    await shop.knownProduct('S77', 7);
    expect(asked.mock.results.map(({ type }) => type)).toEqual(['throw', 'return']);
    expect(shop.rows('SELECT id, name FROM products WHERE server_id = 7')).toEqual([
      { id: 78, name: 'Name of S77' },
    ]);
    expect(scanned()).toBe(10_049);
  });

  it('are none that the app has made since, and that are not cut', async () => {
    before(`('A', 'old name', NULL)`);
    shop.test.app.exec(`INSERT INTO products (sku, name) VALUES ('B', 'as the cashier typed it')`);
    const awaited = vi.spyOn(FirstImages.prototype, 'areAwaited').mockReturnValue(true);
    onTestFinished(() => awaited.mockRestore());
    await shop.knownProduct('B', 8);
    await shop.knownProduct('A', 7);
    expect(shop.rows('SELECT sku, name, server_id FROM products ORDER BY sku')).toEqual([
      { sku: 'A', name: 'Name of A', server_id: 7 },
      { sku: 'B', name: 'as the cashier typed it', server_id: null },
    ]);
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '8' }]);
  });

  it('that claim a central id are adopted when the natural key agrees, else the row is parked', async () => {
    before(`('A', 'a', 7), ('B', 'b', 8)`);
    await shop.knownProduct('A', 7);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('products', 8, product('other'))));
    expect(shop.rows('SELECT sku, name FROM products ORDER BY sku')).toEqual([
      { sku: 'A', name: 'Name of A' },
      { sku: 'B', name: 'b' },
    ]);
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'server-id', centralId: '8' }]);
  });

  it('that were offered show what the centre has once their link comes, also without the record that answers', async () => {
    before(`('B', 'b', 8)`);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('products', 8, product('other'))));
    expect(shop.apply.parked.all()).toMatchObject([{ reason: 'server-id', centralId: '8' }]);
    await new Bootstrap({ till: shop.test.till, log: silentLog }).offerAll();
    const offered = shop.identityOf('products');
    await shop.toStore(
      shop.store.commit(
        102,
        shop.store.link('T1', 'products', offered, 8),
        shop.store.progress('T1', INCARNATION, 1),
      ),
    );
    expect(shop.apply.parked.all()).toEqual([]);
    expect(shop.rows('SELECT server_id, sku FROM products')).toEqual([{ server_id: 8, sku: 'other' }]);
  });
});

it('a natural key of a row from before is compared as the centre keeps it, with its digits', async () => {
  const own = openShopTill({
    schema: `CREATE TABLE shifts (id INTEGER PRIMARY KEY, server_id INTEGER, opened TEXT, float REAL, note TEXT)`,
    mapping: `version: 1\ntables:\n  shifts: {scope: global, exclude: [server_id], natural_key: [opened, float]}\n`,
    central: {
      shifts: {
        id: ['bigint', 'bigint'],
        opened: ['text', 'timestamp(0) with time zone'],
        float: ['text', 'numeric(12,2)'],
        note: ['text', 'text'],
      },
    },
  });
  onTestFinished(() => {
    own.close();
  });
  own.test.till.close();
  own.test.app.exec(`INSERT INTO sync_silence VALUES (1);
    INSERT INTO shifts (opened, float) VALUES ('2026-10-01T00:03:20.400Z', 0.1 + 0.2); DELETE FROM sync_silence`);
  own.restart();
  const row = { opened: '2026-10-01 00:03:20+00', float: '0.30', note: 'of head office' };
  await own.toCatalog(own.catalog.commit(100, own.catalog.row('shifts', 9, row)));
  expect(own.rows('SELECT id, server_id, float, note FROM shifts')).toEqual([
    { id: 1, server_id: 9, float: 0.3, note: 'of head office' },
  ]);
});
