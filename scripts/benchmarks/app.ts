/**
 * What our presence does to the point-of-sale app: what a sale costs it, and how long its sales wait, or fail, while
 * many rows of the centre come into its file. Each way in which apps use SQLite is a till of its own.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import type { Pool } from 'pg';
import { enterShop } from '../support/shop.ts';
import type { Site, TillPlan } from '../support/site.ts';
import { until } from '../support/until.ts';
import { costOfSales } from './app-cost.ts';
import { percentile, type Figure } from './figures.ts';
import type { AppRun, AppWork } from './app-worker.ts';

export interface AppOptions {
  readonly site: Site;
  /** That come into each till while its app sells. */
  readonly rows: number;
  readonly folder: string;
  readonly say: (line: string) => void;
}

interface AppWay extends Omit<AppWork, 'file' | 'terminalId' | 'stop'> {
  readonly name: string;
  readonly journal: 'wal' | 'delete';
  /** Of a hundred sales. */
  readonly mayFail: number;
}

interface Came {
  readonly rows: number;
  readonly tookMs: number;
}

const WAITS_MS = 5_000;
/** An app whose pauses tell nothing leaves one moment in two hundred: a few of the rows show that as well as all. */
const SHARE_WITHOUT_RHYTHM = 0.05;
const WAYS: readonly AppWay[] = [
  way('WAL, waits', 'wal', { timeoutMs: WAITS_MS }),
  way('WAL, no waiting', 'wal', {}),
  way('WAL, reads first, no waiting', 'wal', { begin: 'deferred' }),
  way('WAL, reads first, no waiting, no rhythm', 'wal', { begin: 'deferred', pauses: 'any' }),
  way('rollback journal, waits', 'delete', { timeoutMs: WAITS_MS }),
  way('rollback journal, no waiting', 'delete', {}),
  way('rollback journal, no waiting, no rhythm', 'delete', { pauses: 'any' }),
];

function way(
  name: string,
  journal: AppWay['journal'],
  { timeoutMs = 0, begin = 'immediate', pauses = 'even' }: Partial<AppWay>,
): AppWay {
  return { name, journal, timeoutMs, begin, pauses, mayFail: timeoutMs > 0 ? 0 : 0.5 };
}

const ROWS_DEADLINE_MS = 900_000;
const ROWS_PER_TRANSACTION = 500;

export const APPS: readonly TillPlan[] = WAYS.map((_, index) => ({ id: `A${index + 1}`, store: '1' }));

/** The rows that come: they stand in the centre when it is set up. */
export async function fillSettings(pool: Pool, rows: number): Promise<void> {
  await enterShop(pool, { stores: 1, products: 200, customers: 10 });
  await pool.query(
    `INSERT INTO settings (store_id, name, value)
     SELECT 1, 'setting ' || n, 'the value of setting number ' || n || repeat(' and so on', 10)
       FROM generate_series(1, $1::int) n`,
    [rows],
  );
}

export async function benchApp({ site, rows, folder, say }: AppOptions): Promise<Figure[]> {
  say('sales with and without triggers');
  const figures = costOfSales(folder);
  for (const service of ['capture', 'gateway']) await site.start(service);
  for (const [index, way] of WAYS.entries()) {
    const { id } = APPS[index] as TillPlan;
    const come = way.pauses === 'even' ? rows : rows * SHARE_WITHOUT_RHYTHM;
    say(`${come} rows come while an app sells: ${way.name}`);
    figures.push(...figuresOf(way, await sellMeanwhile(site, { id, way, rows: come })));
  }
  return figures;
}

function figuresOf(
  { name, mayFail }: AppWay,
  { sales, failed, waitsMs, rows, tookMs }: AppRun & Came,
): Figure[] {
  return [
    { name: `${name}: rows that came meanwhile`, value: (rows * 1000) / tookMs, unit: 'rows/s' },
    { name: `${name}: failed of ${sales} sales`, value: (100 * failed) / sales, unit: '%', most: mayFail },
    { name: `${name}: a sale, p50`, value: percentile(waitsMs, 0.5), unit: 'ms' },
    { name: `${name}: a sale, p99`, value: percentile(waitsMs, 0.99), unit: 'ms' },
    { name: `${name}: a sale, longest`, value: percentile(waitsMs, 1), unit: 'ms' },
  ];
}

async function sellMeanwhile(
  site: Site,
  { id, way, rows }: { id: string; way: AppWay; rows: number },
): Promise<AppRun & Came> {
  const file = site.tillFile(id);
  const db = new Database(file);
  db.pragma(`journal_mode = ${way.journal}`);
  db.close();
  await site.startTill(id);
  await until(
    () => site.localCount(id, 'products') > 0 && site.localCount(id, 'users') > 0,
    'something to sell',
  );
  await until(() => newestSetting(file, rows) !== undefined, 'the rows are there', {
    deadlineMs: ROWS_DEADLINE_MS,
  });
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const work: AppWork = { ...way, file, terminalId: id, stop };
  const worker = new Worker(new URL('./app-worker.js', import.meta.url), { workerData: work });
  const ended = once(worker, 'message') as Promise<[AppRun]>;
  const started = performance.now();
  await changeSettings(site.pool, rows, way.name);
  await until(() => newestSetting(file, rows) === way.name, 'all rows have come', {
    deadlineMs: ROWS_DEADLINE_MS,
    everyMs: 500,
  });
  Atomics.store(stop, 0, 1);
  const tookMs = performance.now() - started;
  const [run] = await ended;
  await site.kill(id, 'SIGTERM');
  return { ...run, rows, tookMs };
}

/** All of them, once each. */
async function changeSettings(pool: Pool, rows: number, value: string): Promise<void> {
  for (let done = 0; done < rows; done += ROWS_PER_TRANSACTION) {
    await pool.query(
      `UPDATE settings SET value = $1 WHERE store_id = 1
          AND name IN (SELECT 'setting ' || n FROM generate_series($2::int, $3::int) n)`,
      [value, done + 1, done + ROWS_PER_TRANSACTION],
    );
  }
}

/** Of the one that is changed last. */
function newestSetting(file: string, rows: number): string | undefined {
  const db = new Database(file, { readonly: true, timeout: 60_000 });
  try {
    return db
      .prepare<[string], string>('SELECT value FROM settings WHERE name = ?')
      .pluck()
      .get(`setting ${rows}`);
  } finally {
    db.close();
  }
}
