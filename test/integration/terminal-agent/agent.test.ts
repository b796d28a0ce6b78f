import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { encodePosition } from '../../../services/shared/records/position.ts';
import { AgentTill } from '../../support/agent-till.ts';
import { positionAt } from '../../support/down-stream.ts';
import { CATALOG, product } from '../../support/shop-till.ts';

let till: AgentTill;
afterEach(() => till.close());

const mine = (seq: number, unitHash: Buffer | null) => ({
  terminal: 'T1',
  incarnation: till.agent.till.incarnation,
  seq,
  outcome: 'applied' as const,
  unitHash,
});

describe('a running agent', () => {
  it('shows what the centre wrote, and a catch-up says when it is there and what came', async () => {
    till = await AgentTill.start();
    const { catalog, store } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    const waiting = till.agent.catchUp({ lsn: '0/110', timeoutMs: 30_000 });
    await till.toCatalog(catalog.commit(0x120, catalog.row('products', 8, product('B', { name: 'second' }))));
    await till.toStore(store.commit(0x130, store.heartbeat()));
    const result = await waiting;
    expect(result.position).toBe('1:0/120:1');
    expect(till.rows('SELECT server_id, name FROM products ORDER BY 1')).toEqual([
      { server_id: 7, name: 'first' },
      { server_id: 8, name: 'second' },
    ]);
    expect(till.agent.status()).toMatchObject({
      state: 'ready',
      mode: 'stream',
      parked: 0,
      mappingVersion: 1,
    });
  });

  it('takes what comes at once although its clock was set back and its app is selling', async () => {
    let nowMs = Date.now();
    till = await AgentTill.start({ now: () => nowMs });
    const { catalog } = till;
    const here = (name: string) => till.rows(`SELECT 1 FROM products WHERE name = '${name}'`).length === 1;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.until('the first row', () => here('first'));
    nowMs -= 3_600_000;
    till.app.exec(`INSERT INTO orders (number, total) VALUES ('n1', 5.25)`);
    await till.until('the sale is published', async () => (await till.published()).length === 1);
    await till.toCatalog(catalog.commit(0x120, catalog.row('products', 8, product('B', { name: 'second' }))));
    await till.until('the second row', () => here('second'));
  });

  it('tries ever less often while the disk has no room for what came', async () => {
    const waits: number[] = [];
    const log = pino(
      { level: 'warn' },
      { write: (line: string) => void waits.push((JSON.parse(line) as { waitMs?: number }).waitMs ?? 0) },
    );
    till = await AgentTill.start({ freeMb: Number.MAX_SAFE_INTEGER, log });
    await till.toCatalog(
      till.catalog.commit(0x100, till.catalog.row('products', 7, product('A', { name: 'first' }))),
    );
    // The first wait is 200 ms at most.
    await till.until('a longer wait', () => Math.max(...waits) > 400);
  });

  it('publishes a sale, and its flush ends when the centre has answered', async () => {
    till = await AgentTill.start();
    till.app.exec(`INSERT INTO orders (number, total) VALUES ('n1', 5.25)`);
    const flushed = till.agent.flush({ timeoutMs: 30_000 });
    await till.until('the sale is published', async () => (await till.published()).length === 1);
    const [unit] = (await till.records()).flatMap(({ units }) => units);
    const sale = unit?.changes[0];
    expect(sale).toMatchObject({ seq: 1, table: 'orders', op: 'c' });
    const { store, catalog } = till;
    const row = { number: 'n1', total: '5.25', updated_at: null, store_id: 'S1' };
    await till.toStore(
      store.commit(
        0x100,
        store.link('T1', 'orders', sale?.row.identity ?? '', 50),
        store.row('orders', 50, row, { op: 'c', origins: [mine(1, unit?.hash ?? null)] }),
        store.progress('T1', till.agent.till.incarnation, 1, { catalog: positionAt(0xf0) }),
      ),
    );
    await till.toCatalog(catalog.commit(0xf0, catalog.heartbeat()));
    expect(await flushed).toMatchObject({
      published: 1,
      applied: 1,
      lost: 0,
      tables: { orders: { published: 1, applied: 1 } },
    });
    expect(till.rows('SELECT server_id, sync_status FROM orders')).toEqual([
      { server_id: 50, sync_status: 'synced' },
    ]);
    expect(till.agent.status().outbox).toEqual({ depth: 0, oldestUnsettledMs: null });
  });

  it('says SYNC_TIMEOUT when the centre does not answer, and goes on', async () => {
    till = await AgentTill.start();
    till.app.exec(`INSERT INTO orders (number) VALUES ('n1')`);
    await expect(till.agent.flush({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'SYNC_TIMEOUT' });
    expect(till.agent.status().outbox.depth).toBe(1);
  });

  it('goes on where it was after a restart, and puts back what was edited in a table it only receives', async () => {
    till = await AgentTill.start();
    const { catalog } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('settings', 'a', { value: '1' })));
    await till.until('the setting is here', () => till.rows('SELECT * FROM settings').length === 1);
    await till.stopAgent();
    till.app.exec(`UPDATE settings SET value = 'edited'`);
    await till.toCatalog(catalog.commit(0x101, catalog.row('settings', 'b', { value: '2' })));
    till.run();
    await till.until('both settings are as the centre has them', () => {
      const values = till.rows('SELECT value FROM settings ORDER BY name') as { value: string }[];
      return values.map(({ value }) => value).join() === '1,2';
    });
    expect(await till.published()).toEqual([]);
  });

  it('reads a stream that was made anew from its beginning', async () => {
    till = await AgentTill.start();
    await till.toCatalog(
      till.catalog.commit(0x100, till.catalog.row('products', 7, product('A', { name: 'first' }))),
    );
    await till.until('the product is here', () => till.rows('SELECT * FROM products').length === 1);
    await till.stopAgent();
    till.app
      .prepare(`UPDATE sync_stream SET stream_id = 'another', next_offset = 500 WHERE topic = ?`)
      .run(CATALOG);
    till.app.exec(`INSERT INTO sync_silence VALUES (1); DELETE FROM products; DELETE FROM sync_silence`);
    till.run();
    await till.until('the product is here again', () => till.rows('SELECT * FROM products').length === 1);
  });

  it('replays a range of a stream, and refuses one it does not read', async () => {
    till = await AgentTill.start();
    const { catalog } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.toCatalog(catalog.commit(0x101, catalog.row('products', 7, product('A', { name: 'second' }))));
    await till.until(
      'the product is here',
      () => till.rows(`SELECT * FROM products WHERE name = 'second'`).length === 1,
    );
    till.app.exec(
      `INSERT INTO sync_silence VALUES (1); UPDATE products SET name = 'broken'; DELETE FROM sync_silence`,
    );
    const all = { topic: CATALOG, fromOffset: 0 };
    expect(await till.agent.replay({ ...all, dryRun: true })).toMatchObject({
      read: 3,
      applied: 1,
      dryRun: true,
    });
    expect(till.rows('SELECT name FROM products')).toEqual([{ name: 'broken' }]);
    expect(await till.agent.replay({ ...all, dryRun: false })).toMatchObject({ read: 3, applied: 1 });
    expect(till.rows('SELECT name FROM products')).toEqual([{ name: 'second' }]);
    const other = { topic: 'payflow.store.S2', fromOffset: 0, dryRun: false };
    await expect(till.agent.replay(other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a stream that is read again', () => {
  it('is read from the beginning after an outage longer than deletes are kept, also without a restart', async () => {
    let aheadMs = 0;
    till = await AgentTill.start({ now: () => Date.now() + aheadMs });
    const { catalog } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.until('the row is there', () => till.rows('SELECT * FROM products').length === 1);
    till.app.exec(
      `INSERT INTO sync_silence VALUES (1); UPDATE products SET name = 'lost'; DELETE FROM sync_silence`,
    );
    aheadMs = 15 * 24 * 60 * 60 * 1000;
    await till.toCatalog(catalog.commit(0x200, catalog.row('products', 8, product('B', { name: 'second' }))));
    await till.until('what was before is read again', () => {
      const names = till.rows('SELECT name FROM products ORDER BY server_id') as { name: string }[];
      return names.map(({ name }) => name).join() === 'first,second';
    });
  });

  it('is read from the beginning when it lost its end and has grown past it since', async () => {
    till = await AgentTill.start();
    const { catalog } = till;
    const lost = catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' })));
    await till.toCatalog([
      ...lost,
      ...catalog.commit(0x150, catalog.row('products', 7, product('A', { name: 'second' }))),
    ]);
    await till.until(
      'both are read',
      () => till.rows(`SELECT 1 FROM products WHERE name = 'second'`).length > 0,
    );
    await till.stopAgent();
    // As if it had read two others in the place of these, and then lost touch with the stream.
    const position = encodePosition(positionAt(0x120));
    till.app.prepare('UPDATE sync_stream SET position = ? WHERE topic = ?').run(position, CATALOG);
    till.app.exec(`INSERT INTO sync_silence VALUES (1); DELETE FROM products; DELETE FROM sync_row_products;
      DELETE FROM sync_silence`);
    till.run();
    await till.until('the product is here again', () => till.rows('SELECT * FROM products').length === 1);
  });

  it('has not been caught up with before all of it is here again', async () => {
    till = await AgentTill.start();
    const { catalog, store } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.toStore(store.commit(0x100, store.heartbeat()));
    await till.agent.catchUp({ lsn: '0/100', timeoutMs: 30_000 });
    till.agent.apply.checkpoints.rewindAll();
    const again = till.agent.catchUp({ lsn: '0/100', timeoutMs: 300 });
    await expect(again).rejects.toMatchObject({ code: 'SYNC_TIMEOUT' });
  });
});

describe('in manual mode', () => {
  it('nothing moves until it is asked for', async () => {
    till = await AgentTill.start({ mode: 'manual' });
    const { catalog, store } = till;
    till.app.exec(`INSERT INTO orders (number) VALUES ('n1')`);
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.toStore(store.commit(0x100, store.heartbeat()));
    await till.until('the sale is cut', () => till.agent.capture.cutAll() !== undefined);
    expect(await till.published()).toEqual([]);
    expect(till.rows('SELECT * FROM products')).toEqual([]);
    await till.agent.catchUp({ lsn: '0/100', timeoutMs: 30_000 });
    expect(till.rows('SELECT * FROM products')).toHaveLength(1);
    await expect(till.agent.flush({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'SYNC_TIMEOUT' });
    expect(await till.published()).toHaveLength(1);
  });

  it('a catch-up counts what came while the flush of the same job read the streams', async () => {
    till = await AgentTill.start({ mode: 'manual' });
    const { catalog, store } = till;
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.toStore(store.commit(0x100, store.heartbeat()));
    till.app.exec(`INSERT INTO orders (number) VALUES ('n1')`);
    // Nobody settles the sale before the flush has read the product.
    const flush = till.agent.flush({ timeoutMs: 30_000, jobId: 'job-1' });
    await till.until('the product is here', () => till.rows('SELECT * FROM products').length === 1);
    await till.toStore(
      store.commit(
        0x110,
        store.progress('T1', till.agent.till.incarnation, 1, { catalog: positionAt(0x100) }),
      ),
    );
    await flush;
    const counted = { lsn: '0/100', timeoutMs: 30_000 };
    expect(await till.agent.catchUp({ ...counted, jobId: 'job-2' })).toMatchObject({ applied: 0 });
    expect(await till.agent.catchUp({ ...counted, jobId: 'job-1' })).toMatchObject({
      applied: 1,
      tables: { products: 1 },
    });
  });
});
