/** How rows from before the agent are offered to the centre. */
import { describe, expect, it } from 'vitest';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { offerOutcomes, refusedRows } from '../../../services/terminal-agent/bootstrap-result.ts';
import { silentLog } from '../../support/till.ts';
import { PULL_SCHEMA, useTillPull } from '../../support/till-pull.ts';

const till = useTillPull();

describe('bootstrap', () => {
  const existing = `${PULL_SCHEMA};
    INSERT INTO orders (id, number) VALUES (1, 'old1'), (2, 'old2'), (3, 'old3');
    INSERT INTO items (id, order_id) VALUES (1, 1), (2, 3);
    INSERT INTO products (id, sku, server_id) VALUES (1, 'a', NULL), (2, 'b', 42);
    INSERT INTO shops (id, name) VALUES (1, 's')`;

  it('offers what was there before, parents first, once', async () => {
    const t = await till({ schema: existing });
    const bootstrap = new Bootstrap({ till: t.till, log: silentLog, rowsAtOnce: 2 });
    const expected = {
      products: { offered: 2, listed: 0 },
      orders: { offered: 3, listed: 0 },
      items: { offered: 2, listed: 0 },
    };
    expect(Object.fromEntries(bootstrap.count())).toEqual(expected);
    expect(Object.fromEntries(await bootstrap.offerAll())).toEqual(expected);
    expect((await bootstrap.offerAll()).get('orders')).toEqual({ offered: 0, listed: 0 });
    await t.pull();
    const changes = await t.changes();
    expect(changes.every(({ op }) => op === 'r')).toBe(true);
    expect(changes.findIndex(({ table }) => table === 'items')).toBeGreaterThan(
      changes.findLastIndex(({ table }) => table === 'orders'),
    );
    const order = changes.find(({ table, columns }) => table === 'orders' && columns[0]?.new === 'old3');
    expect(changes.at(-1)).toMatchObject({
      table: 'items',
      references: [{ target: { identity: order?.row.identity } }, {}, {}, {}],
    });
    t.settle(7);
    expect(offerOutcomes(t.agentFile.changes, t.capture.flight, 0).get('orders')).toEqual({
      offered: 3,
      linked: 0,
      inserted: 3,
      refused: 0,
    });
  });

  it('counts and names those that the centre refused, with its reason', async () => {
    const t = await till({ schema: existing });
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    const { flight } = t.capture;
    const { changes } = t.agentFile;
    const refused = changes.after(0).find(({ table }) => table === 'orders');
    t.till.write(() => {
      for (const change of flight.openUpTo(7))
        flight.settle(change, change.number === refused?.number ? 'rejected' : 'applied');
      const given = t.till.db.prepare('INSERT INTO sync_given_up VALUES (?, ?, ?)');
      given.run('orders', refused?.rowKey, '23514 total_positive');
    });
    expect(offerOutcomes(changes, flight, 0).get('orders')).toMatchObject({ inserted: 2, refused: 1 });
    expect(refusedRows(t.till.db, { changes, flight, after: 0 })).toEqual([
      { table: 'orders', key: String(refused?.rowKey), why: 'the centre refused it: 23514 total_positive' },
    ]);
  });

  it('leaves rows that are linked, and lists those that could be doubled', async () => {
    const t = await till({
      schema: `${existing}; ALTER TABLE orders ADD COLUMN server_id INTEGER; UPDATE orders SET server_id = 9 WHERE id = 3`,
    });
    t.till.db.exec(`INSERT INTO sync_row_orders (central_id, row_key, position) VALUES ('1', 1, x'00')`);
    const bootstrap = new Bootstrap({ till: t.till, log: silentLog });
    expect(bootstrap.count().get('orders')).toEqual({ offered: 1, listed: 1 });
    expect(bootstrap.listed()).toEqual([
      { table: 'orders', key: '3', why: expect.stringMatching('claims the central row 9') as string },
    ]);
    await bootstrap.offerAll();
    await t.pull();
    expect(
      (await t.changes()).filter(({ table }) => table === 'orders').map(({ columns }) => columns[0]?.new),
    ).toEqual(['old2']);
  });

  it('goes on where it was interrupted', async () => {
    const t = await till({ schema: existing });
    const stop = new AbortController();
    const bootstrap = new Bootstrap({ till: t.till, log: silentLog, rowsAtOnce: 1 });
    const interrupted = bootstrap.offerAll(stop.signal);
    stop.abort();
    await interrupted;
    t.restart();
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    const rows = (await t.changes()).map(({ table, row }) => `${table} ${row.identity}`);
    expect(rows).toHaveLength(7);
    expect(new Set(rows).size).toBe(7);
  });
});
