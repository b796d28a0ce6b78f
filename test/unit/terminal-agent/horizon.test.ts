/** How long a till may be away: as the centre says in its mapping record. */
import { expect, it } from 'vitest';
import { DownStream } from '../../support/down-stream.ts';
import { plainProduct, useRereadTill } from '../../support/reread-till.ts';
import { CATALOG } from '../../support/shop-till.ts';

const till = useRereadTill();
const source = () => till.shop.test.till.mapping.source;
const offsets = () => till.shop.rows('SELECT topic, newest_record_ms FROM sync_stream ORDER BY topic');

/** The mapping of version 1, which the till has already. */
async function told(stream: DownStream, lsn: number, days: number | null): Promise<boolean> {
  const records = stream.commit(lsn, stream.mapping(1, source(), days));
  return till.shop.apply.applyBatch(CATALOG, records);
}

it('is 14 days until the centre says otherwise, also where that is of an older version', async () => {
  expect(till.shop.apply.horizon.days).toBe(14);
  await told(till.shop.catalog, 100, null);
  expect(till.shop.apply.horizon.days).toBe(14);
});

it('a longer one is taken without further ado, and remembered', async () => {
  expect(await told(till.shop.catalog, 100, 30)).toBe(true);
  till.shop.restart();
  expect(till.shop.apply.horizon.days).toBe(30);
});

it('at a shorter one everything that was read is in doubt, once, also after a crash', async () => {
  const { catalog } = till.shop;
  await till.shop.toCatalog(catalog.commit(100, catalog.row('products', 1, plainProduct('A'))));
  expect(await told(catalog, 101, 7)).toBe(false);
  till.shop.restart();
  expect(till.shop.apply.horizon.days).toBe(7);
  expect(offsets()).toMatchObject([{ topic: CATALOG, newest_record_ms: 1 }]);
  // The stream from its beginning, which tells longer ones first.
  const anew = new DownStream(till.shop.schemas);
  anew.commit(90, anew.mapping(1, source(), 14));
  anew.commit(100, anew.row('products', 1, plainProduct('A')));
  anew.commit(101, anew.mapping(1, source(), 7));
  await till.shop.apply.reread.begin(CATALOG, { end: anew.records.length, whole: true });
  till.shop.apply.resume(CATALOG);
  expect(await till.shop.apply.applyBatch(CATALOG, anew.records)).toBe(true);
  expect(till.shop.apply.horizon.days).toBe(7);
  expect(till.skus()).toEqual(['A']);
});
