/** What a person must mend ends capture at once with exit 2 and one line, also while the log is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedPostgres } from '../../../services/shared/database/embedded-postgres.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import { CaptureSite } from '../../support/capture-site.ts';
import { payflow } from '../../support/cli.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

const NO_BROKER = '127.0.0.1:9';

describe('capture, with Kafka unreachable as well,', () => {
  let site: CaptureSite;

  beforeAll(async () => {
    site = await CaptureSite.start();
    await site.setup();
  });
  afterAll(async () => {
    await site.stop();
  });

  const run = (databaseUrl: string, more: Record<string, string> = {}) =>
    payflow(['run', 'capture'], {
      DATABASE_URL: databaseUrl,
      KAFKA_BROKERS: NO_BROKER,
      TOPIC_PREFIX: site.prefix,
      LOG_LEVEL: 'silent',
      ...more,
    });
  const refusal = (code: string, text = '') => ({
    code: 2,
    stderr: expect.stringMatching(new RegExp(`^\\[${code}\\] .*${text}.*\\n$`)) as string,
  });

  it('names a mapped table that has no key', async () => {
    await site.pool.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey');
    const result = await run(site.url);
    await site.pool.query('ALTER TABLE orders ADD PRIMARY KEY (id)');
    expect(result).toMatchObject(refusal('TABLE_NO_KEY', 'orders'));
  });

  it('misses DATABASE_URL, and says when it is none', async () => {
    expect(await run('')).toMatchObject(refusal('CONFIG_INVALID', 'DATABASE_URL is not set'));
    expect(await run('not a url')).toMatchObject(refusal('CONFIG_INVALID', 'DATABASE_URL'));
  });

  it('names a database that does not exist, and a password that is wrong', async () => {
    const unknown = new URL(site.url);
    unknown.pathname = '/no_such_database';
    expect(await run(unknown.href)).toMatchObject(refusal('CONFIG_INVALID', 'no_such_database'));
    const denied = new URL(site.url);
    denied.password = 'wrong';
    expect(await run(denied.href)).toMatchObject(refusal('DB_AUTH'));
    const replication = { DATABASE_REPLICATION_URL: denied.href };
    expect(await run(site.url, replication)).toMatchObject(refusal('DB_AUTH'));
  });

  it('says that the role may not replicate', async () => {
    const role = `plain_${site.prefix}`;
    await site.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO ${role}`);
    const url = Object.assign(new URL(site.url), { username: role, password: 'secret' });
    const result = await run(url.href);
    await site.pool.query(`DROP ROLE ${role}`);
    expect(result).toMatchObject(refusal('DB_NO_REPLICATION'));
  });

  it('says that wal_level is not logical', async () => {
    const server = await EmbeddedPostgres.start({ flags: ['-c', 'wal_level=replica'] });
    const result = await run(server.url('postgres'));
    await server.stop();
    expect(result).toMatchObject(refusal('DB_WAL_LEVEL'));
  });
});

describe('capture, with PostgreSQL unreachable as well,', () => {
  it('says that the log refuses the login', async () => {
    const refused = new PayflowError('LOG_AUTH', 'wrong password');
    const site = await CaptureSite.start({
      wrapLog: (log) => wrappedLog(log, { offsets: () => Promise.reject(refused) }),
      databaseUrl: 'postgres://nobody@127.0.0.1:9/none',
    });
    await expect(site.capture()).rejects.toBe(refused);
    await site.stop();
  });
});
