/** What is sold on a till goes up: everything, once, in order, as SQLite stored it. */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { FIRST_PREVIOUS_HASH } from '../../../services/shared/records/unit-record.ts';
import { TillCapture } from '../../../services/terminal-agent/capture.ts';
import { Bootstrap } from '../../../services/terminal-agent/bootstrap.ts';
import { silentLog } from '../../support/till.ts';
import { PULL_SCHEMA, sell, useTillPull, uuid } from '../../support/till-pull.ts';

const till = useTillPull();

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
      .run('a', 1.5, 't1', uuid(1));
    t.capture.cutAll();
    t.app.exec('UPDATE products SET price = 2');
    t.capture.cutAll();
    t.app.exec('DELETE FROM products');
    await t.pull();
    expect(await t.changes()).toMatchObject([
      {
        op: 'c',
        table: 'products',
        row: { identity: uuid(1), centralId: null },
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
    t.capture.cutAll();
    t.app.exec('UPDATE products SET id = 6');
    await t.pull();
    expect((await t.changes()).map(({ table, op }) => [table, op])).toEqual([['products', 'c']]);
  });

  it('in whole transactions, while the app writes without pause', async () => {
    const t = await till();
    // How many sales the app may make: all at once, beside the cutting.
    const allowed = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       const db = new (require('better-sqlite3'))(workerData.file, { timeout: 5000 });
       db.pragma('synchronous = OFF');
       const addOrder = db.prepare('INSERT INTO orders (number) VALUES (?)');
       const addItem = db.prepare('INSERT INTO items (order_id, qty) VALUES (?, ?)');
       const sell = db.transaction((n) => {
         const order = addOrder.run('N' + n).lastInsertRowid;
         for (let i = 0; i < 4; i++) addItem.run(order, i);
       });
       for (let sold = 0; sold < 600; sold++) {
         Atomics.wait(workerData.allowed, 0, sold);
         sell(sold);
       }`,
      { eval: true, workerData: { file: t.test.file, allowed } },
    );
    const ended = once(worker, 'exit');
    for (let sales = 100; sales <= 600; sales += 100) {
      Atomics.store(allowed, 0, sales);
      Atomics.notify(allowed, 0);
      while (t.capture.cutUnit() === undefined) await setImmediate();
    }
    await ended;
    await t.pull();
    const units = await t.units();
    const changes = units.flatMap((unit) => unit.changes);
    expect(changes).toHaveLength(3000);
    expect(units.length).toBeGreaterThanOrEqual(6);
    for (const unit of units) {
      expect(unit.changes[0]?.table).toBe('orders');
      expect(unit.changes.length % 5).toBe(0);
    }
  });

  it('up to where it stood when the cutting began, however much is sold meanwhile', async () => {
    const t = await till();
    let sales = 1;
    sell(t, sales);
    const capture = new TillCapture({
      till: t.till,
      agentFile: t.agentFile,
      log: silentLog,
      now: () => {
        if (sales < 100) sell(t, ++sales);
        return t.clock.now;
      },
    });
    expect(capture.cutUnit()?.lastSeq).toBe(5);
    expect(sales).toBeLessThan(100);
    expect(capture.cutUnit()?.firstSeq).toBe(6);
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
      target: { identity: uuid(1), centralId: null },
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
      schema: `${PULL_SCHEMA}; INSERT INTO orders (number, local_id) VALUES ('a', '${uuid(1)}'), ('b', '${uuid(1)}')`,
    });
    await new Bootstrap({ till: t.till, log: silentLog }).offerAll();
    await t.pull();
    const names = (await t.changes()).map(({ row }) => row.identity);
    expect(new Set(names).size).toBe(2);
  });
});

describe('the running services', () => {
  it('bring a sale up by themselves and stop at once', async () => {
    const t = await till();
    const stop = new AbortController();
    const running = Promise.all([t.capture.run(stop.signal), t.publisher.run(stop.signal)]);
    sell(t, 1);
    const end = async () => (await t.log.offsets({ topic: 'test.up', partition: 0 })).end;
    await until(async () => (await end()) >= 2, 'the sale is published');
    stop.abort();
    await running;
    expect(await t.changes()).toHaveLength(5);
  });
});
