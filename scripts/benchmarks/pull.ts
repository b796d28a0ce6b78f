/** Sales of five rows each, SQLite → PostgreSQL, draining what piled up while the agent was down. */
import Database from 'better-sqlite3';
import { Cashier, enterShop, seededRandom } from '../support/shop.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { insertCeiling } from './ceilings.ts';
import { ratioOf, type Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface PullOptions {
  readonly site: Site;
  /** Changes in all; five to a sale. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

const TILL = 'T1';
const LINES_PER_SALE = 3;
const ROWS_PER_SALE = LINES_PER_SALE + 2;

export async function benchPull({ site, rows, say }: PullOptions): Promise<Figure[]> {
  const memory = new MemoryWatch(site, { apply: 'apply', agent: TILL });
  try {
    for (const service of ['capture', 'apply', 'gateway']) await site.start(service);
    await enterShop(site.pool, { stores: 1, products: 1_000, customers: 10 });
    await site.startTill(TILL);
    await until(() => site.localCount(TILL, 'products') >= 1_000, 'the till has the catalog', {
      deadlineMs: 120_000,
    });
    await site.kill(TILL, 'SIGTERM');

    say(`${rows / ROWS_PER_SALE} sales while the agent is down`);
    sellAll(site, rows / ROWS_PER_SALE);
    say('draining');
    const drained = await drain(site);
    const peaks = memory.stop();
    say('ceiling');
    const i = await insertCeiling(site.pool, rows);
    return [
      { name: 'I  multi-row INSERT alone', value: i, unit: 'rows/s' },
      {
        name: '↑ SQLite → PostgreSQL commit',
        value: drained,
        unit: 'rows/s',
        ratio: ratioOf('I', drained, i, { floor: 0.1 }),
      },
      ...peaks,
    ];
  } finally {
    memory.stop();
  }
}

function sellAll(site: Site, sales: number): void {
  const cashier = new Cashier(TILL, site.tillFile(TILL), seededRandom(1));
  cashier.db.pragma('synchronous = OFF');
  for (let sale = 0; sale < sales; sale += 1) cashier.sell({ lines: LINES_PER_SALE, moveStock: false });
  cashier.close();
}

/**
 * From the first committed changes to the last, by what central-apply says is applied: the start of the agent,
 * which is a process and a handshake, is no part of it, and neither are the changes of the first commit (unless
 * it holds them all: a backlog of up to 10,000 changes is one unit).
 */
async function drain(site: Site): Promise<number> {
  const lastSeq = async () => {
    const found = await site.pool.query<{ last_seq: string }>(
      'SELECT last_seq FROM payflow_sync.progress WHERE terminal_id = $1',
      [TILL],
    );
    return Number(found.rows[0]?.last_seq ?? 0);
  };
  const wanted = newestSeq(site);
  const before = await lastSeq();
  let now = before;
  const reached = (seq: number) =>
    until(
      async () => (now = await lastSeq()) >= seq,
      () => `all sales applied, ${now} of ${wanted}`,
      { deadlineMs: 600_000, everyMs: 20 },
    );
  const measure = async () => {
    const asked = performance.now();
    await reached(before + 1);
    const whole = now >= wanted;
    const first = whole ? before : now;
    const started = whole ? asked : performance.now();
    await reached(wanted);
    return ((wanted - first) * 1000) / (performance.now() - started);
  };
  const [rate] = await Promise.all([measure(), site.startTill(TILL)]);
  return rate;
}

function newestSeq(site: Site): number {
  const db = new Database(site.tillFile(TILL), { readonly: true });
  const seq = db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM sync_outbox').pluck().get() ?? 0;
  db.close();
  return seq;
}
