/** By which identity a published change names the rows that it refers to. */
import { describe, expect, it } from 'vitest';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { silentLog } from '../../support/till.ts';
import { PULL_SCHEMA, useTillPull, uuid } from '../../support/till-pull.ts';

const till = useTillPull();

describe('a reference', () => {
  it('names the row its key meant then, not the row that has the key now', async () => {
    const t = await till();
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(uuid(1));
    t.app.exec('INSERT INTO items (id, order_id) VALUES (1, 1)');
    t.capture.cutAll();
    t.app.exec('DELETE FROM orders');
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(uuid(2));
    t.app.exec('INSERT INTO items (id, order_id) VALUES (2, 1)');
    t.capture.cutAll();
    t.app.exec('UPDATE orders SET id = 7');
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(uuid(3));
    t.app.exec(
      'INSERT INTO items (id, order_id) VALUES (3, 1); INSERT INTO items (id, order_id) VALUES (4, 99)',
    );
    await t.pull();
    const targets = (await t.changes())
      .filter(({ table }) => table === 'items')
      .map(({ references }) => references.find(({ column }) => column === 'order_id')?.target?.identity);
    expect(targets).toEqual([uuid(1), uuid(2), uuid(3), undefined]);
  });

  it('by central id or UUID names the same row', async () => {
    const t = await till();
    t.app.prepare('INSERT INTO orders (id, local_id) VALUES (1, ?)').run(uuid(1));
    t.app
      .prepare('INSERT INTO products (id, sku, local_id, server_id) VALUES (1, ?, ?, 77)')
      .run('a', uuid(2));
    t.till.db.exec(
      `INSERT INTO sync_row_products (central_id, row_key, position) VALUES ('77', 1, x'00'), ('88', NULL, x'00')`,
    );
    t.app.prepare('INSERT INTO items (order_uuid, product_server) VALUES (?, ?)').run(uuid(1), 77);
    t.app.prepare('INSERT INTO items (order_uuid, product_server) VALUES (?, ?)').run(uuid(9), 88);
    await t.pull();
    const references = (await t.changes())
      .filter(({ table }) => table === 'items')
      .map((change) => change.references.slice(2));
    expect(references).toEqual([
      [
        { column: 'order_uuid', target: { identity: uuid(1), centralId: null } },
        { column: 'product_server', target: { identity: uuid(2), centralId: '77' } },
      ],
      [
        { column: 'order_uuid', target: { identity: uuid(9), centralId: null } },
        { column: 'product_server', target: { identity: '', centralId: '88' } },
      ],
    ]);
  });

  it('to a row from before the agent mints its identity, the one bootstrap offers it under', async () => {
    const t = await till({ schema: `${PULL_SCHEMA}; INSERT INTO products (id, sku) VALUES (1, 'a')` });
    t.app.exec('INSERT INTO items (product_id) VALUES (1)');
    await t.pull();
    const [item, offered] = await t.changes();
    const target = item?.references.find(({ column }) => column === 'product_id')?.target;
    expect(target?.identity).toMatch(/^[0-9a-f]{32}$/);
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    expect(offered).toMatchObject({ op: 'r', row: { identity: target?.identity } });
    expect(await t.changes()).toHaveLength(2);
  });
});
