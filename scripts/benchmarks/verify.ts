/**
 * How long it takes to compare a large table of a till with the centre, and what it takes from push and pull: sales and
 * prices go on meanwhile, one after the other, and each is timed from its commit until it is seen on the other side.
 */
import Database from 'better-sqlite3';
import { Cashier, seededRandom } from '../support/shop.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { percentile, type Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface VerifyOptions {
  readonly site: Site;
  /** Of products, at the centre before setup. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

const TILL = 'T1';
const MOST_MS = 60_000;
const READING_MB = 300;
const WITHIN_MS = 1_200_000;
const AT_REST_MS = 20_000;
const PAUSE_MS = 50;
const LOOK_MS = 2;

export async function benchVerify({ site, rows, say }: VerifyOptions): Promise<Figure[]> {
  for (const service of ['gateway', 'apply', 'capture']) await site.start(service);
  await site.startTill(TILL);
  say(`${rows} rows come to the till`);
  await until(
    () => site.localCount(TILL, 'products') >= rows,
    () => `all rows on the till, ${site.localCount(TILL, 'products')} of ${rows}`,
    { deadlineMs: WITHIN_MS, everyMs: 1_000 },
  );
  await site.must('sync', '--terminal', TILL, '--wait', '--timeout', '600');
  // What reading the stream has taken is none of the comparison's.
  const before = new MemoryWatch(site, { 'agent, before it': TILL }, READING_MB).stop();
  const memory = new MemoryWatch(site, { gateway: 'gateway', apply: 'apply', agent: TILL }, READING_MB);
  try {
    say('comparing');
    const same = await timed(site, { code: 0 });
    say('sales and prices, at rest and while it is compared');
    const atRest = await traffic(site, () => new Promise((resolve) => setTimeout(resolve, AT_REST_MS)));
    let underLoad = 0;
    const meanwhile = await traffic(site, async () => void (underLoad = await timed(site, { code: 0 })));
    say('one row that differs');
    spoilOneRow(site);
    const differing = await timed(site, { code: 1 });
    return [
      { name: 'both sides are the same', value: same, unit: 'ms', most: MOST_MS },
      { name: 'the same, under sales and prices', value: underLoad, unit: 'ms', most: MOST_MS },
      { name: 'one row differs', value: differing, unit: 'ms', most: MOST_MS },
      ...delays('at rest', atRest),
      ...delays('while it is compared', meanwhile),
      ...before,
      ...memory.stop(),
    ];
  } finally {
    memory.stop();
  }
}

/** @param code how the command has to end @returns ms */
async function timed(site: Site, { code }: { readonly code: number }): Promise<number> {
  const started = performance.now();
  const result = await site.command('verify', '--terminal', TILL, '--table', 'products');
  const ms = performance.now() - started;
  if (result.code !== code) throw new Error(`verify → ${result.code}: ${result.stderr}${result.stdout}`);
  return ms;
}

function spoilOneRow(site: Site): void {
  const db = new Database(site.tillFile(TILL), { timeout: 10_000 });
  try {
    db.exec(`BEGIN IMMEDIATE; INSERT INTO sync_silence VALUES (1);
      UPDATE products SET name = name || 'x' WHERE id = 1; DELETE FROM sync_silence; COMMIT`);
  } finally {
    db.close();
  }
}

/** In ms, one of each sale and each price. */
interface Delays {
  readonly push: number[];
  readonly pull: number[];
}

async function traffic(site: Site, meanwhile: () => Promise<unknown>): Promise<Delays> {
  const delays: Delays = { push: [], pull: [] };
  const cashier = new Cashier(TILL, site.tillFile(TILL), seededRandom(1));
  let isOver = false;
  const again = async (deed: (time: number) => Promise<number>, into: number[]) => {
    for (let time = 1; !isOver; time += 1) {
      into.push(await deed(time));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const work = Promise.all([
    again((time) => pushed(site, cashier.db, time), delays.push),
    again(() => pulled(site, cashier), delays.pull),
  ]);
  try {
    await Promise.race([meanwhile(), work]);
  } finally {
    isOver = true;
    await work;
    cashier.close();
  }
  return delays;
}

async function pushed({ pool }: Site, till: Database.Database, time: number): Promise<number> {
  const slug = 'food';
  const name = `at ${performance.now()}, ${time}`;
  await pool.query('UPDATE categories SET name = $1 WHERE slug = $2', [name, slug]);
  const committed = performance.now();
  const seen = till.prepare<[string], string>('SELECT name FROM categories WHERE slug = ?').pluck();
  await until(() => seen.get(slug) === name, `${name} on the till`, { everyMs: LOOK_MS });
  return performance.now() - committed;
}

async function pulled({ pool }: Site, cashier: Cashier): Promise<number> {
  const { orderNumber } = cashier.sell({ lines: 3, moveStock: false });
  const committed = performance.now();
  const isSeen = async () => {
    const found = await pool.query('SELECT FROM orders WHERE order_number = $1', [orderNumber]);
    return found.rowCount === 1;
  };
  await until(isSeen, `${orderNumber} at the centre`, { everyMs: LOOK_MS });
  return performance.now() - committed;
}

function delays(when: string, { push, pull }: Delays): Figure[] {
  return (
    [
      ['↓', push],
      ['↑', pull],
    ] as const
  ).flatMap(([way, samples]): Figure[] => [
    { name: `${way} p50 of ${samples.length}, ${when}`, value: percentile(samples, 0.5), unit: 'ms' },
    { name: `${way} p99, ${when}`, value: percentile(samples, 0.99), unit: 'ms' },
  ]);
}
