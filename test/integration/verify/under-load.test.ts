import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { VerifyRun } from '../../../services/gateway/verify/run-store.ts';
import type { PoolClient } from 'pg';
import { seededRandom } from '../../support/random.ts';
import { RunningShop } from '../../support/running-shop.ts';
import { CENTRAL, LOCAL, MAPPING, SOLD, STOCKED } from './shop.ts';

const RUNS = Number(process.env['TEST_VERIFY_RUNS'] ?? 3);
const EVERY_MS = 250;
const TILLS = { 'till-1': '1', 'till-2': '1' };

let shop: RunningShop;
let centre: PoolClient;
let random: () => number;
const below = (limit: number) => Math.floor(random() * limit);
const oneOf = (choices: readonly string[]) => choices[below(choices.length)] ?? '';
const stop = new AbortController();
const working: Promise<void>[] = [];

beforeAll(async () => {
  const seed = Number(process.env['TEST_SEED'] ?? Date.now());
  process.stdout.write(`seed ${seed}\n`);
  random = seededRandom(seed);
  shop = await RunningShop.start({
    central: CENTRAL + STOCKED,
    local: LOCAL,
    mapping: MAPPING,
    tills: TILLS,
  });
  centre = await shop.pool.connect();
  for (const till of Object.keys(TILLS)) await shop.sync(till);
  shop.app('till-1').exec(SOLD);
  for (const till of Object.keys(TILLS)) await shop.sync(till);
});

afterAll(async () => {
  stop.abort();
  await Promise.all(working);
  centre.release();
  await shop.stop();
});

/** Does something, and again, until it is told to stop. */
function keepDoing(deed: () => Promise<void> | void): void {
  const work = async () => {
    while (!stop.signal.aborted) {
      await deed();
      await new Promise((resolve) => setTimeout(resolve, below(2 * EVERY_MS)));
    }
  };
  working.push(work());
}

function sell(till: string): void {
  const app = shop.app(till);
  const id = randomUUID();
  const nowMs = Date.now();
  app.transaction(() => {
    app
      .prepare(
        `INSERT INTO receipts (id, number, sold_at, total, changed_at) VALUES (?, ?, datetime('now'), ?, ?)`,
      )
      .run(id, id.slice(0, 8), below(10_000) / 100, nowMs);
    for (let line = 0; line <= below(4); line += 1) {
      const item =
        app.prepare<[], number>('SELECT id FROM items ORDER BY random() LIMIT 1').pluck().get() ?? null;
      app
        .prepare('INSERT INTO lines (receipt_id, item_id, qty, changed_at) VALUES (?, ?, 1, ?)')
        .run(id, item, nowMs);
      app.prepare('UPDATE items SET stock = stock - 1 WHERE id = ?').run(item);
    }
    app.prepare(`INSERT INTO journal (entry, details) VALUES ('sold', '{"n": 1}')`).run();
  })();
}

function edit(till: string): void {
  const what = oneOf([
    `UPDATE items SET title = 'till ' || random(), changed_at = unixepoch() WHERE id = (SELECT id FROM items ORDER BY random() LIMIT 1)`,
    `DELETE FROM lines WHERE id = (SELECT id FROM lines ORDER BY random() LIMIT 1)`,
    `INSERT INTO items (code, title, price_cents, changed_at) VALUES ('T' || hex(randomblob(6)), 'new', 999, unixepoch())`,
    `UPDATE receipts SET total = total + 0.5, changed_at = unixepoch() * 1000 WHERE id = (SELECT id FROM receipts ORDER BY random() LIMIT 1)`,
    `UPDATE journal SET entry = 'mended' WHERE id = (SELECT id FROM journal ORDER BY random() LIMIT 1)`,
  ]);
  shop.app(till).exec(what);
}

async function headOffice(): Promise<void> {
  const what = oneOf([
    `UPDATE article SET price = price + 0.01, changed_at = now() WHERE id IN (SELECT id FROM article ORDER BY random() LIMIT 20)`,
    `UPDATE article SET stock = stock + 10, changed_at = now() WHERE id = (SELECT id FROM article ORDER BY random() LIMIT 1)`,
    `INSERT INTO article (code, title, price, ratio) VALUES (md5(random()::text), 'new', 1.5, 2.500)`,
    `DELETE FROM receipt_line WHERE id = (SELECT id FROM receipt_line ORDER BY random() LIMIT 1)`,
    `UPDATE receipt SET branch_id = 3 - branch_id WHERE id = (SELECT id FROM receipt WHERE number LIKE 'R%' ORDER BY random() LIMIT 1)`,
    `UPDATE rate SET percent = percent + 1`,
    `BEGIN; UPDATE article SET weight = weight + 1; SELECT pg_sleep(0.2); COMMIT`,
  ]);
  // Two of its own deeds, or one of a till, may meet on a row.
  await centre.query(what).catch(() => centre.query('ROLLBACK'));
}

it(
  'under sales and changes of prices nothing is said to differ, in any run',
  { timeout: 7_200_000 },
  async () => {
    for (const till of Object.keys(TILLS)) {
      keepDoing(() => sell(till));
      keepDoing(() => edit(till));
    }
    keepDoing(headOffice);
    const rows = { compared: 0, moving: 0 };
    for (let run = 0; run < RUNS; run += 1) {
      const { code, stdout, stderr } = await shop.payflow('verify', '--json');
      const { terminals } = JSON.parse(stdout) as VerifyRun;
      const named = terminals.flatMap(({ tables, error }) => [
        ...(error === null ? [] : [error]),
        ...tables.flatMap(({ table, differs, known, byDesign }) =>
          [...differs, ...known, ...byDesign].map((each) => ({ table, ...each })),
        ),
      ]);
      expect({ run, named }, stderr).toEqual({ run, named: [] });
      expect(code).toBe(0);
      for (const { tables } of terminals)
        for (const { rows: of, counts } of tables) {
          rows.compared += of.centre;
          rows.moving += counts.moving;
        }
    }
    // A comparison that calls everything moving would never be wrong.
    expect(rows.moving).toBeLessThan(rows.compared / 1000);
  },
);
