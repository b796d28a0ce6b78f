import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { FIRST_PREVIOUS_HASH } from '../../../services/shared/records/unit-record.ts';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { TillRetention } from '../../../services/terminal-agent/units/retention.ts';
import { silentLog } from '../../support/till.ts';
import { TillPull } from '../../support/till-pull.ts';

const SCHEMA = `
CREATE TABLE shops (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, price NUMERIC, updated_at TEXT, local_id TEXT, server_id INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT, note, local_id TEXT);
CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER, product_id INTEGER, order_uuid TEXT, product_server INTEGER, qty);
`;
const MAPPING = `version: 1
tables:
  shops: {scope: global, direction: push}
  products: {scope: global, natural_key: [sku]}
  orders: {scope: global}
  items:
    scope: global
    references:
      order_id: orders
      product_id: products
      order_uuid: {table: orders, holds: local_id}
      product_server: {table: products, holds: server_id}
`;
const UUID = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

let open: TillPull | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function till(
  options: {
    schema?: string;
    mapping?: string;
    mode?: 'stream' | 'scheduled' | 'manual';
    now?: () => number;
  } = {},
): Promise<TillPull> {
  open = await TillPull.open({ schema: SCHEMA, mapping: MAPPING, ...options });
  return open;
}

function sell(t: TillPull, n: number, lines = 4): void {
  t.app.transaction(() => {
    const order = t.app.prepare('INSERT INTO orders (number, local_id) VALUES (?, ?)').run(`N${n}`, UUID(n));
    const line = t.app.prepare('INSERT INTO items (order_id, qty) VALUES (?, ?)');
    for (let index = 0; index < lines; index += 1) line.run(order.lastInsertRowid, index);
  })();
}

