/**
 * A whole installation under `up` whose till's file is put back from copies, while it runs and while it is away, with kill -9 in
 * between: it goes on by itself each time, each sale is at the centre once, and both sides are equal.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareTill } from '../../../scripts/support/compare.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { OPEN_ENTRIES_SQL } from '../../../services/terminal-agent/file/outbox-schema.ts';
import { ServiceProcess } from '../../support/service-process.ts';

const STOCK = 1_000;
const DEADLINE = { deadlineMs: 120_000 };

let postgres: RunningPostgres;
let pool: pg.Pool;
let folder: string;
let file: string;
let env: Environment;
let up: ServiceProcess | undefined;
let app: Database.Database;
const sold: string[] = [];

const start = () => ServiceProcess.ready(['up', '--json', '--terminal', `till-1=${file}@1`], env);
const openApp = () => {
  app = new Database(file);
  app.pragma('busy_timeout = 5000');
};

beforeAll(async () => {
  postgres = await startPostgres();
  pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  // A connection that is still closing when the server stops is no fault of the test.
  pool.on('error', () => undefined);
  await pool.query(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
  await pool.query(
    `INSERT INTO products (sku, name, price, master_stock_quantity) VALUES ('p', 'p', 1, ${STOCK})`,
  );
  folder = mkdtempSync(join(tmpdir(), 'payflow-restored-'));
  mkdirSync(join(folder, 'shop'));
  file = join(folder, 'shop', 'payflow.db');
  openApp();
  app.pragma('journal_mode = WAL');
  app.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
  env = {
    DATABASE_URL: postgres.url,
    DATA_DIR: join(folder, 'data'),
    TOPIC_PREFIX: 'restored',
    GATEWAY_PORT: '0',
    METRICS_PORT: '0',
    SYNC_SCHEDULE: '',
  };
  up = await start();
  await until(() => app.prepare('SELECT 1 FROM products').get() !== undefined, 'the product is at the till');
});

afterAll(async () => {
  await up?.kill('SIGTERM');
  app.close();
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

function sell(...names: string[]): void {
  for (const name of names) {
    app.transaction(() => {
      app.prepare('INSERT INTO customers (full_name, email) VALUES (?, ?)').run(name, `${name}@example.org`);
      app.exec('UPDATE products SET stock_quantity = stock_quantity - 1');
    })();
    sold.push(name);
  }
}

const open = () => Number(app.prepare(OPEN_ENTRIES_SQL).pluck().get());

const nameOf = () => {
  const db = new Database(join(folder, 'data', 'terminals', 'till-1', 'till-1.agent.db'), {
    readonly: true,
  });
  try {
    return db.prepare(`SELECT value FROM meta WHERE name = 'incarnation'`).pluck().get() as string;
  } finally {
    db.close();
  }
};

async function keep(name: string): Promise<string> {
  const kept = join(folder, name);
  await app.backup(kept);
  return kept;
}

/** @param copy it stays where it is */
function put(copy: string): void {
  app.close();
  copyFileSync(copy, `${file}.new`);
  for (const part of ['-wal', '-shm']) rmSync(file + part, { force: true });
  renameSync(`${file}.new`, file);
  openApp();
}

/** All that was ever sold: nothing here is lost with a file, since it had arrived, or the agent file had it. */
async function everythingIsThereOnce(): Promise<void> {
  const names = async () =>
    (await pool.query<{ n: string }>('SELECT full_name AS n FROM customers ORDER BY 1')).rows.map(
      ({ n }) => n,
    );
  await until(
    async () => (await names()).length >= sold.length && open() === 0,
    async () => `all has arrived and is settled: ${(await names()).join(' ')}; ${open()} open`,
    DEADLINE,
  );
  expect(await names()).toEqual([...sold].sort());
  const { rows } = await pool.query('SELECT master_stock_quantity::int AS stock FROM products');
  expect(rows).toEqual([{ stock: STOCK - sold.length }]);
  expect((await pool.query('SELECT code, message FROM payflow_sync.dead_letter')).rows).toEqual([]);
  expect((await pool.query(`SELECT status FROM payflow_sync.terminal`)).rows).toEqual([
    { status: 'enrolled' },
  ]);
  const mapping = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'));
  const differences = async () =>
    (await compareTill({ pool, mapping, terminalId: 'till-1', storeId: '1', file })).differences;
  await until(
    async () => (await differences()).length === 0,
    async () => `both sides are equal: ${JSON.stringify(await differences())}`,
    DEADLINE,
  );
}

describe('a till whose file is put back goes on by itself', () => {
  let older: string;
  let newer: string;

  it('while up runs, by SQLite’s backup; sales follow at once', async () => {
    sell('a1', 'a2');
    await everythingIsThereOnce();
    older = await keep('older.db');
    sell('a3', 'a4');
    await everythingIsThereOnce();
    newer = await keep('newer.db');
    const name = nameOf();
    const copy = new Database(older, { readonly: true });
    await until(async () => (await copy.backup(file)).totalPages > 0, 'the copy stands in the file');
    copy.close();
    sell('a5', 'a6');
    await until(() => nameOf() !== name, 'it has another name', DEADLINE);
    await everythingIsThereOnce();
  });

  it('while up is away, with sales that were cut and are not sent, and kill -9 whenever it has just renamed itself', async () => {
    await up?.kill();
    sell('b1');
    const kept = await keep('uncut.db');
    up = await start();
    sell('b2');
    await everythingIsThereOnce();
    await up?.kill();
    put(kept);
    sell('b3');
    const name = nameOf();
    for (let n = 0; n < 3; n += 1) {
      up = new ServiceProcess(['up', '--json', '--terminal', `till-1=${file}@1`], env);
      await until(() => nameOf() !== name, 'it has another name', DEADLINE);
      sell(`b${4 + n}`);
      await up?.kill();
    }
    up = await start();
    await everythingIsThereOnce();
  });

  it('to one that was there before, and back, in turns', async () => {
    for (const [n, copy] of [older, newer].entries()) {
      const name = nameOf();
      await up?.kill();
      const here = await keep(`here-${n}.db`);
      put(copy);
      sell(`c${2 * n}`);
      up = await start();
      await until(() => nameOf() !== name, 'it has another name', DEADLINE);
      await everythingIsThereOnce();
      await up?.kill();
      put(here);
      sell(`c${2 * n + 1}`);
      up = await start();
      await everythingIsThereOnce();
    }
    expect(nameOf()).toBe(
      (await pool.query<{ incarnation: string }>('SELECT incarnation FROM payflow_sync.progress')).rows[0]
        ?.incarnation,
    );
  });
});
