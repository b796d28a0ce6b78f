/** A server that shuts down waits for replication sessions: capture leaves it by itself. */
import { afterEach, expect, it } from 'vitest';
import { pino } from 'pino';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { ReplicationStream } from '../../../services/central-capture/wal/replication-stream.ts';
import { CaptureSite } from '../../support/capture-site.ts';

let server: RunningPostgres | undefined;
let site: CaptureSite | undefined;
afterEach(async () => {
  await site?.stop();
  await server?.stop();
  [server, site] = [undefined, undefined];
});

it('a session that has not confirmed all that the server has ends when the server asks and asks', async () => {
  server = await startPostgres({ own: true });
  site = await CaptureSite.start({ server: server.url });
  await site.pool.query('CREATE PUBLICATION all_tables FOR ALL TABLES');
  await site.pool.query(`SELECT pg_create_logical_replication_slot('idle', 'pgoutput')`);
  const log = pino({ level: 'silent' });
  const stream = new ReplicationStream({ url: server.url, slot: 'idle', publication: 'all_tables', log });
  await stream.open();
  let items = 0;
  const read = (async () => {
    for await (const batch of stream) items += batch.filter((item) => Buffer.isBuffer(item)).length;
  })();
  const ended = read.then(
    () => 'without an error',
    (error: unknown) => error,
  );
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a')`);
  await until(() => items > 0, 'the row has come');
  const stopped = server.restart();
  expect(await ended).toMatchObject({ code: 'DB_UNREACHABLE', message: 'PostgreSQL shuts down' });
  await stream.close();
  await stopped;
});

it('capture goes on by itself when the server is back, with what it had not confirmed', async () => {
  server = await startPostgres({ own: true });
  site = await CaptureSite.start({ server: server.url });
  await site.setup();
  const running = await site.capture();
  await site.seeded();
  const first = running.session();
  // Led to no record, so nothing confirms it before the next heartbeat.
  await site.pool.query('INSERT INTO order_items VALUES (1, NULL, 1)');
  await server.restart();
  await until(() => running.session() !== first, 'another session');
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a')`);
  await site.acknowledged();
  expect((await site.catalog()).changes.some(({ table }) => table === 'products')).toBe(true);
});

it('a centre whose commits wait for capture is told so, and told when that ends', async () => {
  server = await startPostgres({ own: true });
  site = await CaptureSite.start({ server: server.url, heartbeatMs: 100 });
  await site.setup();
  await site.capture();
  await site.seeded();
  const { pool } = site;
  const problem = async () => {
    const { rows } = await pool.query<{ problem: string | null }>(
      'SELECT max(problem) AS problem FROM payflow_sync.stream',
    );
    return rows[0]?.problem ?? null;
  };
  await pool.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
  await pool.query('SELECT pg_reload_conf()');
  await until(async () => (await problem()) === 'DB_SYNC_STANDBY', 'it is told');
  // Its commit waits for capture, and comes back.
  await pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a')`);
  await pool.query('ALTER SYSTEM RESET synchronous_standby_names');
  await pool.query('SELECT pg_reload_conf()');
  await until(async () => (await problem()) === null, 'it is over');
});