describe('what was sold goes up', () => {
  it('once, in order, in units whose hashes chain', async () => {
    const t = await till();
    for (let n = 1; n <= 20; n += 1) {
      sell(t, n);
      if (n % 3 === 0) t.capture.cutAll();
    }
    await t.pull();
    const units = await t.units();
    expect(units.map(({ number }) => number)).toEqual(units.map((_, index) => index + 1));
    expect(units[0]?.previousHash).toEqual(FIRST_PREVIOUS_HASH);
    for (const [index, unit] of units.slice(1).entries())
      expect(unit.previousHash).toEqual(units[index]?.hash);
    expect((await t.changes()).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(await t.publisher.publishNext()).toBe(0);
  });

  it('with values as SQLite stored them, and only what differs of an update, with the timestamp', async () => {
    const t = await till();
    t.app
      .prepare('INSERT INTO products (id, sku, price, updated_at, local_id) VALUES (1, ?, ?, ?, ?)')
      .run('a', 1.5, 't1', UUID(1));
    t.app.exec(`UPDATE products SET price = 2; DELETE FROM products`);
    await t.pull();
    expect(await t.changes()).toMatchObject([
      {
        op: 'c',
        table: 'products',
        row: { identity: UUID(1), centralId: null },
        columns: [
          { name: 'sku', old: null, new: 'a' },
          { name: 'price', old: null, new: 1.5 },
          { name: 'updated_at', old: null, new: 't1' },
        ],
      },
      {
        op: 'u',
        columns: [
          { name: 'price', old: 1.5, new: 2n },
          { name: 'updated_at', old: 't1', new: 't1' },
        ],
      },
      {
        op: 'd',
        columns: [{ name: 'sku', old: 'a', new: null }, { old: 2n, new: null }, { name: 'updated_at' }],
      },
    ]);
  });

  it('except edits of tables that only come down, and moves of a local key', async () => {
    const t = await till();
    t.app.exec(`INSERT INTO shops (name) VALUES ('x'); INSERT INTO products (id, sku) VALUES (1, 'a');
      UPDATE products SET id = 5`);
    await t.pull();
    expect((await t.changes()).map(({ table, op }) => [table, op])).toEqual([['products', 'c']]);
    expect(
      t.app.prepare(`SELECT table_name, op FROM sync_outbox WHERE outcome IS NULL ORDER BY seq`).raw().all(),
    ).toEqual([
      ['shops', 'c'],
      ['products', 'c'],
    ]);
  });

  it('in whole transactions, while the app writes without pause', async () => {
    const t = await till();
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       const db = new (require('better-sqlite3'))(workerData.file, { timeout: 5000 });
       db.pragma('synchronous = OFF');
       const sell = db.transaction((n) => {
         const order = db.prepare('INSERT INTO orders (number) VALUES (?)').run('N' + n).lastInsertRowid;
         for (let i = 0; i < 4; i++) db.prepare('INSERT INTO items (order_id, qty) VALUES (?, ?)').run(order, i);
       });
       for (let n = 0; n < 600; n++) sell(n);
       parentPort.postMessage('done');`,
      { eval: true, workerData: { file: t.test.file } },
    );
    let selling = true;
    const done = new Promise((resolve) => worker.once('exit', resolve)).then(() => (selling = false));
    while (selling) {
      t.capture.cutUnit();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    await t.pull();
    const units = await t.units();
    const changes = units.flatMap((unit) => unit.changes);
    expect(changes).toHaveLength(3000);
    expect(units.length).toBeGreaterThan(5);
    for (const unit of units) {
      expect(unit.changes[0]?.table).toBe('orders');
      expect(unit.changes.length % 5).toBe(0);
    }
  });
});

describe('a restart', () => {
  it('between publishing and remembering it publishes the same units again', async () => {
    const t = await till();
    sell(t, 1);
    t.capture.cutAll();
    sell(t, 2);
    t.capture.cutAll();
    const dies: EventLog = Object.assign(Object.create(t.log) as EventLog, {
      append: async (...args: Parameters<EventLog['append']>) => {
        await t.log.append(...args);
        throw new PayflowError('LOG_UNREACHABLE', 'the reply was lost');
      },
    });
    await expect(t.newPublisher(dies).publishNext()).rejects.toThrow('the reply was lost');
    t.restart();
    sell(t, 3);
    await t.pull();
    const units = await t.units();
    expect(units.map(({ number }) => number)).toEqual([1, 2, 1, 2, 3]);
    expect(units.slice(2, 4)).toEqual(units.slice(0, 2));
  });

  it('never cuts a unit again, whatever came since', async () => {
    const t = await till();
    sell(t, 1);
    const cut = t.capture.cutUnit();
    sell(t, 2);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    t.capture.cutAll();
    expect(t.agentFile.holding(1)?.hash).toEqual(cut?.hash);
    expect(t.agentFile.last()).toMatchObject({ number: 2, firstSeq: 6, lastSeq: 10 });
  });

  it('on an older copy of payflow.db fences the till: nothing more is cut or published', async () => {
    const t = await till();
    sell(t, 1);
    t.app.pragma('wal_checkpoint(TRUNCATE)');
    const copy = join(t.test.folder, 'copy.db');
    copyFileSync(t.test.file, copy);
    sell(t, 2);
    await t.pull();
    t.test.till.close();
    t.app.pragma('wal_checkpoint(TRUNCATE)');
    t.app.close();
    copyFileSync(copy, t.test.file);
    t.restart();
    expect(t.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(t.capture.cutUnit()).toBeUndefined();
  });
});

describe('a large unit', () => {
  it('goes up in parts, and again in the same parts although more links are known', async () => {
    const t = await till();
    t.app.transaction(() => {
      for (let n = 0; n < 40; n += 1) {
        t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)').run('x'.repeat(20_000), UUID(n));
      }
      t.app.exec('INSERT INTO items (order_id) SELECT id FROM orders');
    })();
    await t.pull();
    const once = await t.records();
    expect(once.length).toBeGreaterThan(3);
    expect(once.map(({ part, parts }) => [part, parts])).toEqual(
      once.map((_, index) => [index + 1, once.length]),
    );
    expect(once.flatMap(({ units }) => units[0]?.changes ?? []).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 80 }, (_, index) => index + 1),
    );
    t.till.db.exec(`INSERT INTO sync_row_orders (central_id, row_key, position)
      SELECT '${'9'.repeat(300)}' || id, id, x'00' FROM orders`);
    t.publisher.republishAll();
    await t.pull();
    const again = (await t.records()).slice(once.length);
    const seqs = (records: typeof once) =>
      records.map(({ part, units }) => [part, units[0]?.changes.map(({ seq }) => seq)]);
    expect(seqs(again)).toEqual(seqs(once));
  });
});

describe('a reference', () => {
  it('names the row its key meant then, not the row that has the key now', async () => {
    const t = await till();
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(UUID(1));
    t.app.exec('INSERT INTO items (id, order_id) VALUES (1, 1)');
    t.app.exec('DELETE FROM orders');
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(UUID(2));
    t.app.exec('INSERT INTO items (id, order_id) VALUES (2, 1); UPDATE orders SET id = 7');
    t.app.prepare(`INSERT INTO orders (id, local_id) VALUES (1, ?)`).run(UUID(3));
    t.app.exec(
      'INSERT INTO items (id, order_id) VALUES (3, 1); INSERT INTO items (id, order_id) VALUES (4, 99)',
    );
    await t.pull();
    const targets = (await t.changes())
      .filter(({ table }) => table === 'items')
      .map(({ references }) => references.find(({ column }) => column === 'order_id')?.target?.identity);
    expect(targets).toEqual([UUID(1), UUID(2), UUID(3), undefined]);
  });

  it('by central id or UUID names the same row', async () => {
    const t = await till();
    t.app.prepare('INSERT INTO orders (id, local_id) VALUES (1, ?)').run(UUID(1));
    t.app
      .prepare('INSERT INTO products (id, sku, local_id, server_id) VALUES (1, ?, ?, 77)')
      .run('a', UUID(2));
    t.till.db.exec(
      `INSERT INTO sync_row_products (central_id, row_key, position) VALUES ('77', 1, x'00'), ('88', NULL, x'00')`,
    );
    t.app.prepare('INSERT INTO items (order_uuid, product_server) VALUES (?, ?)').run(UUID(1), 77);
    t.app.prepare('INSERT INTO items (order_uuid, product_server) VALUES (?, ?)').run(UUID(9), 88);
    await t.pull();
    const references = (await t.changes())
      .filter(({ table }) => table === 'items')
      .map((change) => change.references.slice(2));
    expect(references).toEqual([
      [
        { column: 'order_uuid', target: { identity: UUID(1), centralId: null } },
        { column: 'product_server', target: { identity: UUID(2), centralId: '77' } },
      ],
      [
        { column: 'order_uuid', target: { identity: UUID(9), centralId: null } },
        { column: 'product_server', target: { identity: '', centralId: '88' } },
      ],
    ]);
  });

  it('to a row from before the agent mints its identity, the one bootstrap offers it under', async () => {
    const t = await till({ schema: `${SCHEMA}; INSERT INTO products (id, sku) VALUES (1, 'a')` });
    t.app.exec('INSERT INTO items (product_id) VALUES (1)');
    await t.pull();
    const target = (await t.changes())[0]?.references.find(({ column }) => column === 'product_id')?.target;
    expect(target?.identity).toMatch(/^[0-9a-f]{32}$/);
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    expect((await t.changes()).at(-1)).toMatchObject({ op: 'r', row: { identity: target?.identity } });
  });
});

describe('until it is settled', () => {
  it('the oldest unit goes up again, less and less often', async () => {
    const t = await till();
    sell(t, 1);
    t.capture.cutAll();
    sell(t, 2);
    await t.pull();
    const again = async () => {
      const before = (await t.units()).length;
      await t.pull();
      return (await t.units()).slice(before).map(({ number }) => number);
    };
    expect(await again()).toEqual([]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([1]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([1]);
    t.settle(5);
    t.clock.now += 60_000;
    expect(await again()).toEqual([2]);
    t.settle(10);
    t.clock.now += 3_600_000;
    expect(await again()).toEqual([]);
    expect(t.publisher.settledSeq).toBe(10);
  });

  it('everything unsettled goes up again when asked', async () => {
    const t = await till();
    for (const n of [1, 2, 3]) {
      sell(t, n);
      t.capture.cutAll();
    }
    await t.pull();
    t.settle(5);
    expect(t.publisher.republishAll()).toBe(2);
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 2, 3, 2, 3]);
  });

  it('nothing of it is removed, nor ever the rows of the last unit', async () => {
    const t = await till();
    for (const n of [1, 2, 3]) {
      sell(t, n);
      t.capture.cutAll();
    }
    const retention = new TillRetention({
      till: t.till,
      agentFile: t.agentFile,
      settledSeq: () => t.publisher.settledSeq,
      log: silentLog,
      now: () => Date.now() + 31 * 24 * 3_600_000,
    });
    expect(retention.purgeSome()).toBe(0);
    t.settle(5);
    t.till.db.exec(`UPDATE sync_outbox SET outcome = 'rejected' WHERE seq = 2`);
    expect(retention.purgeSome()).toBe(4);
    t.settle(15);
    t.till.db.exec(`UPDATE sync_outbox SET outcome = 'rejected' WHERE seq = 2`);
    expect(retention.purgeSome()).toBe(5);
    expect(t.app.prepare('SELECT seq FROM sync_outbox').pluck().all()).toEqual([2, 11, 12, 13, 14, 15]);
    expect(t.app.prepare('SELECT seq FROM sync_change_items').pluck().all()).toEqual([2, 12, 13, 14, 15]);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
  });
});

describe('a till that is not in stream mode', () => {
  it('publishes nothing before a flush, and then up to its mark', async () => {
    const t = await till({ mode: 'manual' });
    sell(t, 1);
    const mark = t.capture.cutAll();
    sell(t, 2);
    await t.pull();
    expect(await t.units()).toEqual([]);
    t.publisher.flush(mark?.number ?? 0);
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1]);
  });
});

describe('the running services', () => {
  it('bring a sale up by themselves and stop at once', async () => {
    const t = await till();
    const stop = new AbortController();
    const running = Promise.all([t.capture.run(stop.signal), t.publisher.run(stop.signal)]);
    sell(t, 1);
    const deadline = Date.now() + 10_000;
    while ((await t.log.offsets({ topic: 'test.up', partition: 0 })).end < 2) {
      if (Date.now() > deadline) throw new Error('the sale was not published within 10 s');
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop.abort();
    await running;
    expect(await t.changes()).toHaveLength(5);
  });
});

describe('bootstrap', () => {
  const existing = `${SCHEMA};
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
    const { afterSeq, tables } = await bootstrap.offerAll();
    expect(Object.fromEntries(tables)).toEqual(expected);
    expect((await bootstrap.offerAll()).tables.get('orders')).toEqual({ offered: 0, listed: 0 });
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
    expect(bootstrap.outcomes(afterSeq).get('orders')).toEqual({ offered: 3, linked: 0, inserted: 3 });
  });

  it('leaves rows that are linked, and lists those that could be doubled', async () => {
    const t = await till({
      schema: `${existing}; ALTER TABLE orders ADD COLUMN server_id INTEGER; UPDATE orders SET server_id = 9 WHERE id = 3`,
    });
    t.till.db.exec(`INSERT INTO sync_row_orders (central_id, row_key, position) VALUES ('1', 1, x'00')`);
    const bootstrap = new Bootstrap({ till: t.till, log: silentLog });
    expect(bootstrap.count().get('orders')).toEqual({ offered: 1, listed: 1 });
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

describe('no change is left behind in silence', () => {
  it('of a table that the app drops before it was published', async () => {
    const t = await till();
    sell(t, 1, 1);
    t.capture.cutAll();
    t.app.exec('DROP TABLE items');
    t.till.hasNews();
    await t.pull();
    const changes = await t.changes();
    expect(changes.map(({ table, op }) => [table, op])).toEqual([
      ['orders', 'c'],
      ['items', 'c'],
    ]);
    expect(changes[1]?.columns).toContainEqual({ name: 'order_id', old: null, new: 1n });
    expect(changes[1]?.references).toContainEqual({
      column: 'order_id',
      target: { identity: UUID(1), centralId: null },
    });
  });

  it('because of a parent that has no key to be named by', async () => {
    const t = await till({
      schema: `CREATE TABLE kinds (code TEXT PRIMARY KEY, local_id TEXT);
        CREATE TABLE things (id INTEGER PRIMARY KEY, kind TEXT); INSERT INTO kinds VALUES (NULL, 'short')`,
      mapping: `version: 1
tables:
  kinds: {scope: global}
  things: {scope: global, references: {kind: {table: kinds, holds: local_id}}}
`,
    });
    t.app.exec(`INSERT INTO things (kind) VALUES ('short')`);
    await t.pull();
    expect((await t.changes()).map(({ references }) => references[0]?.target)).toEqual([
      { identity: '', centralId: null },
    ]);
  });

  it('because two rows from before the agent carry one UUID', async () => {
    const t = await till({
      schema: `${SCHEMA}; INSERT INTO orders (number, local_id) VALUES ('a', '${UUID(1)}'), ('b', '${UUID(1)}')`,
    });
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    const names = (await t.changes()).map(({ row }) => row.identity);
    expect(new Set(names).size).toBe(2);
  });
});
