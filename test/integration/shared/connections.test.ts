/** Ways to a PostgreSQL: TLS or not, by socket, to databases with odd names; and what is said when one is shut. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { tellingWhatItWaitsFor } from '../../../services/central-capture/setup/lock-wait.ts';
import { createPool, wrapPostgresError } from '../../../services/shared/database/postgres.ts';
import { errorLine } from '../../../services/shared/errors.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../../support/certificate.ts';
import { silentLog } from '../../support/centre.ts';

const folder = mkdtempSync(join(tmpdir(), 'payflow-tls-'));
/** One with TLS, a socket and prepared transactions, one with neither. */
let secure: RunningPostgres;
let plain: RunningPostgres;

beforeAll(async () => {
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  chmodSync(folder, 0o755);
  writeFileSync(cert, TEST_CERTIFICATE);
  writeFileSync(key, TEST_CERTIFICATE_KEY, { mode: 0o644 });
  const flags = ['max_prepared_transactions=4', 'unix_socket_directories=/tmp'].flatMap((flag) => [
    '-c',
    flag,
  ]);
  [secure, plain] = await Promise.all([startPostgres({ own: true, flags }), startPostgres()]);
}, 120_000);
afterAll(async () => {
  await Promise.all([secure.stop(), plain.stop()]);
  rmSync(folder, { recursive: true });
});

async function ask<T>(url: string, sql: string): Promise<T[]> {
  const pool = createPool({ connectionString: url, applicationName: 'ways', max: 1, log: silentLog });
  try {
    return (await pool.query(sql)).rows as T[];
  } catch (error) {
    throw wrapPostgresError(error);
  } finally {
    await pool.end();
  }
}

const withParameter = (url: string, parameter: string) =>
  `${url}${url.includes('?') ? '&' : '?'}${parameter}`;

it('sslmode=prefer does without TLS where the server has none', async () => {
  const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
  expect(await ask(withParameter(plain.url, 'sslmode=prefer'), sql)).toEqual([{ ssl: false }]);
});

it('a Unix socket and a database whose name holds # and / are reached', async () => {
  await ask(secure.url, 'CREATE DATABASE "my#shop/1"');
  const url = new URL(secure.url);
  const login = `${url.username}:${url.password}`;
  const name = encodeURIComponent('my#shop/1');
  const sql = 'SELECT current_database() AS name, inet_server_addr() IS NULL AS socket';
  const both = [
    `postgresql://${login}@/${name}?host=/tmp&port=${url.port}`,
    `postgresql://${login}@%2Ftmp:${url.port}/${name}?sslmode=require`,
  ];
  for (const way of both) expect(await ask(way, sql)).toEqual([{ name: 'my#shop/1', socket: true }]);
  const tcp = `postgresql://${login}@${url.host}/${name}`;
  expect(await ask(tcp, sql)).toEqual([{ name: 'my#shop/1', socket: false }]);
});

it('a login that may only read is told by which setting', async () => {
  const url = withParameter(
    plain.url,
    `options=${encodeURIComponent('-c default_transaction_read_only=on')}`,
  );
  const error = await ask(url, 'CREATE TABLE x (a int)').catch((thrown: unknown) => thrown);
  expect(errorLine(error)).toContain('default_transaction_read_only is on');
  expect(errorLine(error)).not.toContain('retried');
});

it('what waits for a prepared transaction says which one, and how it is ended', async () => {
  await ask(secure.url, 'CREATE TABLE orders (id int)');
  const client = new pg.Client({ connectionString: secure.url });
  await client.connect();
  await client.query(`BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'o''rphan'`);
  await client.end();
  const pool = createPool({ connectionString: secure.url, applicationName: 'setup', log: silentLog });
  const waiting = await pool.connect();
  // Whatever fails, nothing may go on waiting.
  await waiting.query(`SET lock_timeout = '50s'`);
  const { rows } = await waiting.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const said: string[] = [];
  const work = waiting.query('ALTER TABLE orders REPLICA IDENTITY FULL');
  const telling = tellingWhatItWaitsFor(work, {
    pool,
    pid: rows[0]?.pid ?? 0,
    say: (text) => said.push(text),
  });
  await until(() => said.length > 0, 'it says what it waits for');
  expect(said[0]).toContain(`waits for a prepared transaction to end: 'o''rphan' of postgres`);
  expect(said[0]).toContain(`ROLLBACK PREPARED 'o''rphan' ends it`);
  await pool.query(`ROLLBACK PREPARED 'o''rphan'`);
  await telling;
  waiting.release();
  await pool.end();
});
