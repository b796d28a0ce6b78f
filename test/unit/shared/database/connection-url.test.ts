/** PostgreSQL URLs as libpq reads them; nothing of a wrong one is repeated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connectionOf, urlProblem } from '../../../../services/shared/database/connection-url.ts';
import { loadConfig } from '../../../../services/shared/config.ts';

it.each([
  [
    'postgresql://u:p@h:6543/d',
    { user: 'u', password: 'p', host: 'h', port: 6543, database: 'd', ssl: false },
  ],
  ['postgres://h/d', { user: undefined, password: undefined, host: 'h', port: 5432, database: 'd' }],
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
  ['postgresql://h/d?options=-c%20search_path%3Dx', { options: '-c search_path=x' }],
])('%s', (url, expected) => {
  expect(urlProblem(url)).toBeUndefined();
  expect(connectionOf(url)).toMatchObject(expected);
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
