/** What may be known of a row besides its image while its stream is read again: nothing of it may outlive the row. */
import { describe, expect, it } from 'vitest';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog, Looked } from '../../../services/shared/log/event-log.ts';
import { Valve } from '../../../services/terminal-agent/pulse.ts';
import { StreamReader } from '../../../services/terminal-agent/streams/stream-reader.ts';
import { DownStream, positionAt } from '../../support/down-stream.ts';
import { plainProduct, useRereadTill } from '../../support/reread-till.ts';
import { CATALOG, INCARNATION } from '../../support/shop-till.ts';
import { silentLog } from '../../support/till.ts';

const till = useRereadTill();
const skus = () => till.skus();
const parked = () => till.shop.rows('SELECT central_id FROM sync_parked ORDER BY 1');
const SEEDED = ['categories', 'products', 'settings'];

describe('a row that a stream, read again, no longer names', () => {
  it('goes also when a change of it is settled only later', async () => {
    const { catalog, store } = till.shop;
    await till.shop.toCatalog(catalog.commit(100, catalog.row('products', 1, plainProduct('A'))));
    till.shop.test.app.exec(`UPDATE products SET name = 'edited'`);
    till.shop.apply.applyLocal();
    const anew = new DownStream(till.shop.schemas);
    anew.commit(200, ...SEEDED.map((table) => anew.seedComplete(table)));
    await till.readAgain(CATALOG, anew.records);
    expect(skus()).toEqual(['A']);
    // The centre had applied the edit before it deleted the row; of both, compaction has left the progress only.
    await till.shop.toStore(
      store.commit(300, store.progress('T1', INCARNATION, 1, { catalog: positionAt(150) })),
    );
    expect(skus()).toEqual([]);
  });

  it('is not written later when it was parked before it was ever written', async () => {
    const { catalog } = till.shop;
    await till.shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('products', 1, plainProduct('A')),
        catalog.row('products', 2, plainProduct('A')),
      ),
    );
    expect(parked()).toEqual([{ central_id: '2' }]);
    const anew = new DownStream(till.shop.schemas);
    anew.commit(200, ...SEEDED.map((table) => anew.seedComplete(table)));
    await till.readAgain(CATALOG, anew.records);
    expect([skus(), parked()]).toEqual([[], []]);
  });

  it('goes also when a newer image of it is parked', async () => {
    const { catalog } = till.shop;
    await till.shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('products', 1, plainProduct('A')),
        catalog.row('products', 2, plainProduct('B')),
      ),
    );
    await till.shop.toCatalog(catalog.commit(101, catalog.row('products', 2, plainProduct('A'))));
    expect(parked()).toEqual([{ central_id: '2' }]);
    const anew = new DownStream(till.shop.schemas);
    anew.commit(
      200,
      anew.row('products', 1, plainProduct('A')),
      ...SEEDED.map((table) => anew.seedComplete(table)),
    );
    await till.readAgain(CATALOG, anew.records);
    expect([skus(), parked()]).toEqual([['A'], []]);
  });
});

describe('a row that a stream, read again, still names', () => {
  it.each([
    ['is no Avro', { value: Buffer.from('?') }],
    ['has no position', { value: Buffer.from('?'), headers: {} }],
  ])('stays when its record cannot be read: it %s', async (_, broken) => {
    const { catalog } = till.shop;
    await till.shop.toCatalog(catalog.commit(100, catalog.row('products', 1, plainProduct('A'))));
    const anew = new DownStream(till.shop.schemas);
    anew.commit(200, anew.row('products', 1, plainProduct('A')));
    anew.commit(201, ...SEEDED.map((table) => anew.seedComplete(table)));
    await till.readAgain(
      CATALOG,
      anew.records.map((record, i) => (i === 0 ? { ...record, ...broken } : record)),
    );
    expect(skus()).toEqual(['A']);
  });

  it('stays when the agent stops before the first record is applied and the stream grows meanwhile', async () => {
    const { catalog } = till.shop;
    const rows = ['A', 'B', 'C', 'D'].map((sku, i) => catalog.row('products', i + 1, plainProduct(sku)));
    await till.shop.toCatalog(catalog.commit(100, ...rows));
    // The stream has lost its last two records.
    await till.shop.apply.reread.begin(CATALOG, { end: 2, whole: false });
    till.shop.restart();
    expect(till.shop.apply.resume(CATALOG)).toBe(0);
  });
});

