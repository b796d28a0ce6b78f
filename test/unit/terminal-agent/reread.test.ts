import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredRecord } from '../../../services/shared/log/event-log.ts';
import { DownStream } from '../../support/down-stream.ts';
import { CATALOG, mine, openShopTill, type ShopTill, STORE } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

const product = (sku: string) => ({
  sku,
  name: sku,
  price: '1.00',
  stock_quantity: 1,
  category_id: null,
  updated_at: '2026-01-02 03:04:05+00',
});
const skus = () =>
  shop.rows('SELECT sku FROM products ORDER BY 1').map((row) => (row as { sku: string }).sku);

/** The till knows products 1 to 3, and the stream was made anew. */
async function known(): Promise<DownStream> {
  const { catalog } = shop;
  const rows = ['A', 'B', 'C'].map((sku, i) => catalog.row('products', i + 1, product(sku)));
  await shop.toCatalog(catalog.commit(100, ...rows));
  return new DownStream(shop.schemas);
}

/** As the reader does it: from the first record to what is the end now. */
async function readAgain(topic: string, records: readonly StoredRecord[]): Promise<void> {
  await shop.apply.rereads(topic, { end: records.length, whole: true });
  await shop.apply.applyBatch(topic, records);
}

describe('a stream that is read again from its beginning', () => {
  it('takes away rows that it no longer names, once it says that their table is whole', async () => {
    const anew = await known();
    anew.commit(200, anew.row('products', 1, product('A')), anew.row('products', 3, product('C')));
    anew.commit(201, ...['categories', 'products', 'settings'].map((table) => anew.seedComplete(table)));
    await readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'C']);
    expect(shop.rows('SELECT * FROM sync_outbox')).toEqual([]);
    expect(shop.rows('SELECT * FROM sync_unseen')).toEqual([]);
    // A row of that id is a new row.
    await shop.toCatalog(anew.commit(202, anew.row('products', 2, product('again'))));
    expect(skus()).toEqual(['A', 'C', 'again']);
  });

  it('takes away nothing before its then end, nor while the table is still being seeded', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.commit(201, anew.row('products', 1, product('A')));
    anew.commit(202, anew.row('products', 2, product('B')));
    await shop.apply.rereads(CATALOG, { end: 3, whole: true });
    await shop.toCatalog(anew.records.slice(0, 2));
    expect(skus()).toEqual(['A', 'B', 'C']);
    shop.restart();
    await shop.toCatalog(anew.records.slice(2));
    expect(skus()).toEqual(['A', 'B']);

    const unfinished = new DownStream(shop.schemas);
    unfinished.commit(300, unfinished.row('products', 1, product('A')));
    await readAgain(CATALOG, unfinished.records);
    expect(skus()).toEqual(['A', 'B']);
    await shop.toCatalog(unfinished.commit(301, unfinished.seedComplete('products')));
    expect(skus()).toEqual(['A']);
  });

  it('believes no seeding of an earlier history', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.epoch = 2;
    anew.commit(10, anew.row('products', 1, product('A')));
    await readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await shop.toCatalog(anew.commit(11, anew.seedComplete('products')));
    expect(skus()).toEqual(['A']);
  });

  it('believes no seeding behind which another one began', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.commit(201, anew.seedBegin('products'), anew.row('products', 1, product('A')));
    await readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await shop.toCatalog(anew.commit(202, anew.row('products', 2, product('B'))));
    await shop.toCatalog(anew.commit(203, anew.seedComplete('products')));
    expect(skus()).toEqual(['A', 'B']);
  });

  it('that lost records is believed only when it was seeded again', async () => {
    const anew = await known();
    anew.commit(200, anew.row('products', 1, product('A')), anew.seedComplete('products'));
    await shop.apply.rereads(CATALOG, { end: 2, whole: false });
    await shop.toCatalog(anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await shop.toCatalog(anew.commit(201, anew.row('products', 3, product('C'))));
    await shop.toCatalog(anew.commit(202, anew.seedComplete('products')));
    expect(skus()).toEqual(['A', 'C']);
  });

  it('leaves rows that it has yet to bring, unsettled ones, and those of other streams', async () => {
    const anew = await known();
    const { store } = shop;
    await shop.toStore(
      store.commit(
        100,
        store.row('orders', 5, { number: 'N', total: '1.00', updated_at: null, store_id: 'S1' }),
      ),
    );
    shop.test.app
      .exec(`INSERT INTO products (local_id, sku) VALUES ('0196f0a0-0000-7000-8000-000000000001', 'own');
      UPDATE products SET name = 'edited' WHERE sku = 'B'`);
    shop.apply.applyLocal();
    // The link of the till's own row comes while its image stands behind the end of the catalog.
    await shop.toStore(
      store.commit(101, store.link('T1', 'products', '0196f0a0-0000-7000-8000-000000000001', 9)),
    );
    anew.commit(200, anew.row('products', 1, product('A')), anew.seedComplete('products'));
    await readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'own']);
    expect(shop.rows('SELECT number FROM orders')).toEqual([{ number: 'N' }]);
    // The centre answers the edit of the row that it no longer has.
    const seq = 2;
    await shop.toStore(store.commit(102, store.delete('products', 2, { origins: [mine(seq, 'gone')] })));
    expect(skus()).toEqual(['A', 'own']);
  });

  it('of the store sweeps the tables of the store only', async () => {
    await known();
    const { store } = shop;
    const order = { number: 'N', total: '1.00', updated_at: null, store_id: 'S1' };
    await shop.toStore(store.commit(100, store.row('orders', 5, order), store.row('orders', 6, order)));
    const anew = new DownStream(shop.schemas);
    anew.commit(
      200,
      anew.row('orders', 6, order),
      anew.seedComplete('orders'),
      anew.seedComplete('products'),
    );
    await readAgain(STORE, anew.records);
    expect(shop.rows('SELECT server_id FROM orders')).toEqual([{ server_id: 6 }]);
    expect(skus()).toEqual(['A', 'B', 'C']);
  });
});
