/**
 * What capture and an agent hold at most while they draw transactions of very large or very many rows: every buffer
 * between the WAL and SQLite is bounded in bytes, so the size of a row and of a transaction must not show.
 */
import Database from 'better-sqlite3';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import type { Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface LargeOptions {
  readonly site: Site;
  /** Part of the names of the loads that are wanted; all without it. */
  readonly only: string;
  readonly say: (line: string) => void;
}

interface Load {
  readonly name: string;
  readonly rows: number;
  readonly kilobytes: number;
  /** Writes them again, so that each record of the WAL holds the row as it was and as it is. */
  readonly updated: boolean;
}

const TILL = 'T1';
const MOST_MB = 300;
const LOADS: readonly Load[] = [
  { name: '1,000 rows of 300 KB', rows: 1_000, kilobytes: 300, updated: false },
  { name: '300 rows of 1 MB, updated', rows: 300, kilobytes: 1_000, updated: true },
  { name: '5,000 rows of 1 MB', rows: 5_000, kilobytes: 1_000, updated: false },
  { name: '1,000,000 rows', rows: 1_000_000, kilobytes: 0, updated: false },
];
const WITHIN_MS = 1_200_000;

export async function benchLarge({ site, only, say }: LargeOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  await site.start('gateway');
  await site.start('capture');
  await site.startTill(TILL);
  for (const load of LOADS.filter(({ name }) => name.includes(only))) {
    if (load.updated) {
      await write(site, load, 'to be updated');
      await arrived(site, load, 'to be updated');
    }
    await site.kill(TILL, 'SIGTERM');
    await site.kill('capture', 'SIGTERM');
    say(`${load.name}, in one transaction`);
    if (load.updated) {
      await site.pool.query('UPDATE products SET name = $1, description = reverse(description)', [load.name]);
    } else await write(site, load, load.name);
    figures.push(...(await drain(site, load, say)));
    await site.pool.query('TRUNCATE products CASCADE');
    await arrived(site, { ...load, rows: 0 }, load.name);
  }
  return figures;
}

async function drain(site: Site, load: Load, say: (line: string) => void): Promise<Figure[]> {
  const memory = new MemoryWatch(site, { capture: 'capture', [TILL]: TILL }, MOST_MB);
  try {
    const started = performance.now();
    await site.start('capture');
    await site.startTill(TILL);
    await arrived(site, load, load.name);
    const peaks = memory.stop().map((figure) => ({ ...figure, name: `${load.name}: ${figure.name}` }));
    const took = `there after ${Math.round((performance.now() - started) / 1000)} s`;
    say(`${took}; ${peaks.map(({ name, value }) => `${name} ${Math.round(value)} MB`).join(', ')}`);
    return peaks;
  } finally {
    memory.stop();
  }
}

/** In one transaction. */
async function write(site: Site, { rows, kilobytes }: Load, name: string): Promise<void> {
  await site.pool.query(
    `INSERT INTO products (sku, barcode, name, description, price, cost_price, master_stock_quantity, tags)
     SELECT 'SKU-' || n, (4000000000000 + n)::text, $3::text, repeat(md5(n::text), $2::int), 1, 1, 1000, ARRAY['n' || n]
       FROM generate_series(1, $1::int) n`,
    [rows, Math.round((kilobytes * 1024) / 32), name],
  );
}

/** The till has exactly the load's rows. */
async function arrived(site: Site, { rows }: Load, name: string): Promise<void> {
  const db = new Database(site.tillFile(TILL), { readonly: true });
  const count = db.prepare<[string], number>('SELECT count(*) FROM products WHERE name = ?').pluck();
  let now = 0;
  try {
    await until(
      () => (now = count.get(name) ?? 0) === rows,
      () => `${rows} rows "${name}" on the till, ${now} so far`,
      { deadlineMs: WITHIN_MS, everyMs: 200 },
    );
  } finally {
    db.close();
  }
}