describe('a stream that lost its end', () => {
  /** The stream as it is when the till looks: seeded again from `begin` on, up to the first of its rows. */
  const seededFrom = (begin: number) => {
    const anew = new DownStream(till.shop.schemas);
    anew.commit(begin, ...SEEDED.map((table) => anew.seedBegin(table)));
    anew.commit(begin + 1, anew.row('products', 1, plainProduct('A')));
    const end = anew.records.length;
    anew.commit(begin + 2, ...SEEDED.map((table) => anew.seedComplete(table)));
    return { records: anew.records, end };
  };
  const readRowsAt100 = async () => {
    const { catalog } = till.shop;
    const rows = ['A', 'B'].map((sku, i) => catalog.row('products', i + 1, plainProduct(sku)));
    await till.shop.toCatalog(catalog.commit(100, ...rows));
  };

  it('is swept by a seeding that began after the loss, though before the till looked', async () => {
    await readRowsAt100();
    const { records, end } = seededFrom(200);
    await till.shop.apply.reread.begin(CATALOG, { end, whole: false });
    till.shop.restart();
    expect(till.shop.apply.reread.isIncomplete(CATALOG)).toBe(true);
    await till.shop.apply.applyBatch(CATALOG, records);
    expect(skus()).toEqual(['A']);
    expect(till.shop.apply.reread.isIncomplete(CATALOG)).toBe(false);
  });

  it('is not swept by the end of a seeding that began before it', async () => {
    await readRowsAt100();
    const { records, end } = seededFrom(50);
    await till.shop.apply.reread.begin(CATALOG, { end, whole: false });
    await till.shop.apply.applyBatch(CATALOG, records);
    expect(skus()).toEqual(['A', 'B']);
    expect(till.shop.apply.reread.isIncomplete(CATALOG)).toBe(true);
  });
});

describe('a stream that lost its end and has grown past what was read', () => {
  it('is doubted as soon as the log says what stands there: no answer is none', async () => {
    const { catalog, apply } = till.shop;
    await till.shop.toCatalog(catalog.commit(100, catalog.row('products', 1, plainProduct('A'))));
    const anew = new DownStream(till.shop.schemas);
    const [other] = anew.commit(900, anew.row('products', 2, plainProduct('B')));
    const answers: Looked[] = [
      { kind: 'unknown', error: new PayflowError('LOG_UNREACHABLE', 'no answer') },
      ...(other === undefined ? [] : [{ kind: 'there', record: other } as const]),
      ...(other === undefined ? [] : [{ kind: 'there', record: other } as const]),
    ];
    const reader = new StreamReader({
      till: till.shop.test.till,
      apply,
      eventLog: {
        offsets: () => Promise.resolve({ first: 0, end: 9 }),
        streamId: () => Promise.resolve(undefined),
        recordAt: () => Promise.resolve(answers.shift()),
      } as unknown as EventLog,
      stream: { topic: CATALOG, partition: 0 },
      valve: new Valve({ always: true }),
      horizonDays: () => 14,
      freeMb: 0,
      log: silentLog,
    });
    const { signal } = new AbortController();
    await expect(reader.startOffset(signal)).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    expect(apply.resume(CATALOG)).toBe(1);
    expect(await reader.startOffset(signal)).toBe(0);
  });
});

describe('a stream that is read from its beginning for another reason', () => {
  const DAY_MS = 86_400_000;
  const end = 5;

  /** Of a stream whose last record is this old, on a till with such a clock. */
  function reader({ newestMs, now }: { newestMs: number; now: () => number }): StreamReader {
    const newest = { offset: end - 1, key: null, value: null, headers: {}, timestampMs: newestMs };
    return new StreamReader({
      till: till.shop.test.till,
      apply: till.shop.apply,
      eventLog: {
        offsets: () => Promise.resolve({ first: 0, end }),
        streamId: () => Promise.resolve(undefined),
        recordAt: () => Promise.resolve({ kind: 'there', record: newest }),
      } as unknown as EventLog,
      stream: { topic: CATALOG, partition: 0 },
      valve: new Valve({ always: true }),
      horizonDays: () => 14,
      freeMb: 0,
      log: silentLog,
      now,
    });
  }

  it.each([
    ['by its own clock', { newestMs: Date.now(), now: () => Date.now() + 20 * DAY_MS }],
    [
      'by the log’s, its own having been set back',
      { newestMs: Date.now() + 20 * DAY_MS, now: () => Date.now() - DAY_MS },
    ],
  ])(
    'is swept all the same when the till was away for longer than deletes are kept, %s',
    async (_, times) => {
      const { catalog, apply } = till.shop;
      await till.shop.toCatalog(catalog.commit(100, catalog.row('products', 1, plainProduct('A'))));
      // Its app got a new column meanwhile.
      apply.checkpoints.rewindAll();
      expect(await reader(times).startOffset(new AbortController().signal)).toBe(0);
      expect(till.shop.rows('SELECT central_id FROM sync_unseen')).toEqual([{ central_id: '1' }]);
    },
  );
});
