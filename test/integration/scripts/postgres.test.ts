import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../../services/shared/database/embedded-postgres.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';

const releases: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function started(options: Parameters<typeof startPostgres>[0]): Promise<RunningPostgres> {
  const postgres = await startPostgres(options);
  releases.push(() => postgres.stop());
  return postgres;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a PostgreSQL of our own', () => {
  it('comes back after an immediate stop with what was committed, at the same address', async () => {
    const postgres = await started({ own: true });
    await query(postgres.url, 'CREATE TABLE sale (id int); INSERT INTO sale VALUES (1)');
    await postgres.stopImmediately();
    await expect(query(postgres.url, 'SELECT 1')).rejects.toThrow();
    await postgres.restart();
    expect(await query(postgres.url, 'SELECT id FROM sale')).toEqual([{ id: 1 }]);
  });

  it('takes the flags it is given, after those that capture needs', async () => {
    const postgres = await started({ own: true, flags: ['-c', 'max_replication_slots=7'] });
    expect(await query(postgres.url, 'SHOW max_replication_slots')).toEqual([{ max_replication_slots: '7' }]);
    expect(await query(postgres.url, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
  });

  it('keeps its data in a folder it is given, and starts on it again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'payflow-keep-'));
    releases.push(() => rmSync(folder, { recursive: true, force: true }));
    const first = await EmbeddedPostgres.start({ folder });
    await query(first.url('postgres'), 'CREATE TABLE sale (id int); INSERT INTO sale VALUES (5)');
    await first.stop();
    const second = await EmbeddedPostgres.start({ folder });
    releases.push(() => second.stop());
    expect(await query(second.url('postgres'), 'SELECT id FROM sale')).toEqual([{ id: 5 }]);
  });
});

describe('a shared PostgreSQL', () => {
  it('gives every caller a database of its own and drops it with its slots', async () => {
    const server = await started({ own: true });
    const env = { TEST_DATABASE_URL: server.adminUrl };
    const [one, two] = [await startPostgres({ env }), await startPostgres({ env })];
    expect(one.url).not.toBe(two.url);
    const slot = "SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')";
    await query(one.url, slot);
    await one.stop();
    await two.stop();
    expect(await query(server.adminUrl, 'SELECT slot_name FROM pg_replication_slots')).toEqual([]);
    const left = "SELECT datname FROM pg_database WHERE datname LIKE 'payflow_test_%'";
    expect(await query(server.adminUrl, left)).toHaveLength(1);
  });

  it('refuses to be stopped by one of its users', async () => {
    const server = await started({ own: true });
    const shared = await started({ env: { TEST_DATABASE_URL: server.adminUrl } });
    await expect(shared.stopImmediately()).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('that is named but does not answer is an error with a code', async () => {
    const env = { TEST_DATABASE_URL: `postgres://x:y@127.0.0.1:${await freePort()}/postgres` };
    await expect(startPostgres({ env })).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  });

  it('is refused when its wal_level is not logical', async () => {
    const server = await started({
      own: true,
      flags: ['-c', 'wal_level=replica', '-c', 'max_wal_senders=5'],
    }).catch((error: unknown) => error);
    expect(server).toMatchObject({ code: 'DB_WAL_LEVEL' });
  });
});
