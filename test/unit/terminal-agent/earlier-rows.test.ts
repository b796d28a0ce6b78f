/** How rows that the till had before the agent are recognised as those of the centre. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { EarlierRowsWatch } from '../../../services/terminal-agent/earlier-rows-watch.ts';
import { earlierRows } from '../../../services/terminal-agent/file/earlier-rows.ts';
import { FirstImages } from '../../../services/terminal-agent/file/first-images.ts';
import { silentLog } from '../../support/till.ts';
import {
  CATALOG,
  INCARNATION,
  openShopTill,
  product,
  SHOP_MAPPING,
  SHOP_SCHEMA,
  type ShopTill,
} from '../../support/shop-till.ts';

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

describe('rows that were here before the agent, without a natural key', () => {
  const ORDERS = `INSERT INTO orders (number, total) VALUES ('A-1', 5), ('A-2', 7)`;
  const order = (number: string) => ({ number, total: '9.00', updated_at: null, store_id: 'S1' });

  /** A file with rows, before the agent has it. */
  const opened = (fill: string, mapping = SHOP_MAPPING) => {
    shop.close();
    shop = openShopTill({ schema: `${SHOP_SCHEMA};${fill}`, mapping });
  };
  const orders = () => shop.rows('SELECT number, total, server_id FROM orders ORDER BY id');
  const bootstrap = () => new Bootstrap({ till: shop.test.till, log: silentLog });
  const comes = (lsn: number, ...ids: number[]) =>
    shop.toStore(shop.store.commit(lsn, ...ids.map((id) => shop.store.row('orders', id, order(`A-${id}`)))));

  it('keep rows of the centre waiting, since one of them may be the same, also after a restart', async () => {
    opened(ORDERS);
    await comes(100, 1);
    shop.restart();
    await comes(101, 3);
    expect(orders()).toEqual([
      { number: 'A-1', total: 5, server_id: null },
      { number: 'A-2', total: 7, server_id: null },
    ]);
    expect(shop.apply.parked.all()).toMatchObject([
      { centralId: '1', reason: 'bootstrap' },
      { centralId: '3', reason: 'bootstrap' },
    ]);
    expect(shop.apply.applyLocal()).toBe(false);
  });

  it('are the same by the link that bootstrap brought, and the rest comes in beside them once it is over', async () => {
    opened(ORDERS);
    await comes(100, 1, 3);
    const offers = await bootstrap().offerAll();
    const first = shop.identityAt('orders', 1);
    shop.look();
    shop.apply.applyLocal();
    expect(shop.apply.parked.count()).toBe(2);
    await shop.toStore(
      shop.store.commit(
        101,
        shop.store.link('T1', 'orders', first, 1),
        shop.store.link('T1', 'orders', shop.identityAt('orders', 2), 2),
        shop.store.row('orders', 2, order('A-2')),
        shop.store.progress('T1', INCARNATION, 2),
      ),
    );
    expect(orders()).toEqual([
      { number: 'A-1', total: 9, server_id: 1 },
      { number: 'A-2', total: 9, server_id: 2 },
    ]);
    bootstrap().finish(offers);
    expect(shop.apply.applyLocal()).toBe(false);
    expect(orders()).toHaveLength(3);
    expect(shop.apply.parked.all()).toEqual([]);
  });

  it('keep the agent from nothing where their table is gone: what waits there is tried again seldom', async () => {
    opened(ORDERS);
    await comes(100, 1);
    shop.test.app.exec('DROP TABLE order_items; DROP TABLE orders');
    shop.restart();
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '1', reason: 'bootstrap' }]);
    expect([shop.apply.applyLocal(), shop.apply.applyLocal()]).toEqual([false, false]);
  });

  it('stay as they are where an operator says that none is the centre’s', async () => {
    opened(ORDERS);
    await comes(100, 3);
    expect(bootstrap().none()).toEqual(new Map([['orders', 2]]));
    shop.apply.applyLocal();
    expect(orders()).toEqual([
      { number: 'A-1', total: 5, server_id: null },
      { number: 'A-2', total: 7, server_id: null },
      { number: 'A-3', total: 9, server_id: 3 },
    ]);
    shop.restart();
    expect(earlierRows(shop.test.till.db, shop.test.till.binding.tables.values())).toEqual([]);
    expect(shop.cut()).toEqual([]);
  });

  it('are those of a table whose natural key has a constant that the till lacks, as well', async () => {
    const mapping = SHOP_MAPPING.replace(
      'set: {store_id: $store}',
      'set: {store_id: $store}\n    natural_key: [store_id, number]',
    );
    opened(ORDERS, mapping);
    await comes(100, 1);
    expect(shop.apply.parked.all()).toMatchObject([{ centralId: '1', reason: 'bootstrap' }]);
  });

  it('keep nothing waiting in a table that is never offered, nor in one that had none', async () => {
    opened(`INSERT INTO settings VALUES ('currency', 'EUR')`);
    await comes(100, 1);
    await shop.toCatalog(
      shop.catalog.commit(100, shop.catalog.row('settings', 'zone', { name: 'zone', value: 'UTC' })),
    );
    expect(orders()).toHaveLength(1);
    expect(shop.rows('SELECT name FROM settings ORDER BY name')).toEqual([
      { name: 'currency' },
      { name: 'zone' },
    ]);
  });

  it('are said, with their number, until all are known', async () => {
    opened(`${ORDERS};INSERT INTO products (sku, name) VALUES ('A', 'old')`);
    const told: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void told.push(line) });
    let nowMs = 0;
    const watch = new EarlierRowsWatch({
      till: shop.test.till,
      flight: shop.apply.flight,
      log,
      now: () => nowMs,
    });
    expect(watch.counted).toEqual([
      { table: 'products', rows: 1, waits: false },
      { table: 'orders', rows: 2, waits: true },
    ]);
    expect(told.join()).toContain('payflow bootstrap --terminal T1');
    await shop.knownProduct('A', 7);
    watch.look();
    expect(watch.counted).toHaveLength(2);
    nowMs += 60_000;
    watch.look();
    expect(watch.counted).toEqual([{ table: 'orders', rows: 2, waits: true }]);
    const offers = await bootstrap().offerAll();
    shop.look();
    shop.apply.applyLocal();
    nowMs += 60_000;
    watch.look();
    // Offered and not answered: it is not over.
    expect(watch.counted).toEqual([{ table: 'orders', rows: 0, waits: true }]);
    bootstrap().finish(offers);
    watch.look({ atOnce: true });
    expect(watch.counted).toEqual([]);
    expect(told.at(-1)).toContain('all rows from before the agent are known');
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
