/** PostgreSQL URLs as libpq reads them; nothing of a wrong one is repeated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createPool } from '../../../../services/shared/database/postgres.ts';
import { decideTls } from '../../../../services/shared/database/tls-choice.ts';
import { connectionOf, urlProblem } from '../../../../services/shared/database/connection-url.ts';
import { loadConfig } from '../../../../services/shared/config.ts';

it.each([
  [
    'postgresql://u:p@h:6543/d',
    { user: 'u', password: 'p', host: 'h', port: 6543, database: 'd', ssl: undefined },
  ],
  ['postgres://h/d', { user: undefined, password: undefined, host: 'h', port: undefined, database: 'd' }],
  ['postgres://u:p%23a%40b%2Fc%3Fd%25@h/d', { password: 'p#a@b/c?d%' }],
  ['postgres://u@h/my%23shop%2F1', { database: 'my#shop/1' }],
  ['postgres://u@h/%C3%BCber', { database: 'über' }],
  ['postgres://u:p@[::1]:5433/d', { host: '::1', port: 5433 }],
  ['postgresql:///d?host=/var/run/postgresql', { host: '/var/run/postgresql', database: 'd', ssl: false }],
  ['postgresql://u:p@/d?host=/tmp&port=5433', { user: 'u', host: '/tmp', port: 5433, database: 'd' }],
  ['postgresql://u@%2Fvar%2Frun%2Fpg/d', { host: '/var/run/pg', database: 'd' }],
  ['postgresql://%2Ftmp/d?sslmode=require', { host: '/tmp', ssl: false, prefersTls: false }],
  ['postgresql://h?dbname=a%20b&user=me', { host: 'h', database: 'a b', user: 'me' }],
  ['postgresql://h/d?sslmode=prefer', { prefersTls: true, ssl: { rejectUnauthorized: false } }],
  ['postgresql://h/d?sslmode=require', { prefersTls: false, ssl: {} }],
  ['postgresql://h/d?sslmode=disable', { prefersTls: false, ssl: false }],
  ['postgresql://h/d?ssl=true', { ssl: {} }],
  ['postgresql://h/d?ssl=false', { ssl: false }],
  ['postgresql://h/d?options=-c%20search_path%3Dx', { options: '-c search_path=x' }],
])('%s', (url, expected) => {
  expect(urlProblem(url)).toBeUndefined();
  expect(connectionOf(url)).toMatchObject(expected);
});

describe('the environment', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ['postgres://h/d', { host: 'h', port: 6000, ssl: true }],
    ['postgres:///d', { host: 'elsewhere', port: 6000, ssl: true }],
    ['postgres://h:5432/d?sslmode=disable', { host: 'h', port: 5432, ssl: false }],
    ['postgres://h/d?port=5433&sslmode=verify-full', { host: 'h', port: 5433, ssl: {} }],
    ['postgres://h/d?ssl=0', { host: 'h', port: 6000, ssl: false }],
    ['postgres:///d?host=/tmp', { host: '/tmp', port: 6000, ssl: false }],
  ])('says what %s leaves out, and no more', async (url, expected) => {
    vi.stubEnv('PGHOST', 'elsewhere');
    vi.stubEnv('PGPORT', '6000');
    vi.stubEnv('PGSSLMODE', 'require');
    expect(new pg.Client(await decideTls(connectionOf(url)))).toMatchObject(expected);
    const pool = createPool({
      connectionString: url,
      applicationName: 'test',
      log: pino({ level: 'silent' }),
    });
    expect(new pg.Client(pool.options)).toMatchObject(expected);
    await pool.end();
  });

  it('says where a server is asked whether it has TLS', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.end('S')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    vi.stubEnv('PGHOST', '127.0.0.1');
    vi.stubEnv('PGPORT', String(port));
    const { ssl } = await decideTls(connectionOf('postgres:///d?sslmode=prefer'));
    expect(ssl).toEqual({ rejectUnauthorized: false });
    vi.stubEnv('PGHOST', tmpdir());
    expect((await decideTls(connectionOf('postgres:///d?sslmode=prefer'))).ssl).toBe(false);
    await new Promise((resolve) => server.close(resolve));
  });
});

it.each([
  'postgres://me:hunter#2@db/shop',
  'postgres://me:12#34@db:5432/shop',
  'postgres://me:hunter@2@db/shop',
  'postgres://hunter@2:x@db/shop',
  'postgres://me:hunter/2@db/shop',
  'postgres://me:hunter?2@db/shop',
  'postgres://me:100%hunter@db/shop',
  'postgres://me:hunter%E0%A4%A@db/shop',
  'postgres://me:x@db/shop#hunter',
])('a raw character in %j is named with what to write instead, and nothing of the URL is shown', (url) => {
  let message = '';
  try {
    loadConfig({ DATABASE_URL: url });
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain('has to be encoded');
  expect(message).toContain('# as %23, @ as %40');
  expect(message).not.toMatch(/hunter|12|34|shop/);
});

it.each(['mysql://h/d', 'h:5432/d', 'postgres://u:p@h:70000/d', 'postgres://[::1/d'])(
  '%j is no URL of a database',
  (url) => {
    expect(() => loadConfig({ DATABASE_URL: url })).toThrow(/must be a URL like/);
  },
);

it('certificates are read from where the URL says, and a file that is not there is named by its setting', () => {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-url-'));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, 'PEM');
  const url = (name: string) => `postgres://h/d?sslmode=verify-full&sslrootcert=${encodeURIComponent(name)}`;
  expect(connectionOf(url(file)).ssl).toEqual({ ca: 'PEM' });
  expect(() => connectionOf(url(`${file}.missing`))).toThrow(/sslrootcert that cannot be read/);
  expect(() => connectionOf('postgres://h/d?sslmode=sometimes')).toThrow(/an sslmode that there is not/);
  rmSync(folder, { recursive: true });
});
