/** What may be known of a row besides its image while its stream is read again: nothing of it may outlive the row. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventLog, StoredRecord } from '../../../services/shared/log/event-log.ts';
import { Valve } from '../../../services/terminal-agent/pulse.ts';
import { StreamReader } from '../../../services/terminal-agent/streams/stream-reader.ts';
import { DownStream, positionAt } from '../../support/down-stream.ts';
import { CATALOG, INCARNATION, openShopTill, type ShopTill } from '../../support/shop-till.ts';
import { silentLog } from '../../support/till.ts';

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
const parked = () => shop.rows('SELECT central_id FROM sync_parked ORDER BY 1');
const SEEDED = ['categories', 'products', 'settings'];

/** As the reader does it: from the first record to what is the end now. */
async function readAgain(records: readonly StoredRecord[]): Promise<void> {
  await shop.apply.rereads(CATALOG, { end: records.length, whole: true });
  await shop.apply.applyBatch(CATALOG, records);
}

describe('a row that a stream, read again, no longer names', () => {
  it('goes also when a change of it is settled only later', async () => {
    const { catalog, store } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A'))));
    shop.test.app.exec(`UPDATE products SET name = 'edited'`);
    shop.apply.applyLocal();
    const anew = new DownStream(shop.schemas);
    anew.commit(200, ...SEEDED.map((table) => anew.seedComplete(table)));
    await readAgain(anew.records);
    expect(skus()).toEqual(['A']);
    // The centre had applied the edit before it deleted the row; of both, compaction has left the progress only.
    await shop.toStore(store.commit(300, store.progress('T1', INCARNATION, 1, { catalog: positionAt(150) })));
    expect(skus()).toEqual([]);
  });

  it('is not written later when it was parked before it was ever written', async () => {
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 1, product('A')), catalog.row('products', 2, product('A'))),
    );
    expect(parked()).toEqual([{ central_id: '2' }]);
    const anew = new DownStream(shop.schemas);
    anew.commit(200, ...SEEDED.map((table) => anew.seedComplete(table)));
    await readAgain(anew.records);
    expect([skus(), parked()]).toEqual([[], []]);
  });

  it('goes also when a newer image of it is parked', async () => {
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('products', 1, product('A')), catalog.row('products', 2, product('B'))),
    );
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 2, product('A'))));
    expect(parked()).toEqual([{ central_id: '2' }]);
    const anew = new DownStream(shop.schemas);
    anew.commit(
      200,
      anew.row('products', 1, product('A')),
      ...SEEDED.map((table) => anew.seedComplete(table)),
    );
    await readAgain(anew.records);
    expect([skus(), parked()]).toEqual([['A'], []]);
  });
});

describe('a row that a stream, read again, still names', () => {
  it.each([
    ['is no Avro', { value: Buffer.from('?') }],
    ['has no position', { value: Buffer.from('?'), headers: {} }],
  ])('stays when its record cannot be read: it %s', async (_, broken) => {
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A'))));
    const anew = new DownStream(shop.schemas);
    anew.commit(200, anew.row('products', 1, product('A')));
    anew.commit(201, ...SEEDED.map((table) => anew.seedComplete(table)));
    await readAgain(anew.records.map((record, i) => (i === 0 ? { ...record, ...broken } : record)));
    expect(skus()).toEqual(['A']);
  });

  it('stays when the agent stops before the first record is applied and the stream grows meanwhile', async () => {
    const { catalog } = shop;
    const rows = ['A', 'B', 'C', 'D'].map((sku, i) => catalog.row('products', i + 1, product(sku)));
    await shop.toCatalog(catalog.commit(100, ...rows));
    // The stream has lost its last two records.
    await shop.apply.rereads(CATALOG, { end: 2, whole: false });
    shop.restart();
    expect(shop.apply.resume(CATALOG)).toBe(0);
  });
});

describe('a stream that is read from its beginning for another reason', () => {
  const DAY_MS = 86_400_000;

  it('is swept all the same when the till was away for longer than deletes are kept', async () => {
    const { catalog, test, apply } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('products', 1, product('A'))));
    const reader = new StreamReader({
      till: test.till,
      apply,
      eventLog: {
        offsets: () => Promise.resolve({ first: 0, end: 5 }),
        streamId: () => Promise.resolve(undefined),
      } as unknown as EventLog,
      stream: { topic: CATALOG, partition: 0 },
      valve: new Valve({ always: true }),
      horizonDays: 14,
      freeMb: 0,
      log: silentLog,
      now: () => Date.now() + 20 * DAY_MS,
    });
    // Its app got a new column meanwhile.
    apply.checkpoints.rewindAll();
    expect(await reader.startOffset(new AbortController().signal)).toBe(0);
    expect(shop.rows('SELECT central_id FROM sync_unseen')).toEqual([{ central_id: '1' }]);
  });
});
