import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { runCli } from '../../../services/cli/program.ts';
import { Output } from '../../../services/cli/terminal-output.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { payflow } from '../../support/cli.ts';

let postgres: RunningPostgres;
let folder: string;
let file: string;
let env: Environment;
let pool: pg.Pool;
const occupied = createServer();
const stop = new AbortController();
let up: Promise<number>;
let printed = '';
let noted = '';

beforeAll(async () => {
  postgres = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'payflow-up-'));
  pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  // A connection that is still closing when the server stops is no fault of the test.
  pool.on('error', (error) => (noted += error.message));
  await pool.query(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
  await pool.query("INSERT INTO products (sku, name, price) VALUES ('A-1', 'Apple', 1.25)");
  file = join(folder, 'payflow.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
  db.exec("INSERT INTO customers (full_name, email) VALUES ('Ada', 'ada@example.org')");
  db.exec("INSERT INTO orders (order_number, sold_at, server_id) VALUES ('of another system', 0, 77)");
  db.close();
  await new Promise<void>((resolve) => occupied.listen(0, '127.0.0.1', resolve));
  env = {
    DATABASE_URL: postgres.url,
    TOPIC_PREFIX: `up_${Math.random().toString(36).slice(2, 8)}`,
    DATA_DIR: join(folder, 'data'),
    GATEWAY_PORT: String((occupied.address() as AddressInfo).port),
    LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    SYNC_SCHEDULE: '',
  };
  const output = new Output({
    out: (text) => (printed += text),
    err: (text) => (noted += text),
    interactive: false,
  });
  const args = ['up', '--json', '--terminal', `till-1=${file}@1`];
  up = runCli(args, { env, output, signal: stop.signal });
  const failed = up.then((code) => Promise.reject(new Error(`up ended with ${code}: ${noted}`)));
  await Promise.race([
    failed,
    until(
      () => printed.includes('}\n'),
      () => `up is ready: ${noted}`,
    ),
  ]);
  failed.catch(() => undefined);
  env = { ...env, GATEWAY_URL: (JSON.parse(printed) as { gatewayUrl: string }).gatewayUrl };
});

