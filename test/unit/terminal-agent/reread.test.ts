/** Rows that a stream no longer names when it is read again from its beginning. */
import { describe, expect, it, vi } from 'vitest';
import type { StoredRecord } from '../../../services/shared/log/event-log.ts';
import { DownStream } from '../../support/down-stream.ts';
import { plainProduct, useRereadTill } from '../../support/reread-till.ts';
import { CATALOG, mine, STORE } from '../../support/shop-till.ts';

const till = useRereadTill();
const skus = () => till.skus();

/** The till knows products 1 to 3, and the stream was made anew. */
async function known(): Promise<DownStream> {
  const { catalog } = till.shop;
  const rows = ['A', 'B', 'C'].map((sku, i) => catalog.row('products', i + 1, plainProduct(sku)));
  await till.shop.toCatalog(catalog.commit(100, ...rows));
  return new DownStream(till.shop.schemas);
}

describe('a stream that is read again from its beginning', () => {
  it('takes away rows that it no longer names, once it says that their table is whole', async () => {
    const anew = await known();
    anew.commit(200, anew.row('products', 1, plainProduct('A')), anew.row('products', 3, plainProduct('C')));
    anew.commit(201, ...['categories', 'products', 'settings'].map((table) => anew.seedComplete(table)));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'C']);
    expect(till.shop.rows('SELECT * FROM sync_outbox')).toEqual([]);
    expect(till.shop.rows('SELECT * FROM sync_unseen')).toEqual([]);
    // A row of that id is a new row.
    await till.shop.toCatalog(anew.commit(202, anew.row('products', 2, plainProduct('again'))));
    expect(skus()).toEqual(['A', 'C', 'again']);
  });

  it('takes away nothing before its then end, nor while the table is still being seeded', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.commit(201, anew.row('products', 1, plainProduct('A')));
    anew.commit(202, anew.row('products', 2, plainProduct('B')));
    await till.shop.apply.reread.begin(CATALOG, { end: 3, whole: true });
    await till.shop.toCatalog(anew.records.slice(0, 2));
    expect(skus()).toEqual(['A', 'B', 'C']);
    till.shop.restart();
    await till.shop.toCatalog(anew.records.slice(2));
    expect(skus()).toEqual(['A', 'B']);

    const unfinished = new DownStream(till.shop.schemas);
    unfinished.commit(300, unfinished.row('products', 1, plainProduct('A')));
    await till.readAgain(CATALOG, unfinished.records);
    expect(skus()).toEqual(['A', 'B']);
    await till.shop.toCatalog(unfinished.commit(301, unfinished.seedComplete('products')));
    expect(skus()).toEqual(['A']);
  });

  it('believes no seeding of an earlier history', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.epoch = 2;
    anew.commit(10, anew.row('products', 1, plainProduct('A')));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await till.shop.toCatalog(anew.commit(11, anew.seedComplete('products')));
    expect(skus()).toEqual(['A']);
  });

  it('believes no seeding behind which another one began', async () => {
    const anew = await known();
    anew.commit(200, anew.seedComplete('products'));
    anew.commit(201, anew.seedBegin('products'), anew.row('products', 1, plainProduct('A')));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await till.shop.toCatalog(anew.commit(202, anew.row('products', 2, plainProduct('B'))));
    await till.shop.toCatalog(anew.commit(203, anew.seedComplete('products')));
    expect(skus()).toEqual(['A', 'B']);
  });

  it('that lost records is believed only when it was seeded again', async () => {
    const anew = await known();
    anew.commit(200, anew.row('products', 1, plainProduct('A')), anew.seedComplete('products'));
    await till.shop.apply.reread.begin(CATALOG, { end: 2, whole: false });
    await till.shop.toCatalog(anew.records);
    expect(skus()).toEqual(['A', 'B', 'C']);
    await till.shop.toCatalog(
      anew.commit(201, anew.seedBegin('products'), anew.row('products', 3, plainProduct('C'))),
    );
    await till.shop.toCatalog(anew.commit(202, anew.seedComplete('products')));
    expect(skus()).toEqual(['A', 'C']);
  });

  it('whose beginning was deleted is believed only by a seeding that begins in what is left', async () => {
    const anew = await known();
    // The begin of this seeding, and the rows B and C, stood before.
    anew.commit(200, anew.row('products', 1, plainProduct('A')), anew.seedComplete('products'));
    await till.shop.apply.reread.begin(CATALOG, { first: 7, end: 9, whole: true });
    const left = anew.records.map((record) => ({ ...record, offset: record.offset + 7 }));
    await till.shop.toCatalog(left);
    expect(skus()).toEqual(['A', 'B', 'C']);
    expect(till.shop.apply.reread.isIncomplete(CATALOG)).toBe(true);
    till.shop.restart();
    expect(till.shop.apply.reread.isIncomplete(CATALOG)).toBe(true);
    const later = (records: readonly StoredRecord[]) =>
      till.shop.toCatalog(records.map((record) => ({ ...record, offset: record.offset + 7 })));
    await later(anew.commit(201, anew.seedBegin('products'), anew.row('products', 3, plainProduct('C'))));
    till.shop.restart();
    await later(anew.commit(202, anew.seedComplete('products')));
    expect(skus()).toEqual(['A', 'C']);
  });

  it('leaves rows that it has yet to bring, unsettled ones, and those of other streams', async () => {
    const anew = await known();
    const { store } = till.shop;
    await till.shop.toStore(
      store.commit(
        100,
        store.row('orders', 5, { number: 'N', total: '1.00', updated_at: null, store_id: 'S1' }),
      ),
    );
    till.shop.test.app
      .exec(`INSERT INTO products (local_id, sku) VALUES ('0196f0a0-0000-7000-8000-000000000001', 'own');
      UPDATE products SET name = 'edited' WHERE sku = 'B'`);
    till.shop.apply.applyLocal();
    // The link of the till's own row comes while its image stands behind the end of the catalog.
    await till.shop.toStore(
      store.commit(101, store.link('T1', 'products', '0196f0a0-0000-7000-8000-000000000001', 9)),
    );
    anew.commit(200, anew.row('products', 1, plainProduct('A')), anew.seedComplete('products'));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B', 'own']);
    expect(till.shop.rows('SELECT number FROM orders')).toEqual([{ number: 'N' }]);
    // The centre answers the edit of the row that it no longer has.
    const seq = 2;
    await till.shop.toStore(store.commit(102, store.delete('products', 2, { origins: [mine(seq, 'gone')] })));
    expect(skus()).toEqual(['A', 'own']);
  });

  it('of the store sweeps the tables of the store only', async () => {
    await known();
    const { store } = till.shop;
    const order = { number: 'N', total: '1.00', updated_at: null, store_id: 'S1' };
    await till.shop.toStore(store.commit(100, store.row('orders', 5, order), store.row('orders', 6, order)));
    const anew = new DownStream(till.shop.schemas);
    anew.commit(
      200,
      anew.row('orders', 6, order),
      anew.seedComplete('orders'),
      anew.seedComplete('products'),
    );
    await till.readAgain(STORE, anew.records);
    expect(till.shop.rows('SELECT server_id FROM orders')).toEqual([{ server_id: 6 }]);
    expect(skus()).toEqual(['A', 'B', 'C']);
  });

  it('is listed and swept in pieces, however many rows there are', async () => {
    const { catalog, apply } = till.shop;
    const MANY = 11_000;
    const rows = Array.from({ length: MANY }, (_, i) =>
      catalog.row('products', i + 1, plainProduct(`S${i + 1}`)),
    );
    await till.shop.toCatalog(catalog.commit(100, ...rows));
    const anew = new DownStream(till.shop.schemas);
    anew.commit(200, anew.row('products', 7, plainProduct('S7')));
    anew.commit(201, ...['categories', 'products', 'settings'].map((table) => anew.seedComplete(table)));
    await apply.reread.begin(CATALOG, { end: anew.records.length, whole: true });
    expect(till.shop.rows('SELECT count(*) AS n FROM sync_unseen')).toEqual([{ n: MANY }]);
    const commits = vi.spyOn(till.shop.test.till, 'write');
    await till.shop.toCatalog(anew.records);
    expect(skus()).toEqual(['S7']);
    // A commit of its own for every thousand rows: in between, the app can write.
    expect(commits.mock.calls.length).toBeGreaterThan(MANY / 1_000);
    expect(till.shop.rows('SELECT * FROM sync_unseen')).toEqual([]);
    expect(till.shop.rows('SELECT * FROM sync_reread')).toEqual([]);
  });

  it('is listed anew when the agent stopped before the list was whole', async () => {
    const anew = await known();
    const stored = till.shop.rows('SELECT next_offset FROM sync_stream');
    await till.shop.apply.reread.begin(CATALOG, { end: 1, whole: true }, AbortSignal.abort());
    expect(till.shop.rows('SELECT next_offset FROM sync_stream')).toEqual(stored);
    expect(till.shop.rows('SELECT * FROM sync_reread')).toEqual([]);
    anew.commit(200, ...['categories', 'products', 'settings'].map((table) => anew.seedComplete(table)));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual([]);
  });

  it('that is doubted again amid its reading sweeps nothing by a list that was begun anew only', async () => {
    const anew = await known();
    anew.commit(200, anew.row('products', 1, plainProduct('A')), anew.row('products', 2, plainProduct('B')));
    anew.commit(201, ...['categories', 'products', 'settings'].map((table) => anew.seedComplete(table)));
    await till.shop.apply.reread.begin(CATALOG, { end: anew.records.length, whole: true });
    await till.shop.toCatalog(anew.records.slice(0, 2));
    const { till: file } = till.shop.test;
    const stop = new AbortController();
    let pieces = 0;
    const write = file.write.bind(file);
    vi.spyOn(file, 'write').mockImplementation((body) => {
      pieces += 1;
      const result = write(body);
      // The old list is gone, and the rows are listed again; then the agent stops.
      if (pieces === 4) stop.abort();
      return result;
    });
    await till.shop.apply.reread.begin(CATALOG, { end: anew.records.length, whole: true }, stop.signal);
    till.shop.restart();
    expect(till.shop.rows('SELECT count(*) AS n FROM sync_unseen')).toEqual([{ n: 3 }]);
    await till.shop.toCatalog(anew.records.slice(2));
    expect(skus()).toEqual(['A', 'B', 'C']);
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A', 'B']);
  });
});
