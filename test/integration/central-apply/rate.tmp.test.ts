import { test } from 'vitest';
import { readFile } from 'node:fs/promises';
import { CentralApply } from '../../../services/central-apply/apply.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { insert, silentLog, startCentre, type ChangeSpec } from '../../support/centre.ts';
import { schemaFile } from '../../../services/shared/paths.ts';

import pg from 'pg';
const times = new Map<string, [number, number]>();
const original = pg.Client.prototype.query;
// eslint-disable-next-line
(pg.Client.prototype as any).query = function (this: unknown, ...args: any[]) {
  const text = (typeof args[0] === 'string' ? args[0] : args[0].text).replace(/\s+/g, ' ').slice(0, 60);
  const t = performance.now();
  const r = (original as any).apply(this, args);
  if (r && r.then) r.then(() => { const e = times.get(text) ?? [0, 0]; times.set(text, [e[0] + performance.now() - t, e[1] + 1]); }, () => undefined);
  return r;
};
test('rate', async () => {
  const centre = await startCentre(await readFile(schemaFile('postgres', 'reference.sql'), 'utf8'), await readFile(schemaFile('mapping.yaml'), 'utf8'));
  await centre.pool.query(`INSERT INTO stores (id, code, name) OVERRIDING SYSTEM VALUE VALUES (1,'S1','Shop')`);
  await centre.pool.query(`INSERT INTO products (id, sku, name, price) OVERRIDING SYSTEM VALUE SELECT g, 'sku'||g, 'name'||g, 5 FROM generate_series(1,500) g`);
  const till = await centre.till('t1', {storeId: '1'});
  let n = 0;
  const now = () => new Date().toISOString();
  const sale = (): ChangeSpec[] => {
    n += 1;
    const o = crypto.randomUUID();
    const item = (line: bigint) => insert('order_items', crypto.randomUUID(), { line_number: line, quantity: 2, unit_price: 5.5, discount_amount: 0, tax_amount: 1.1, line_total: 11, created_at: now(), updated_at: now() },
      { order_id: o, product_id: { identity: `p${n}`, centralId: String(1 + ((n * 7 + Number(line)) % 500)) } });
    return [
      insert('orders', o, { order_number: `N${n}`, status: 'completed', subtotal: 33, discount_amount: 0, tax_amount: 3.3, total: 36.3, notes: null, sold_at: BigInt(Date.now()), created_at: now(), updated_at: now() }),
      item(1n), item(2n), item(3n),
      insert('payments', crypto.randomUUID(), { method: 'cash', amount_cents: 3630n, tendered_cents: 4000n, reference: null, status: 'captured', paid_at: BigInt(Date.now()), created_at: now(), updated_at: now() }, { order_id: o }),
    ];
  };
  const records = [];
  let off = 0;
  for (let r = 0; r < 50; r += 1) {
    const units = [];
    for (let s = 0; s < 200; s += 1) units.push(till.unit(...sale()));
    records.push(till.stored((off += 1), units));
  }
  console.log('record bytes', records[0]?.value?.length);
  const apply = new CentralApply({ pool: centre.pool, eventLog: {} as EventLog, prefix: 'payflow', partitions: [0], log: silentLog });
  // warm up = part
  const t0 = performance.now();
  const cpu0 = process.cpuUsage();
  for (let i = 0; i < records.length; i += 5) {
    const t = performance.now();
    const r = await apply.applyRecords(0, records.slice(i, i + 5));
    console.log(i, r.changes, Math.round(performance.now() - t), [...r.outcomes]);
  }
  const ms = performance.now() - t0;
  const cpu = process.cpuUsage(cpu0);
  console.log('rows/s', Math.round(50_000 / ms * 1000), 'node cpu s', (cpu.user + cpu.system) / 1e6, 'wall', ms);
  for (const [k, [ms, c]] of [...times].sort((a, b) => b[1][0] - a[1][0]).slice(0, 20)) console.log(Math.round(ms), c, k);
  // ceiling I: multi-row insert alone
  const ti = performance.now();
  for (let i = 0; i < 25; i += 1) {
    await centre.pool.query(`INSERT INTO order_items (order_id, product_id, line_number, quantity, unit_price, line_total) SELECT (SELECT min(id) FROM orders), 1+g%500, 1, 2, 5.5, 11 FROM generate_series(1,2000) g`);
  }
  console.log('I rows/s', Math.round(50_000 / (performance.now() - ti) * 1000));
  await centre.stop();
}, 300_000);
