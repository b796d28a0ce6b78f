/** Crashes: what was not acknowledged comes again, what stands in a stream is not written twice. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { CaptureSite, SHOP_MAPPING, SHOP_SQL, type StreamContent } from '../../support/capture-site.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

const ROW_KEY = /^(products|orders|order_items):/;

/** A log whose appends of rows can be made durable without their reply ever coming back. */
function losingReplies(log: EventLog, lost: { topic: string | null }): EventLog {
  return wrappedLog(log, {
    append: async (stream, records, options) => {
      const result = await log.append(stream, records, options);
      // A heartbeat that stood still would hold back the rows behind it.
      const hasRows = records.some(({ key }) => ROW_KEY.test(String(key)));
      if (hasRows && lost.topic !== null && stream.topic.includes(lost.topic))
        await new Promise(() => undefined);
      return result;
    },
  });
}

const keys = ({ stored }: StreamContent) =>
  stored.map((record) => record.key?.toString() ?? '').filter((key) => ROW_KEY.test(key));

describe('after a crash', () => {
  const lost: { topic: string | null } = { topic: null };
  let site: CaptureSite;

  beforeEach(async () => {
    lost.topic = null;
    site = await CaptureSite.start({ wrapLog: (log) => losingReplies(log, lost) });
    await site.setup();
  });
  afterEach(async () => {
    await site.stop();
  });

  it('nothing durable is written twice, and nothing else is missing', async () => {
    const running = await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.acknowledged();
    // The store's records of the next transaction become durable, but nobody hears of it.
    lost.topic = 'store';
    await site.pool.query(`BEGIN;
      INSERT INTO products (id, sku) VALUES (1, 'A'); INSERT INTO orders VALUES (2, 'north', 'n');
      INSERT INTO order_items VALUES (10, 2, 1); COMMIT`);
    await site.pool.query(`DELETE FROM products WHERE id = 1`);
    await until(async () => keys(await site.store('north')).length === 3, 'the store has its rows');
    await until(async () => keys(await site.catalog()).length === 3, 'the catalog has its rows');
    await running.stop();
    lost.topic = null;
    await site.capture();
    await site.pool.query(`INSERT INTO orders VALUES (3, 'north', 'n')`);
    await site.acknowledged();
    expect(keys(await site.store('north'))).toEqual(['orders:1', 'orders:2', 'order_items:10', 'orders:3']);
    expect(keys(await site.catalog())).toEqual(['products:1', 'products:1', 'products:1']);
  });

  it('a transaction that stands in one stream but not in the other is completed', async () => {
    const running = await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.acknowledged();
    lost.topic = 'catalog';
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A')`);
    await until(async () => keys(await site.catalog()).length === 1, 'the catalog has the first row');
    // Waits behind the append whose reply never comes.
    await site.pool.query(`BEGIN;
      INSERT INTO products (id, sku) VALUES (2, 'B'); INSERT INTO orders VALUES (2, 'north', 'n'); COMMIT`);
    await until(async () => keys(await site.store('north')).length === 2, 'the store has its row');
    await running.stop();
    lost.topic = null;
    await site.capture();
    await site.acknowledged();
    expect(keys(await site.catalog())).toEqual(['products:1', 'products:2']);
    expect(keys(await site.store('north'))).toEqual(['orders:1', 'orders:2']);
  });

  it('children of a moved row are moved although the move itself stands in the streams', async () => {
    const running = await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 'x')`);
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5)`);
    await site.acknowledged();
    lost.topic = 'store';
    await site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 1`);
    await until(async () => keys(await site.store('south')).length === 2, 'the order has moved');
    await running.stop();
    lost.topic = null;
    await site.capture();
    await site.acknowledged();
    expect(keys(await site.store('south')).slice(1)).toEqual(['orders:1', 'order_items:10']);
    expect(keys(await site.store('north')).slice(2)).toEqual([
      'orders:1',
      'orders:1',
      'order_items:10',
      'order_items:10',
    ]);
  });

  it('grandchildren of a moved row are moved too, although their parents have moved', async () => {
    await site.stop();
    let tried = false;
    const hold = { on: false };
    site = await CaptureSite.start({
      sql: `${SHOP_SQL} CREATE TABLE item_notes (id bigint PRIMARY KEY, item_id bigint, note text);`,
      mapping: `${SHOP_MAPPING}
  item_notes: { scope: { store: { via: item_id } }, references: { item_id: order_items } }`,
      wrapLog: (log) => ({
        ...losingReplies(log, lost),
        append: async (stream, records, options) => {
          const held = records.some(({ key }) => key?.toString().startsWith('item_notes:') === true);
          if (hold.on && held) {
            tried = true;
            await new Promise(() => undefined);
          }
          return log.append(stream, records, options);
        },
      }),
    });
    await site.setup();
    const running = await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 'x')`);
    await site.pool.query(`INSERT INTO order_items VALUES (10, 1, 5)`);
    await site.pool.query(`INSERT INTO item_notes VALUES (100, 10, 'without onions')`);
    await site.acknowledged();
    hold.on = true;
    await site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 1`);
    await until(() => tried, 'the grandchildren are under way');
    await running.stop();
    hold.on = false;
    await site.capture();
    await site.acknowledged();
    const notes = ({ changes }: StreamContent) =>
      changes.filter(({ table }) => table === 'item_notes').map(({ after }) => after !== null);
    expect(notes(await site.store('south')).at(-1)).toBe(true);
    expect(notes(await site.store('north')).at(-1)).toBe(false);
  });

  it('compaction of a resend cannot hide a row: positions never go back in a stream', async () => {
    for (let round = 0; round < 3; round += 1) {
      const running = await site.capture();
      if (round === 0) await site.seeded();
      await site.pool.query(`INSERT INTO products (id, sku) VALUES ($1, 'A')`, [round]);
      await until(async () => keys(await site.catalog()).length === round + 1, 'the row arrives');
      await running.stop();
    }
    const { changes } = await site.catalog();
    const places = changes.map(
      ({ position }) => `${position.lsn.toString().padStart(20, '0')}:${position.seq}`,
    );
    expect(places).toEqual([...places].sort());
  });

  it("a predecessor's late append cannot win the compaction: the rows are written again behind it", async () => {
    await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'old'), (2, 'dead')`);
    await site.acknowledged();
    await site.pool.query(`UPDATE products SET sku = 'new' WHERE id = 1; DELETE FROM products WHERE id = 2`);
    await site.acknowledged();
    const late = (await site.catalog()).stored.filter((record) =>
      /^products:/.test(record.key?.toString() ?? ''),
    );
    const topic = `${site.prefix}.catalog`;
    await site.eventLog.append({ topic, partition: 0 }, late.slice(0, 2));
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (3, 'next')`);
    await until(async () => keys(await site.catalog()).length >= 11, 'the rows are written again');
    const { changes } = await site.catalog();
    const newest = new Map(changes.map((change) => [change.id as string, change.after?.['sku'] ?? null]));
    expect([newest.get('1'), newest.get('2'), newest.get('3')]).toEqual(['new', null, 'next']);
  });

  it('capture goes on by itself when all its connections are cut, amid a seeding too', async () => {
    await site.pool.query(
      `INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series(1, 20000) AS i`,
    );
    await site.capture();
    for (let round = 0; round < 5; round += 1) {
      await site.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'payflow-capture'`,
      );
      await site.pool.query(`INSERT INTO products (id, sku) VALUES ($1, 'new')`, [30_000 + round]);
    }
    await site.seeded();
    await site.acknowledged();
    expect(new Set(keys(await site.catalog())).size).toBe(20_005);
  });

  it('a slot that is gone is told as SLOT_LOST, and setup begins a new epoch', async () => {
    const running = await site.capture();
    await site.seeded();
    await running.stop();
    await site.dropSlot();
    await expect(site.capture()).rejects.toMatchObject({ code: 'SLOT_LOST' });
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'unseen')`);
    expect((await site.setup()).epoch).toBe(2);
    await site.capture();
    await site.seeded();
    const { changes } = await site.catalog();
    expect(changes.at(-1)).toMatchObject({ op: 'r', id: '1', position: { epoch: 2 } });
  });
});
