import { readFileSync, mkdtempSync } from 'node:fs';
import Database from 'better-sqlite3';

import { CATALOG, openShopTill } from '../../support/shop-till.ts';
import { DownStream, TestSchemas } from '../../support/down-stream.ts';
import { decodeIncoming } from '../../../services/terminal-agent/incoming.ts';
import { silentLog } from '../../support/till.ts';
import { TillApply } from '../../../services/terminal-agent/apply.ts';

const N = Number(process.env.N ?? 60000);
await (async () => {
  const schema = readFileSync('schemas/sqlite/reference.sql', 'utf8');
  const shop = openShopTill({ schema, mapping: readFileSync('schemas/mapping.yaml', 'utf8') });
  const schemas = new TestSchemas({
    products: {
      id: ['bigint', 'bigint'], category_id: ['bigint', 'bigint'], supplier_id: ['bigint', 'bigint'], tax_id: ['bigint', 'bigint'],
      sku: ['text', 'text'], barcode: ['text', 'text'], name: ['text', 'text'], description: ['text', 'text'],
      price: ['text', 'numeric(12,2)'], cost_price: ['text', 'numeric(12,4)'], master_stock_quantity: ['text', 'numeric(14,3)'],
      reorder_level: ['text', 'numeric(14,3)'], tags: ['text', 'text[]'], is_active: ['boolean', 'boolean'],
      created_at: ['text', 'timestamp with time zone'], updated_at: ['text', 'timestamp with time zone'], deleted_at: ['text', 'timestamp with time zone'],
    },
    categories: { id: ['bigint', 'bigint'], parent_id: ['bigint','bigint'], name: ['text', 'text'] },
  });
  const { till } = shop.test;
  const apply = new TillApply({ till, schemas, topics: { catalog: CATALOG, store: 's' }, log: silentLog, batchSize: Number(process.env.B ?? 1000) });
  const stream = new DownStream(schemas);
  const make = (round: number) => {
    const s = new DownStream(schemas);
    s.records.length = 0;
    for (let t = 0; t < N / 100; t += 1) {
      s.commit(1000 * round + 100000 * round + t, ...Array.from({ length: 100 }, (_, i) => {
        const id = t * 100 + i;
        return s.row('products', id, {
          category_id: null, supplier_id: null, tax_id: null, sku: `SKU-${id}`, barcode: `40${100000000 + id}`, name: `Product ${id} round ${round}`,
          description: 'A description of the product, as long as they usually are here', price: '12.50', cost_price: '7.1234',
          master_stock_quantity: '100.000', reorder_level: '5.000', tags: '{a,b}', is_active: true,
          created_at: '2026-01-02 03:04:05.123456+00', updated_at: '2026-01-02 03:04:05.123456+00', deleted_at: null,
        });
      }));
    }
    return s.records;
  };
  if (process.env.NOTRIG) for (const t of shop.test.app.prepare("select name from sqlite_master where type='trigger' and tbl_name='products'").all() as {name:string}[]) shop.test.app.exec('drop trigger ' + t.name);
  for (const round of [1, 2]) {
    const records = make(round);
    const cpu=()=>{const u=process.cpuUsage();return (u.user+u.system)/1000}; const t0 = cpu();
    for (let i = 0; i < records.length; i += 5000) await decodeIncoming(records.slice(i, i + 5000), schemas, silentLog);
    const t1 = cpu();
    for (let i = 0; i < records.length; i += 5000) await apply.applyBatch(CATALOG, records.slice(i, i + 5000).map((r, k) => ({ ...r, offset: round * 1e7 + i + k })));
    const t2 = cpu();
    console.log('round', round, 'decode/s', Math.round(N / (t1 - t0) * 1000), 'apply incl decode rows/s', Math.round(N / (t2 - t1) * 1000), shop.rows('select count(*) n from products'), JSON.stringify(shop.rows('select * from products limit 1')));
  }
  console.log(apply.checkpoints.tables(), apply.parkedRows().slice(0, 2));
  // ceiling
  const file = mkdtempSync('/tmp/s-') + '/x.db';
  const db = new Database(file);
  db.pragma('journal_mode = wal');
  db.exec(schema.replace(/CREATE TRIGGER[\s\S]*$/, ''));
  const cols = ['server_id','local_id','sku','barcode','name','description','price','cost_price','stock_quantity','reorder_level','tags','is_active','created_at','updated_at','deleted_at'].filter((c) => db.prepare('select 1 from pragma_table_info(?) where name=?').get('products', c));
  const ins = db.prepare(`INSERT INTO products (id, ${cols.join(',')}) VALUES (?,${cols.map(() => '?').join(',')}) ON CONFLICT (id) DO UPDATE SET ${cols.map((c) => `${c}=excluded.${c}`).join(',')}`);
  for (const round of [1, 2]) {
    const c0=process.cpuUsage(); const t=(c0.user+c0.system)/1000;
    for (let i = 0; i < N; i += 1000) {
      db.exec('BEGIN IMMEDIATE');
      for (let k = i; k < i + 1000; k += 1) {
        const v: Record<string, unknown> = { server_id: k, local_id: 'x'.repeat(36) + k, sku: `SKU-${k}`, barcode: `40${100000000 + k}`, name: `Product ${k} ${round}`, description: 'A description of the product, as long as they usually are here', price: 12.5, cost_price: 7.1234, stock_quantity: 100, reorder_level: 5, tags: '["a","b"]', is_active: 1, created_at: '2026-01-02T03:04:05.123456Z', updated_at: '2026-01-02T03:04:05.123456Z', deleted_at: null };
        ins.run(k + 1, ...cols.map((c) => v[c]));
      }
      db.exec('COMMIT');
    }
    console.log('ceiling S round', round, Math.round(N / ((()=>{const u=process.cpuUsage();return (u.user+u.system)/1000})() - t) * 1000));
  }
  shop.close();
})();
