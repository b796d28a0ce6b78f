/** How a till applies the streams of the centre: rows, whole transactions, checkpoints, changed schemas. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredRecord } from '../../../services/shared/log/event-log.ts';
import { encodeControl } from '../../../services/shared/records/envelope.ts';
import { ZERO_POSITION } from '../../../services/shared/records/position.ts';
import { TX_BYTES } from '../../../services/terminal-agent/streams/pending.ts';
import { positionAt } from '../../support/down-stream.ts';
import { CATALOG, openShopTill, product, type ShopTill, STORE } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('central rows', () => {
  it('are inserted with a local key, a link, a minted local_id and the status synced', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A'))));
    const [row] = shop.rows('SELECT * FROM products') as Record<string, unknown>[];
    expect(row).toMatchObject({ id: 1, server_id: 7, sku: 'A', price: 12.5, sync_status: 'synced' });
    expect(row?.['local_id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(row?.['last_sync_at']).toMatch(/^\d{4}-/);
  });

  it('leave no trace in the outbox', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A'))));
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('B'))));
    await shop.toCatalog(
      catalog.commit(102, catalog.delete('products', 7), catalog.tombstone('products', 7)),
    );
    expect(shop.rows('SELECT * FROM sync_outbox')).toEqual([]);
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.rows('SELECT * FROM sync_silence')).toEqual([]);
  });

  it('are updated in place, and columns that stay on the till are left alone', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A'))));
    shop.test.app.exec(`UPDATE products SET shelf = 'left'`);
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'new' }))));
    expect(shop.rows('SELECT id, name, shelf FROM products')).toEqual([
      { id: 1, name: 'new', shelf: 'left' },
    ]);
  });

  it('never go back in time, however often a stream is read again', async () => {
    const { catalog } = shop;
    const first = catalog.commit(100, catalog.row('products', 7, product('A', { name: 'old' })));
    const second = catalog.commit(101, catalog.row('products', 7, product('A', { name: 'new' })));
    const third = catalog.commit(102, catalog.row('products', 8, product('B')));
    const fourth = catalog.commit(103, catalog.delete('products', 8));
    await shop.toCatalog([...first, ...second, ...third, ...fourth]);
    await shop.toCatalog([...first, ...third]);
    expect(shop.rows('SELECT sku, name FROM products')).toEqual([{ sku: 'A', name: 'new' }]);
  });

  it('keep columns that were omitted because the row was too large', async () => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A'))));
    const omitted = catalog.row('products', 7, product('A', { name: null, stock_quantity: 3 }), {
      omitted: ['name'],
    });
    await shop.toCatalog(catalog.commit(101, omitted));
    expect(shop.rows('SELECT name, stock_quantity FROM products')).toEqual([
      { name: 'Name of A', stock_quantity: 3 },
    ]);
  });

  it('do not set off the triggers of the app, which are there again afterwards', async () => {
    const { catalog, test } = shop;
    test.app.exec(`CREATE TABLE noted (what TEXT);
      CREATE TRIGGER note AFTER UPDATE ON products BEGIN INSERT INTO noted VALUES (NEW.sku); END;`);
    test.till.appCommitted();
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 7, product('A'))));
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('B'))));
    expect(shop.rows('SELECT * FROM noted')).toEqual([]);
    test.app.exec(`UPDATE products SET sku = 'C'`);
    expect(shop.rows('SELECT * FROM noted')).toEqual([{ what: 'C' }]);
    expect(shop.rows('SELECT op FROM sync_outbox')).toEqual([{ op: 'u' }]);
  });

  it('of a table that the till lacks are skipped and listed', async () => {
    const { catalog } = shop;
    shop.schemas.set('suppliers', { id: ['bigint', 'bigint'] });
    await shop.toCatalog(catalog.commit(100, catalog.row('suppliers', 1, {})));
    expect([...shop.apply.skipped]).toEqual(['suppliers']);
    expect(shop.apply.checkpoints.stream(CATALOG).nextOffset).toBe(1);
  });
});

describe('transactions', () => {
  it('are applied whole: the rest of one that is still to come is waited for', async () => {
    const { catalog } = shop;
    const records = catalog.commit(
      100,
      ...['A', 'B', 'C'].map((sku, i) => catalog.row('products', i, product(sku))),
    );
    await shop.toCatalog(records.slice(0, 2));
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.apply.checkpoints.stream(CATALOG).nextOffset).toBe(0);
    await shop.toCatalog(records.slice(2));
    expect(shop.rows('SELECT * FROM products')).toHaveLength(3);
    expect(shop.apply.checkpoints.stream(CATALOG)).toMatchObject({
      nextOffset: 3,
      position: positionAt(100, 3),
    });
  });

  it('are not torn where a new capture noted its take-over in their midst', async () => {
    const { catalog } = shop;
    const records = catalog.commit(
      100,
      ...['A', 'B', 'C'].map((sku, i) => catalog.row('products', i, product(sku))),
    );
    const place = (record: StoredRecord, offset: number) => ({ ...record, offset });
    const takeover = { headers: {}, offset: 2, timestampMs: Date.now() };
    await shop.toCatalog([
      ...records.slice(0, 2),
      { ...takeover, ...encodeControl({ kind: 'takeover', capture: 'second' }, ZERO_POSITION), offset: 2 },
    ] as StoredRecord[]);
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    await shop.toCatalog(records.slice(2).map((record) => place(record, 3)));
    expect(shop.rows('SELECT * FROM products')).toHaveLength(3);
    expect(shop.apply.checkpoints.stream(CATALOG).nextOffset).toBe(4);
  });

  it('end where the next begins when compaction took the flagged record', async () => {
    const { catalog } = shop;
    const first = catalog.commit(
      100,
      catalog.row('products', 1, product('A')),
      catalog.row('products', 2, product('B')),
    );
    const second = catalog.commit(101, catalog.row('products', 3, product('C')));
    await shop.toCatalog([...first.slice(0, 1), ...second]);
    expect(shop.rows('SELECT * FROM products')).toHaveLength(2);
  });

  it('larger than TX_ROWS are applied in parts, and counted', async () => {
    shop.close();
    shop = openShopTill({ apply: { txRows: 10 } });
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(
        100,
        ...Array.from({ length: 25 }, (_, i) => catalog.row('products', i, product(`S${i}`))),
      ),
    );
    expect(shop.rows('SELECT * FROM products')).toHaveLength(25);
    expect(shop.apply.inParts).toEqual({ transactions: 1, underWay: false });
  });

  it('of few rows and many bytes are applied in parts too, and go on after a crash in their midst', async () => {
    const { catalog } = shop;
    const name = 'x'.repeat(TX_BYTES / 10);
    const records = catalog.commit(
      100,
      ...Array.from({ length: 25 }, (_, i) => catalog.row('products', i, product(`S${i}`, { name }))),
    );
    const first = records.slice(0, 12);
    await shop.toCatalog(first);
    const applied = shop.rows('SELECT * FROM products').length;
    expect(applied).toBeGreaterThan(0);
    expect(applied).toBeLessThan(first.length);
    expect(shop.apply.inParts).toEqual({ transactions: 1, underWay: true });
    const next = shop.apply.resume(CATALOG);
    expect(next).toBe(records[applied]?.offset);
    await shop.toCatalog(records.slice(applied));
    expect(shop.rows('SELECT * FROM products')).toHaveLength(25);
    expect(shop.apply.inParts).toEqual({ transactions: 1, underWay: false });
  });

  it('leave nothing behind when one fails: rows, offset and triggers are as before', async () => {
    const { catalog, test } = shop;
    test.app.exec(`CREATE TRIGGER note AFTER INSERT ON products BEGIN SELECT 1; END;`);
    test.till.appCommitted();
    test.app.exec(
      `CREATE TRIGGER full BEFORE INSERT ON sync_checkpoint BEGIN SELECT RAISE(ABORT, 'no checkpoint'); END`,
    );
    const records = catalog.commit(100, catalog.row('products', 7, product('A')));
    await expect(shop.toCatalog(records)).rejects.toThrow(/no checkpoint/);
    expect(shop.rows('SELECT * FROM products')).toEqual([]);
    expect(shop.rows('SELECT * FROM sync_stream')).toEqual([]);
    expect(shop.rows(`SELECT name FROM sqlite_master WHERE name = 'note'`)).toHaveLength(1);
    expect(shop.rows('SELECT * FROM sync_silence')).toEqual([]);
  });
});

describe('a table of ours that a schema tool drops', () => {
  it('is made again before anything is written, and the streams are read again', async () => {
    const { catalog, test } = shop;
    test.app.exec('DROP TABLE sync_checkpoint; DROP TABLE sync_parked');
    const product7 = catalog.commit(100, catalog.row('products', 7, product('A')));
    await shop.toCatalog(product7);
    expect(shop.rows('SELECT sku FROM products')).toEqual([]);
    expect(shop.apply.resume(CATALOG)).toBe(0);
    await shop.toCatalog(product7);
    expect(shop.rows('SELECT sku FROM products')).toEqual([{ sku: 'A' }]);
  });
});

describe('checkpoints', () => {
  it('say per stream and per table how far the till is', async () => {
    const { catalog, store } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A'))));
    await shop.toCatalog(catalog.commit(105, catalog.heartbeat()));
    await shop.toStore(
      store.commit(103, store.row('orders', 5, { number: 'n', total: '1.00', store_id: 'S1' })),
    );
    expect(shop.apply.checkpoints.stream(CATALOG)).toMatchObject({
      nextOffset: 2,
      position: positionAt(105),
      streamId: 'stream-1',
    });
    expect(shop.apply.checkpoints.stream(STORE)).toMatchObject({ nextOffset: 1, position: positionAt(103) });
    expect(shop.apply.checkpoints.tables()).toMatchObject([
      { table: 'orders', rows: 1, position: positionAt(103) },
      {
        table: 'products',
        rows: 1,
        position: positionAt(100),
        lastTimestamp: expect.stringContaining('2026-01-02') as string,
      },
    ]);
  });
});

describe('a schema that changes', () => {
  it('makes the till read the streams again when a column is new, and fills it', async () => {
    const { catalog } = shop;
    const records = catalog.commit(100, catalog.row('products', 7, product('A')));
    shop.close();
    const bare = `CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT, name TEXT);`;
    shop = openShopTill({ schema: bare });
    await shop.toCatalog(records);
    shop.test.app.exec('ALTER TABLE products ADD COLUMN price REAL');
    shop.restart();
    expect(shop.apply.resume(CATALOG)).toBe(0);
    await shop.toCatalog(records);
    expect(shop.rows('SELECT id, sku, price FROM products')).toEqual([{ id: 1, sku: 'A', price: 12.5 }]);
  });

  it('a newer mapping is taken where it stands in the stream', async () => {
    const { catalog } = shop;
    const renamed = `
version: 1
tables:
  products:
    scope: global
    exclude: [local_id, server_id, sync_status, sync_operation, last_sync_at, updated_at, price, stock_quantity, category_id]
    rename: {shelf: name, name: title}
`;
    shop.schemas.set('products', { id: ['bigint', 'bigint'], sku: ['text', 'text'], name: ['text', 'text'] });
    const records = [
      ...catalog.commit(100, catalog.row('products', 1, { sku: 'A', name: 'before' })),
      ...catalog.commit(101, catalog.mapping(2, renamed)),
      ...catalog.commit(102, catalog.row('products', 2, { sku: 'B', name: 'after' })),
    ];
    expect(await shop.apply.applyBatch(CATALOG, records)).toBe(false);
    expect(shop.rows('SELECT name, shelf FROM products')).toEqual([{ name: 'before', shelf: null }]);
    expect(shop.test.till.mappingVersion).toBe(2);
    expect(shop.apply.resume(CATALOG)).toBe(0);
    expect(await shop.apply.applyBatch(CATALOG, records)).toBe(true);
    expect(shop.rows('SELECT sku, shelf FROM products')).toEqual([
      { sku: 'A', shelf: 'before' },
      { sku: 'B', shelf: 'after' },
    ]);
  });
});
