/** A new till: its first reading of a stream that was seeded from a table, and how fast capture seeds it. */
import Database from 'better-sqlite3';
import { enterShop } from '../support/shop.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { sqliteCeiling } from './ceilings.ts';
import { ratioOf, type Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface SeedOptions {
  readonly site: Site;
  /** In the table before setup, so that they come by seeding and not by the WAL. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

const TILL = 'T1';
const SAMPLE_ROWS = 100_000;
/** Looking must not cost what it measures. */
const LOOK_EVERY_MS = 100;
const WITHIN_MS = 600_000;

/** What the centre holds when sync comes to it. */
export async function fillCentre(pool: Site['pool'], rows: number): Promise<void> {
  await enterShop(pool, { stores: 1, products: rows, customers: 10 });
}

export async function benchSeed({ site, rows, say }: SeedOptions): Promise<Figure[]> {
  const memory = new MemoryWatch(site, { capture: 'capture', agent: TILL });
  try {
    await site.start('gateway');
    say(`capture seeds ${rows} rows`);
    const seeded = await seedingRate(site, rows);
    say('a new till reads them');
    const read = await readingRate(site, rows);
    const peaks = memory.stop();
    say('ceiling');
    const s = await sqliteCeiling(site.pool, Math.min(rows, SAMPLE_ROWS));
    return [
      { name: 'S  better-sqlite3 alone', value: s, unit: 'rows/s' },
      { name: '↓ table → Kafka, by chunks', value: seeded, unit: 'rows/s' },
      {
        name: '↓ seeded stream → new till',
        value: read,
        unit: 'rows/s',
        ratio: ratioOf('S', read, s, { floor: 0.3 }),
      },
      ...peaks,
    ];
  } finally {
    memory.stop();
  }
}

/** From the first chunk that is done to the last. */
async function seedingRate(site: Site, rows: number): Promise<number> {
  const look = async () => {
    const { rows: found } = await site.pool.query<{ rows: string; state: string }>(
      `SELECT rows, state FROM payflow_sync.seeding WHERE table_name = 'products'`,
    );
    return { done: Number(found[0]?.rows ?? 0), isOver: found[0]?.state === 'done' };
  };
  let now = { done: 0, isOver: false };
  await site.start('capture');
  await until(async () => (now = await look()).done > 0, 'the first chunk', { everyMs: 5 });
  const started = performance.now();
  const already = now.done;
  await until(
    async () => (now = await look()).isOver,
    () => `all rows are seeded, ${now.done} of ${rows}`,
    { deadlineMs: WITHIN_MS, everyMs: LOOK_EVERY_MS },
  );
  return ((rows - already) * 1000) / (performance.now() - started);
}

/** From the first rows on the till to the last; the start of the agent is a process and a handshake. */
async function readingRate(site: Site, rows: number): Promise<number> {
  const db = new Database(site.tillFile(TILL), { readonly: true });
  // max(id), not count(*): a till without rows numbers them from 1.
  const newest = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM products').pluck();
  let now = 0;
  const reached = (wanted: number, everyMs: number) =>
    until(
      () => (now = newest.get() ?? 0) >= wanted,
      () => `all rows on the till, ${now} of ${rows}`,
      { deadlineMs: WITHIN_MS, everyMs },
    );
  const measure = async () => {
    await reached(1, 5);
    const already = now;
    const started = performance.now();
    await reached(rows, LOOK_EVERY_MS);
    return ((rows - already) * 1000) / (performance.now() - started);
  };
  try {
    const [rate] = await Promise.all([measure(), site.startTill(TILL)]);
    return rate;
  } finally {
    db.close();
  }
}
