/** The take-over in pieces, killed between any two of them while the app sells, ends as one in a single transaction does. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inImmediate, openDatabase } from '../../../../services/shared/database/sqlite.ts';
import { isOldFile } from '../../../../services/terminal-agent/take-over/old-file.ts';
import { prepareTakeOver } from '../../../../services/terminal-agent/take-over/prepare.ts';
import { TakeOver } from '../../../../services/terminal-agent/take-over/take-over.ts';
import { bindingOf, MAPPING, TakenTill } from '../../../support/taken-till.ts';
import { silentLog } from '../../../support/till.ts';
import { Random } from '../up/model/random.ts';

let tills: TakenTill[];

beforeEach(() => {
  tills = [new TakenTill(), new TakenTill()];
  for (const { app } of tills) app.pragma('foreign_keys = OFF');
});
afterEach(() => {
  for (const till of tills) till.close();
});

const TABLES = ['categories', 'products', 'orders', 'order_items', 'settings'];

/** What the app does, while the old triggers record it. */
const STATEMENTS = [
  `UPDATE products SET stock_quantity = stock_quantity - 1 WHERE id = $n`,
  `UPDATE products SET name = 'name $m', stock_quantity = $m WHERE id = $n`,
  `INSERT INTO orders (number, total) VALUES ('new $m', $n)`,
  `INSERT INTO order_items (order_id, product_id, quantity) SELECT max(id), $n, $m FROM orders`,
  `UPDATE order_items SET quantity = quantity + 1 WHERE id = $n`,
  `DELETE FROM order_items WHERE id = $n`,
  `UPDATE orders SET id = 100 + $m WHERE id = $n`,
  `UPDATE orders SET total = total + 1, server_id = server_id WHERE id = $n`,
  `INSERT OR REPLACE INTO products (id, sku, name) VALUES ($n, 'sku $m', 'replaced')`,
  `DELETE FROM products WHERE id = 3 AND $m < 20`,
  `UPDATE settings SET value = 'edit $m' WHERE name = 'a'`,
  `INSERT OR IGNORE INTO settings VALUES ('s$n', '$m')`,
  `DELETE FROM settings WHERE name = 's$n'`,
];

function write({ app }: TakenTill, random: Random): void {
  const sql = random
    .pick(STATEMENTS)
    .replaceAll('$n', String(1 + random.below(4)))
    .replaceAll('$m', String(random.below(90)));
  app.exec(sql);
}

/** One piece by a process of its own, which is gone behind it. @returns whether more is left */
function piece({ file }: TakenTill, random: Random): boolean {
  const db = openDatabase(file, { mustExist: true });
  let looks = 1 + random.below(3);
  const portions = { entries: 1 + random.below(4), rows: 1 + random.below(3) };
  try {
    return inImmediate(db, () => {
      const more = TakeOver.of(db, bindingOf(db), portions)?.prepare(() => looks-- > 0) ?? false;
      if (random.happens(0.2)) throw new Killed();
      return more;
    });
  } catch (error) {
    if (error instanceof Killed) return true;
    throw error;
  } finally {
    db.close();
  }
}

class Killed extends Error {}

/** Times and random names apart, and the bases of rows that are gone: nothing asks for these before an image comes. */
function state(till: TakenTill): unknown {
  till.open();
  const rows = TABLES.map((table) =>
    till.app
      .prepare(
        `SELECT CASE WHEN central_id GLOB '~*' THEN '~' ELSE central_id END AS id, row_key, deleted, refused,
          CASE WHEN row_key IS NOT NULL THEN base END AS base
           FROM "sync_row_${table}" ORDER BY id, row_key, base`,
      )
      .all(),
  );
  const taken = till.app
    .prepare('SELECT number, table_name, op, row_key, length(handle) FROM sync_taken')
    .all();
  const entries = till.app.prepare('SELECT seq, table_number, op, row_key FROM sync_outbox').all();
  return { rows, taken, entries };
}

describe('a take-over in pieces', () => {
  const runs = Number(process.env.TAKE_OVER_RUNS ?? 20);
  const first = Number(process.env.TAKE_OVER_SEED ?? 1);
  it.each(Array.from({ length: runs }, (_, run) => first + run))('ends like one at once, seed %i', (seed) => {
    const [pieces, whole] = tills as [TakenTill, TakenTill];
    const [random, same] = [new Random(seed), new Random(seed)];
    const killer = new Random(seed + 1_000_000);
    for (let more = true; more;) {
      more = piece(pieces, killer);
      for (let times = killer.below(3); times > 0; times -= 1) {
        write(pieces, random);
        write(whole, same);
      }
    }
    expect(isOldFile(pieces.app)).toBe(true);
    expect(state(pieces)).toEqual(state(whole));
  });

  it('is found done by the agent that opens the file, which only switches', async () => {
    const [till] = tills as [TakenTill];
    const signal = new AbortController().signal;
    await prepareTakeOver({
      file: till.file,
      mappingFor: () => MAPPING,
      terminalId: 'T1',
      signal,
      log: silentLog,
    });
    const bases = till.app.prepare('SELECT count(*) FROM sync_row_products WHERE base IS NOT NULL').pluck();
    expect([isOldFile(till.app), bases.get()]).toEqual([true, 3]);
    till.open();
    expect(isOldFile(till.app)).toBe(false);
  });

  it('says that it was stopped: what is left is no single transaction', async () => {
    const [till] = tills as [TakenTill];
    const { file } = till;
    const options = { file, mappingFor: () => MAPPING, terminalId: 'T1', log: silentLog };
    expect(await prepareTakeOver({ ...options, signal: AbortSignal.abort() })).toBe(false);
    expect(await prepareTakeOver({ ...options, signal: new AbortController().signal })).toBe(true);
    till.open();
    till.shut();
    expect(await prepareTakeOver({ ...options, signal: AbortSignal.abort() })).toBe(true);
  });

  it('leaves a file of another terminal, and one of this version, alone', async () => {
    const [till] = tills as [TakenTill];
    const signal = new AbortController().signal;
    const prepare = (terminalId: string) =>
      prepareTakeOver({ file: till.file, mappingFor: () => MAPPING, terminalId, signal, log: silentLog });
    await prepare('T2');
    till.open();
    till.shut();
    await prepare('T1');
    expect(till.app.prepare(`SELECT 1 FROM sync_meta WHERE name = 'take_over'`).get()).toBeUndefined();
  });
});
