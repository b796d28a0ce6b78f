/**
 * The whole job with real processes, as an operator and a shop go through it: set up, register, sell, sync by
 * every way there is, delete, bootstrap, replay. Each test goes on from what the one before left.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cashier } from '../../scripts/support/shop.ts';
import type { Site } from '../../scripts/support/site.ts';
import { until } from '../../scripts/support/until.ts';
import { schemaFile } from '../../services/shared/paths.ts';
import { JourneyShop, TILLS } from './journey/journey-shop.ts';

interface SyncAnswer {
  readonly jobId: string;
  readonly state: string;
  readonly terminals: readonly {
    readonly terminalId: string;
    readonly state: string;
    readonly pull?: {
      readonly published: number;
      readonly applied: number;
      readonly tables: Record<string, { applied: number }>;
    };
    readonly push?: { readonly position: string };
  }[];
}

describe('a shop, from setup to replay', () => {
  let shop: JourneyShop;
  let site: Site;
  let operator: string;

  beforeAll(async () => {
    shop = new JourneyShop();
    await shop.start();
    ({ site } = shop);
  }, 180_000);

  afterAll(() => shop.stop());

  test('setup is complete, and says so', async () => {
    expect((await site.command('setup', '--check')).code).toBe(0);
    operator =
      (await site.must('token', 'create', '--role', 'operator', '--name', 'journey'))
        .trim()
        .split(/\s+/)
        .at(-1) ?? '';
    expect(operator.length).toBeGreaterThan(20);
  });

  test('a registered till enrols itself, gets the catalog of all and the rows of its own store only', async () => {
    for (const till of ['T1', 'T2', 'T3']) await site.startTill(till);
    await site.must('sync', '--terminal', 'T2', '--direction', 'push', '--wait');
    for (const till of ['T1', 'T2', 'T3']) {
      await until(() => shop.value(till, 'SELECT count(*) FROM products') === 20, `${till} has the products`);
    }
    expect(shop.value('T1', 'SELECT group_concat(username) FROM users')).toBe('cashier1');
    expect(shop.value('T3', 'SELECT group_concat(username) FROM users')).toBe('cashier2');
    for (const till of ['T1', 'T2', 'T3']) await shop.equal(till);
  }, 120_000);

  test('a price that head office changes arrives', async () => {
    await site.pool.query(`UPDATE products SET price = 12.34 WHERE sku = 'SKU-1'`);
    await until(
      () => Number(shop.value('T1', `SELECT price FROM products WHERE sku = 'SKU-1'`)) === 12.34,
      'the price on T1',
    );
  });

  test('a sale arrives once, with its parts, links and stock, and the till knows', async () => {
    const cashier = new Cashier('T1', site.tillFile('T1'));
    const sale = cashier.sell({ lines: 3 });
    cashier.close();
    await until(() => shop.value('T1', `SELECT sync_status FROM orders`) === 'synced', 'the sale is settled');
    const found = await site.pool.query(
      `SELECT o.store_id, o.terminal_code, round(o.total * 100)::int AS cents, count(i.*)::int AS items,
              (SELECT round(sum(amount) * 100)::int FROM payments p WHERE p.order_id = o.id) AS paid
         FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.order_number = $1 GROUP BY o.id`,
      [sale.orderNumber],
    );
    expect(found.rows).toEqual([
      { store_id: '1', terminal_code: 'T1', cents: sale.totalCents, items: 3, paid: sale.totalCents },
    ]);
    expect(String(shop.value('T1', 'SELECT server_id FROM orders'))).toBe(
      await shop.central('SELECT id FROM orders'),
    );
    await shop.equal('T1');
  });

  test('the other till of the store sees the sale, another store does not', async () => {
    await site.must('sync', '--terminal', 'T2', '--direction', 'push', '--wait');
    await site.must('sync', '--terminal', 'T3', '--direction', 'push', '--wait');
    expect(shop.value('T2', 'SELECT count(*) FROM orders')).toBe(1);
    expect(shop.value('T3', 'SELECT count(*) FROM orders')).toBe(0);
  });

  test('POST /sync flushes a manual till and waits for the answer', async () => {
    const cashier = new Cashier('T2', site.tillFile('T2'));
    cashier.sell({ lines: 2, moveStock: false });
    cashier.close();
    const answer = await shop.api('POST', '/sync', operator, {
      terminalId: 'T2',
      direction: 'both',
      wait: true,
      timeoutMs: 30_000,
    });
    expect(answer.status).toBe(200);
    const job = (await answer.json()) as SyncAnswer;
    expect(job).toMatchObject({
      state: 'done',
      terminals: [{ terminalId: 'T2', pull: { published: 4, applied: 4 } }],
    });
    expect(job.terminals[0]?.pull?.tables['order_items']?.applied).toBe(2);
    expect(await shop.central(`SELECT count(*)::int FROM orders WHERE terminal_code = 'T2'`)).toBe(1);
    expect((await shop.api('GET', `/sync/${job.jobId}`, operator)).status).toBe(200);
  });

  test('without a token, with another till’s, with a wrong field: refused with a code', async () => {
    const refused = async (token: string | null, body: unknown) => {
      const answer = await shop.api('POST', '/sync', token, body);
      return { status: answer.status, code: ((await answer.json()) as { code: string }).code };
    };
    expect(await refused(null, { all: true, direction: 'pull' })).toEqual({
      status: 401,
      code: 'UNAUTHENTICATED',
    });
    expect(await refused(shop.tillToken('T1'), { terminalId: 'T2', direction: 'pull' })).toEqual({
      status: 403,
      code: 'FORBIDDEN',
    });
    expect(await refused(operator, { terminalId: 'T1', direction: 'sideways' })).toEqual({
      status: 422,
      code: 'VALIDATION',
    });
    expect(await refused(operator, { terminalId: 'NOBODY', direction: 'pull' })).toEqual({
      status: 404,
      code: 'TERMINAL_UNKNOWN',
    });
  });

  test('a till asks over Socket.IO, gets an acknowledgement and sync:done', async () => {
    const socket: Socket = io(`${site.gatewayUrl}/terminals`, {
      auth: { token: shop.tillToken('T2') },
      transports: ['websocket'],
    });
    try {
      const done = new Promise<{ jobId: string; state: string }>((resolve, reject) => {
        socket.on('sync:done', resolve);
        socket.on('sync:failed', (failure) => reject(new Error(JSON.stringify(failure))));
        socket.on('connect_error', reject);
      });
      const acknowledgement = (await socket.emitWithAck('sync:request', { direction: 'both' })) as {
        ok: boolean;
        jobId: string;
      };
      expect(acknowledgement.ok).toBe(true);
      expect(await done).toMatchObject({ jobId: acknowledgement.jobId, state: 'done' });
    } finally {
      socket.disconnect();
    }
  });

  test('a wrong token is refused at connect', async () => {
    const socket = io(`${site.gatewayUrl}/terminals`, {
      auth: { token: 'wrong' },
      reconnection: false,
      transports: ['websocket'],
    });
    const error = await new Promise<Error & { data?: unknown }>((resolve) =>
      socket.on('connect_error', resolve),
    );
    expect(error.data).toMatchObject({ code: 'UNAUTHENTICATED' });
    socket.disconnect();
  });

  test('cron flushes a scheduled till', async () => {
    const cashier = new Cashier('T3', site.tillFile('T3'));
    cashier.sell({ moveStock: false });
    cashier.close();
    await until(
      () => shop.value('T3', 'SELECT sync_status FROM orders') === 'synced',
      'the schedule flushed T3',
    );
  });

  test('cron never flushes a manual till', async () => {
    const cashier = new Cashier('T2', site.tillFile('T2'));
    cashier.sell({ moveStock: false });
    cashier.close();
    const jobs = async () => Number(await shop.central('SELECT count(*) FROM payflow_sync.job'));
    const before = await jobs();
    await until(async () => (await jobs()) >= before + 2, 'the schedule ran twice');
    expect(await shop.central(`SELECT count(*)::int FROM orders WHERE terminal_code = 'T2'`)).toBe(1);
    await site.must('sync', '--terminal', 'T2', '--direction', 'pull', '--wait');
    expect(await shop.central(`SELECT count(*)::int FROM orders WHERE terminal_code = 'T2'`)).toBe(2);
  });

  test('deletes go both ways: a mark where the table has one, else the row', async () => {
    await site.pool.query(`UPDATE customers SET deleted_at = now() WHERE email = 'customer1@example.com'`);
    await site.pool.query(`INSERT INTO discounts (code, name, percent) VALUES ('GONE', 'Gone', 5)`);
    await until(
      () => shop.value('T1', `SELECT count(*) FROM discounts WHERE code = 'GONE'`) === 1,
      'the discount on T1',
    );
    await site.pool.query(`DELETE FROM discounts WHERE code = 'GONE'`);
    await until(
      () => shop.value('T1', `SELECT count(*) FROM discounts WHERE code = 'GONE'`) === 0,
      'the discount gone from T1',
    );
    await until(
      () =>
        shop.value('T1', `SELECT deleted_at FROM customers WHERE email = 'customer1@example.com'`) !== null,
      'the customer marked on T1',
    );
    const db = shop.open('T1');
    db.prepare(`DELETE FROM customers WHERE email = 'customer2@example.com'`).run();
    db.prepare(`DELETE FROM payments WHERE id = (SELECT min(id) FROM payments WHERE order_id = 1)`).run();
    db.close();
    await until(
      async () =>
        (await shop.central(
          `SELECT deleted_at IS NOT NULL FROM customers WHERE email = 'customer2@example.com'`,
        )) === true,
      'the customer marked at the centre',
    );
    await until(
      async () =>
        Number(
          await shop.central(
            `SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.terminal_code = 'T1'`,
          ),
        ) === 0,
      'the payment gone from the centre',
    );
    await shop.equal('T1');
  });

  test('bootstrap links what both have, sends up what only the till has, and may be run again', async () => {
    const db = shop.open('OLD');
    db.prepare(
      `INSERT INTO customers (email, full_name) VALUES ('customer3@example.com', 'As the till wrote it')`,
    ).run();
    db.prepare(`INSERT INTO customers (email, full_name) VALUES ('walk-in@example.com', 'Only here')`).run();
    db.close();
    await site.startTill('OLD');
    expect((await site.command('bootstrap', '--terminal', 'OLD')).code).toBe(0);
    expect((await site.command('bootstrap', '--terminal', 'OLD')).code).toBe(0);
    expect(
      await shop.central(
        `SELECT count(*)::int FROM customers WHERE email IN ('customer3@example.com', 'walk-in@example.com')`,
      ),
    ).toBe(2);
    await until(
      () => shop.value('OLD', `SELECT count(*) FROM customers WHERE server_id IS NULL`) === 0,
      'every customer linked',
    );
    // The link comes by the store's stream, the row by the catalog: in whatever order.
    await shop.equal('OLD');
    expect(shop.value('OLD', `SELECT full_name FROM customers WHERE email = 'customer3@example.com'`)).toBe(
      'Customer 3',
    );
  }, 120_000);

  test('parity: 0 where all fits, 1 where a column is gone, 2 where the file is', async () => {
    expect((await site.command('parity', '--terminal-db', site.tillFile('T1'))).code).toBe(0);
    const broken = join(shop.folder, 'broken.db');
    const db = new Database(broken);
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    db.exec('DROP TABLE customers; CREATE TABLE customers (full_name TEXT)');
    db.close();
    expect((await site.command('parity', '--terminal-db', broken)).code).toBe(1);
    expect((await site.command('parity', '--terminal-db', join(shop.folder, 'nowhere.db'))).code).toBe(2);
  });

  test('replay mends what was damaged behind our back, and changes nothing where nothing is wrong', async () => {
    const db = shop.open('T1');
    db.exec(
      `BEGIN; INSERT INTO sync_silence VALUES (1); UPDATE products SET price = 99 WHERE sku = 'SKU-2'; DELETE FROM sync_silence; COMMIT`,
    );
    db.close();
    const replayed = await site.command(
      'replay',
      '--stream',
      `${site.options.env?.['TOPIC_PREFIX'] ?? ''}.catalog`,
      '--from-offset',
      '0',
      '--terminal',
      'T1',
    );
    expect(replayed).toMatchObject({ code: 0 });
    await shop.equal('T1');
  });

  test('status shows tills, lag, slot and checkpoints', async () => {
    const status = JSON.parse(await site.must('status', '--json')) as { terminals: { terminalId: string }[] };
    expect(status.terminals.map(({ terminalId }) => terminalId).sort()).toEqual(['OLD', 'T1', 'T2', 'T3']);
  });

  test('at the end both sides are equal at every till', async () => {
    await site.must('sync', '--all', '--direction', 'both', '--wait');
    for (const { id } of TILLS) await shop.equal(id);
  }, 120_000);
});
