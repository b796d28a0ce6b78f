/** What the app does to its own schema while the agent runs, or is away: every sale goes up, once. */
import { afterEach, describe, expect, it } from 'vitest';
import { AgentTill } from '../../support/agent-till.ts';
import { product } from '../../support/shop-till.ts';

let till: AgentTill;
afterEach(() => till.close());

const COLUMNS = `local_id TEXT, server_id INTEGER, number TEXT, total REAL, updated_at TEXT, sync_status TEXT,
  sync_operation TEXT, last_sync_at TEXT`;
/** As SQLite's own documentation advises it. */
const REBUILD = `CREATE TABLE orders_new (id INTEGER PRIMARY KEY, ${COLUMNS}, note TEXT);
  INSERT INTO orders_new SELECT *, NULL FROM orders; DROP TABLE orders; ALTER TABLE orders_new RENAME TO orders;`;

const sell = (number: string) =>
  till.app.prepare('INSERT INTO orders (number, total) VALUES (?, 1)').run(number);
const numbersSent = async () =>
  (await till.published()).flatMap(({ table, op, columns }) =>
    table === 'orders' && (op === 'c' || op === 'r')
      ? columns.filter(({ name }) => name === 'number').map((column) => column.new)
      : [],
  );
const sent = (number: string) =>
  till.until(`${number} is sent`, async () => (await numbersSent()).includes(number));
const ops = async () => (await till.published()).map(({ table, op }) => `${op} ${table}`);
/** The agent has seen that a table is another one, and has looked through it. */
const isSwept = (table: string) =>
  till.until('the table is looked through', () => {
    const triggers = till.rows(`SELECT 1 FROM sqlite_master WHERE name = 'sync_insert_${table}'`);
    return triggers.length === 1 && till.rows('SELECT 1 FROM sync_sweep').length === 0;
  });

describe('a table that the app rebuilds', () => {
  it('while the agent runs, with a sale and an edit in the same transaction, loses neither', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    till.app.exec(`BEGIN; ${REBUILD} INSERT INTO orders (number, total) VALUES ('with it', 1);
      UPDATE orders SET total = 7 WHERE number = 'before'; COMMIT`);
    sell('44 ms later');
    await sent('44 ms later');
    await sent('with it');
    await isSwept('orders');
    expect((await numbersSent()).sort()).toEqual(['44 ms later', 'before', 'with it']);
    expect((await ops()).filter((op) => op.startsWith('u') || op.startsWith('d'))).toEqual(['u orders']);
  });

  it('while the agent is away, with sales, loses none', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    await till.stopAgent();
    till.app.exec(`BEGIN; ${REBUILD} COMMIT`);
    sell('away');
    till.app.exec(`UPDATE orders SET total = 3 WHERE number = 'before'`);
    till.run();
    await sent('away');
    await isSwept('orders');
    expect((await numbersSent()).sort()).toEqual(['away', 'before']);
    expect((await ops()).filter((op) => op === 'u orders')).toHaveLength(1);
  });

  it('is written to again once it was looked through, also when nothing was sold', async () => {
    till = await AgentTill.start();
    const { catalog } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A'))));
    await till.until('the product', () => till.rows('SELECT 1 FROM products').length === 1);
    till.app.exec(`BEGIN; CREATE TABLE kept AS SELECT * FROM products; DROP TABLE products;
      CREATE TABLE products (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, sku TEXT NOT NULL UNIQUE,
        name TEXT, price REAL, stock_quantity INTEGER NOT NULL DEFAULT 0, category_id INTEGER, updated_at TEXT,
        shelf TEXT, sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
      INSERT INTO products SELECT * FROM kept; DROP TABLE kept; COMMIT`);
    await isSwept('products');
    await till.toCatalog(catalog.commit(0x120, catalog.row('products', 7, product('A', { name: 'newer' }))));
    await till.until(
      'the newer name',
      () => till.rows(`SELECT 1 FROM products WHERE name = 'newer'`).length === 1,
    );
    expect(await till.published()).toEqual([]);
  });
});

describe.each(['running', 'away'] as const)('while the agent is %s', (agent) => {
  const changed = async (sql: string, sale: () => void) => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    if (agent === 'away') await till.stopAgent();
    till.app.exec(sql);
    sale();
    if (agent === 'away') till.run();
  };

  it('a table and its columns in other letters go on being sold into', async () => {
    const sql = `ALTER TABLE orders RENAME TO on_the_way; ALTER TABLE on_the_way RENAME TO Orders;
      ALTER TABLE Orders RENAME COLUMN number TO Number; ALTER TABLE Orders RENAME COLUMN id TO ID`;
    await changed(sql, () => sell('at once'));
    await sent('at once');
    await isSwept('orders');
    sell('later');
    await sent('later');
    expect((await numbersSent()).sort()).toEqual(['at once', 'before', 'later']);
  });

  it('tables of ours that a schema tool drops keep the app from selling no longer than a moment, and lose no sale', async () => {
    const dropped = ['sync_silence', 'sync_delta', 'sync_row_orders', 'sync_row_products', 'sync_stream'];
    const sells = (number: string) => {
      // The app reads before it writes.
      till.rows('SELECT count(*) FROM orders');
      try {
        sell(number);
        return true;
      } catch {
        return false;
      }
    };
    await changed(dropped.map((table) => `DROP TABLE ${table};`).join(''), () =>
      expect(sells('too early')).toBe(false),
    );
    await till.until('the app sells again', () => sells('again'));
    await sent('again');
    await isSwept('orders');
    expect((await numbersSent()).sort()).toEqual(['again', 'before']);
  });

  it('whichever table of ours is dropped, no part of the agent ends it', async () => {
    till = await AgentTill.start();
    for (const name of ['sync_settled', 'sync_sweep', 'sync_row_orders', 'sync_stream', 'sync_meta']) {
      if (agent === 'away') await till.stopAgent();
      till.app.exec(`DROP TABLE ${name}`);
      if (agent === 'away') till.run();
      sell(name);
      await sent(name);
    }
  });
});