afterAll(async () => {
  stop.abort();
  await up;
  occupied.close();
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

function local<T>(sql: string): T[] {
  const db = new Database(file);
  try {
    return db.prepare<[], T>(sql).all();
  } finally {
    db.close();
  }
}

async function central<T>(sql: string): Promise<T[]> {
  return (await pool.query(sql)).rows as T[];
}

interface Status {
  readonly openJobs: number;
  readonly terminals: readonly { readonly agent?: { readonly outbox: { readonly depth: number } } }[];
}

async function readStatus(): Promise<Status> {
  return JSON.parse((await payflow(['status', '--json'], env)).stdout) as Status;
}

describe('payflow up', () => {
  it('moves a port that is in use, and says so', () => {
    expect(env['GATEWAY_URL']).not.toContain(`:${(occupied.address() as AddressInfo).port}`);
    expect(noted).toMatch(/GATEWAY_PORT \d+ is in use; taking \d+/);
  });

  it('keeps the till’s identity to its owner', () => {
    const folderOfTill = join(folder, 'data', 'terminals', 'till-1');
    expect(existsSync(join(folderOfTill, 'terminal.json'))).toBe(true);
    expect(existsSync(join(folderOfTill, 'terminal.key'))).toBe(true);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    const files = ['terminal.json', 'terminal.key', 'till-1.agent.db', 'till-1.agent.db-wal'];
    expect(files.map((name) => mode(join(folderOfTill, name)))).toEqual(['600', '600', '600', '600']);
    expect(mode(folderOfTill)).toBe('700');
    expect(mode(join(folder, 'data', 'event-log.db'))).toBe('600');
  });

  it('prints no password', () => {
    const { password } = new URL(postgres.url);
    const { databaseUrl } = JSON.parse(printed) as { databaseUrl: string };
    expect(new URL(databaseUrl).password).toBe('********');
    expect(password.length < 8 || !printed.includes(password)).toBe(true);
  });

  it('brings what the centre has to the till ↓, and sync --wait says so with 0', async () => {
    const sync = await payflow(['sync', '--terminal', 'till-1', '--wait', '--json'], env);
    // What it says meanwhile, each 2 s, is for a person.
    expect(sync).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^(0 of 1 tills, .+\n)*$/) as string,
    });
    expect(JSON.parse(sync.stdout)).toMatchObject({ state: 'done', terminals: [{ state: 'done' }] });
    // A catch-up covers what is committed now; what was there before setup comes by the first seeding.
    const apples = () => local("SELECT 1 FROM products WHERE sku = 'A-1' AND name = 'Apple'").length;
    await until(() => apples() === 1, 'the product that was there before setup');
    await pool.query("UPDATE products SET name = 'Green apple' WHERE sku = 'A-1'");
    expect((await payflow(['sync', '--all', '--direction', 'push', '--wait'], env)).code).toBe(0);
    expect(local('SELECT name FROM products')).toEqual([{ name: 'Green apple' }]);
  });

  it('brings what the till sold to the centre ↑ and counts it per table', async () => {
    // The till sends by itself: nothing may be settled before the flush has begun, or it would find nothing to count.
    const holding = await pool.connect();
    await holding.query('BEGIN');
    await holding.query('LOCK TABLE payflow_sync.progress IN EXCLUSIVE MODE');
    const db = new Database(file);
    db.exec("INSERT INTO customers (full_name, email) VALUES ('Grace', 'grace@example.org')");
    db.close();
    const asked = payflow(['sync', '--store', '1', '--direction', 'pull', '--wait', '--json'], env);
    await until(
      async () => (await central("SELECT 1 FROM payflow_sync.job WHERE state = 'running'")).length === 1,
      'the till has been asked',
    );
    await holding.query('COMMIT');
    holding.release();
    const sync = await asked;
    const answer = JSON.parse(sync.stdout) as unknown;
    expect({ code: sync.code, answer }).toMatchObject({
      code: 0,
      answer: { terminals: [{ pull: { applied: 1, tables: { customers: { applied: 1 } } } }] },
    });
    expect(await central("SELECT full_name FROM customers WHERE email = 'grace@example.org'")).toEqual([
      { full_name: 'Grace' },
    ]);
  });

  it('links rows that were there before by bootstrap, counting first with --dry-run, and names what is left', async () => {
    const dry = await payflow(['bootstrap', '--terminal', 'till-1', '--dry-run', '--json'], env);
    expect(JSON.parse(dry.stdout)).toMatchObject([{ terminalId: 'till-1', dryRun: true, offered: 1 }]);
    expect(await payflow(['bootstrap'], env)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/orders 1: it claims the central row 77/) as string,
    });
    expect(await central("SELECT full_name FROM customers WHERE email = 'ada@example.org'")).toHaveLength(1);
    const again = await payflow(['bootstrap', '--json'], env);
    expect(JSON.parse(again.stdout)).toMatchObject([{ offered: 0 }]);
  });

  it('repairs a till by replay, and is harmless where nothing is missing', async () => {
    const stream = `${env['TOPIC_PREFIX'] ?? ''}.catalog`;
    const args = ['replay', '--stream', stream, '--from-offset', '0', '--terminal', 'till-1', '--json'];
    const harmless = await payflow(args, env);
    expect(harmless).toMatchObject({ code: 0 });
    expect(local('SELECT name FROM products')).toEqual([{ name: 'Green apple' }]);
  });

  it('finds the till in parity, and shows it in the status', async () => {
    expect(await payflow(['parity', '--terminal', 'till-1'], env)).toMatchObject({ code: 0 });
    // The till reports its state when it changes, so what it did last may still be on its way.
    let shown = await readStatus();
    await until(
      async () => {
        shown = await readStatus();
        return shown.terminals[0]?.agent?.outbox.depth === 0;
      },
      () => `nothing unsettled in ${JSON.stringify(shown.terminals)}`,
    );
    expect(shown).toMatchObject({
      slot: { active: true },
      terminals: [{ terminalId: 'till-1', online: true, mode: 'stream' }],
    });
    expect((await payflow(['status'], env)).stdout).toMatch(/till-1 +1 +enrolled/);
  });

  it('ends cleanly when it is interrupted, and starts again where it was', async () => {
    stop.abort();
    expect(await up).toBe(0);
    const again = new AbortController();
    const output = new Output({
      out: () => again.abort(),
      err: (text) => (noted += text),
      interactive: false,
    });
    const args = ['up', '--json', '--terminal', `till-1=${file}@1`];
    expect(await runCli(args, { env, output, signal: again.signal })).toBe(0);
  });

  it('refuses a second start of the same till for another store, with exit 2', async () => {
    const { code, stderr } = await payflow(['up', '--terminal', `till-1=${file}@2`], env);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('store 1') as string });
  });
});
