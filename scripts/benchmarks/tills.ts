/**
 * Many tills at one centre: what capture loses of its rate when 40 of them, in 20 stores, read what it writes, against
 * one. Every till is a process of its own on this very machine, so they are given only the processor time that the
 * centre leaves: elsewhere they would have machines of their own.
 */
import Database from 'better-sqlite3';
import { enterShop } from '../support/shop.ts';
import type { Site, TillPlan } from '../support/site.ts';
import { until } from '../support/until.ts';
import { ratioOf, type Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface TillsOptions {
  readonly site: Site;
  /** Of each run, spread evenly over the stores. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

const STORES = 20;
const TILLS = 40;
const ROWS_PER_TRANSACTION = 100;
const LOOK_EVERY_MS = 100;
const WITHIN_MS = 600_000;

export const MANY_TILLS: readonly TillPlan[] = Array.from({ length: TILLS }, (_, index) => ({
  id: `T${index + 1}`,
  store: String(1 + (index % STORES)),
}));

export async function benchTills({ site, rows, say }: TillsOptions): Promise<Figure[]> {
  const memory = new MemoryWatch(site, { capture: 'capture' });
  try {
    const [first, ...others] = MANY_TILLS as [TillPlan, ...TillPlan[]];
    await enterShop(site.pool, { stores: STORES, products: 10, customers: 10 });
    await site.start('gateway');
    await site.start('capture');
    await site.startTills([first.id]);
    // A row in each store's stream: all of them are open when it counts.
    await writeRows(site, STORES);
    await arrived(site, [first]);
    say(`${rows} rows for ${STORES} stores, one till`);
    const alone = await drain(site, rows, [first]);
    say(`${others.length} more tills are enrolled, and read what is there`);
    await site.startTills(others.map(({ id }) => id));
    await arrived(site, MANY_TILLS);
    say(`${rows} more rows, ${TILLS} tills`);
    const together = await drain(site, rows, MANY_TILLS);
    return [
      { name: '↓ WAL → Kafka, one till', value: alone.captured, unit: 'rows/s' },
      {
        name: `↓ WAL → Kafka, ${TILLS} tills`,
        value: together.captured,
        unit: 'rows/s',
        ratio: ratioOf('of it', together.captured, alone.captured, { floor: 2 / 3 }),
      },
      { name: `↓ WAL → SQLite, all ${TILLS} tills`, value: together.applied, unit: 'rows/s' },
      ...memory.stop(),
    ];
  } finally {
    memory.stop();
  }
}

async function writeRows({ pool }: Site, rows: number): Promise<void> {
  const { rows: found } = await pool.query<{ count: string }>('SELECT count(*) FROM settings');
  const before = Number(found[0]?.count ?? 0);
  for (let done = 0; done < rows; done += ROWS_PER_TRANSACTION) {
    const last = before + Math.min(rows, done + ROWS_PER_TRANSACTION) - 1;
    await pool.query(
      `INSERT INTO settings (store_id, name, value)
       SELECT 1 + n % $3::bigint, 'setting ' || n, 'the value of setting number ' || n || repeat(' and so on', 10)
         FROM generate_series($1::bigint, $2::bigint) n`,
      [before + done, last, STORES],
    );
  }
}

/** Capture is stopped while the rows are written; then it drains them, and the tills read. */
async function drain(
  site: Site,
  rows: number,
  tills: readonly TillPlan[],
): Promise<{ captured: number; applied: number }> {
  await site.kill('capture', 'SIGTERM');
  await writeRows(site, rows);
  const { bytes: wal, end } = await backlog(site);
  await site.start('capture');
  let left = wal;
  const reached = (most: number, everyMs: number) =>
    until(
      async () => (left = await bytesLeft(site, end)) <= most,
      () => `all rows in Kafka, ${left} of ${wal} bytes of WAL left`,
      { deadlineMs: WITHIN_MS, everyMs },
    );
  await reached(wal - 1, 5);
  const measured = left;
  const started = performance.now();
  await reached(0, LOOK_EVERY_MS);
  const ms = performance.now() - started;
  await arrived(site, tills);
  return {
    captured: (rows * (measured / wal) * 1000) / ms,
    applied: ((rows / STORES) * tills.length * 1000) / (performance.now() - started),
  };
}

/** What capture has not acknowledged: it acknowledges what is durable in Kafka. */
async function backlog({ pool }: Site): Promise<{ bytes: number; end: string }> {
  const { rows } = await pool.query<{ bytes: string; end: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) AS bytes, pg_current_wal_lsn() AS end
       FROM pg_replication_slots WHERE database = current_database()`,
  );
  return { bytes: Number(rows[0]?.bytes), end: rows[0]?.end ?? '' };
}

async function bytesLeft({ pool }: Site, end: string): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    `SELECT pg_wal_lsn_diff($1::pg_lsn, confirmed_flush_lsn) AS bytes
       FROM pg_replication_slots WHERE database = current_database()`,
    [end],
  );
  return Number(rows[0]?.bytes);
}

/** Each till holds its store's rows. */
async function arrived(site: Site, tills: readonly TillPlan[]): Promise<void> {
  const { rows } = await site.pool.query<{ store: string; count: string }>(
    'SELECT store_id::text AS store, count(*) FROM settings GROUP BY store_id',
  );
  const wanted = new Map(rows.map(({ store, count }) => [store, Number(count)]));
  for (const { id, store } of tills) {
    const db = new Database(site.tillFile(id), { readonly: true });
    const count = db.prepare<[], number>('SELECT count(*) FROM settings').pluck();
    try {
      await until(
        () => count.get() === wanted.get(store),
        () => `the rows of store ${store} on ${id}, ${count.get()} so far`,
        {
          deadlineMs: WITHIN_MS,
          everyMs: LOOK_EVERY_MS,
        },
      );
    } finally {
      db.close();
    }
  }
}
