/** A TRUNCATE at the centre: what a reader of the streams ends up with is what the tables hold. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeRecord } from '../../../services/shared/records/change-record.ts';
import { CaptureSite, SHOP_MAPPING, type RunningCapture } from '../../support/capture-site.ts';
import { heldLog } from '../../support/wrapped-log.ts';

/** Rows that are there at the end, by table. */
function rowsOf(changes: readonly ChangeRecord[]): Record<string, string[]> {
  const rows = new Map<string, Set<string>>();
  for (const { table, id, after } of changes.filter((change) => !change.table.startsWith('payflow_sync.'))) {
    const ids = rows.get(table) ?? new Set();
    rows.set(table, ids);
    if (after === null) ids.delete(id);
    else ids.add(id);
  }
  return Object.fromEntries([...rows].map(([table, ids]) => [table, [...ids].sort()]));
}

describe('TRUNCATE', () => {
  let site: CaptureSite;
  let running: RunningCapture;
  let isHeld: boolean;

  beforeEach(async () => {
    isHeld = false;
    site = await CaptureSite.start({ wrapLog: (log) => heldLog(log, () => isHeld) });
    await site.setup();
    running = await site.capture();
    await site.seeded();
  });
  afterEach(async () => {
    await site.stop();
  });

  const catalog = async () => rowsOf((await site.catalog()).changes);
  const store = async (id: string) => rowsOf((await site.store(id)).changes);

  it('deletes every row that the catalog stream holds, however it came there', async () => {
    await site.pool.query(
      `INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series(1, 5000) AS i`,
    );
    await site.pool.query('UPDATE products SET shelf = 1 WHERE id < 100');
    await site.pool.query('TRUNCATE products');
    await site.acknowledged();
    const { changes, stored } = await site.catalog();
    expect(rowsOf(changes)).toEqual({ products: [] });
    expect(changes.filter((change) => change.op === 'd' && change.xid !== 0)).toHaveLength(5_000);
    const lastByKey = new Map(stored.map((record) => [record.key?.toString(), record.value]));
    expect(lastByKey.get('products:77')).toBeNull();
  });

  it('keeps what is written afterwards, in the same transaction or in the next', async () => {
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A'), (2, 'B'), (3, 'C'), (4, 'D')`);
    await site.pool.query(`
      BEGIN; TRUNCATE products; INSERT INTO products (id, sku) VALUES (2, 'again'), (9, 'new'); COMMIT`);
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (3, 'again')`);
    await site.acknowledged();
    expect(await catalog()).toEqual({ products: ['2', '3', '9'] });
  });

  it('reaches every store with CASCADE and RESTART IDENTITY, children too', async () => {
    await site.pool.query(`
      ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders;
      INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 's');
      INSERT INTO order_items VALUES (10, 1, 5), (20, 2, 6)`);
    await site.pool.query('TRUNCATE orders RESTART IDENTITY CASCADE');
    // A number that comes back may come back in another store.
    await site.pool.query(
      `INSERT INTO orders VALUES (1, 'south', 'moved'); INSERT INTO order_items VALUES (10, 1, 1)`,
    );
    await site.acknowledged();
    expect(await store('north')).toEqual({ orders: [], order_items: [] });
    expect(await store('south')).toEqual({ orders: ['1'], order_items: ['10'] });
  });

  it('of a partitioned table deletes the rows of all partitions', async () => {
    await site.pool.query(`
      CREATE TABLE tickets (store_id text, id int, note text, PRIMARY KEY (store_id, id)) PARTITION BY LIST (store_id);
      CREATE TABLE tickets_north PARTITION OF tickets FOR VALUES IN ('north');
      CREATE TABLE tickets_rest PARTITION OF tickets DEFAULT;`);
    await site.setup(`${SHOP_MAPPING}  tickets: { scope: { store: store_id } }\n`);
    await site.seeded();
    await site.pool.query(`INSERT INTO tickets VALUES ('north', 1, 'a'), ('south', 2, 'b')`);
    await site.pool.query('TRUNCATE tickets');
    await site.acknowledged();
    expect(await store('north')).toEqual({ tickets: [] });
    expect(await store('south')).toEqual({ tickets: [] });
  });

  it('is not acknowledged before its deletes are durable, and is redone after a crash', async () => {
    await site.pool.query(`
      INSERT INTO products (id, sku) VALUES (1, 'A'), (2, 'B'); INSERT INTO orders VALUES (1, 'north', 'n')`);
    await site.acknowledged();
    const before = await site.catalog();
    isHeld = true;
    await site.pool.query('TRUNCATE products');
    const { rows } = await site.pool.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
    await site.pool.query(`INSERT INTO orders VALUES (2, 'north', 'n')`);
    await site.storeHolds('north', 'orders:2');
    await running.stop();
    const slot = await site.pool.query<{ done: boolean }>(
      `SELECT confirmed_flush_lsn >= $1::pg_lsn AS done FROM pg_replication_slots
       WHERE database = current_database()`,
      [rows[0]?.lsn],
    );
    expect(slot.rows).toEqual([{ done: false }]);
    expect(rowsOf(before.changes)).toEqual({ products: ['1', '2'] });
    isHeld = false;
    running = await site.capture();
    await site.acknowledged();
    expect(await catalog()).toEqual({ products: [] });
    expect(await store('north')).toEqual({ orders: ['1', '2'] });
  });
});

describe('seeding again', () => {
  let site: CaptureSite;

  beforeEach(async () => {
    site = await CaptureSite.start();
  });
  afterEach(async () => {
    await site.stop();
  });

  it('deletes what the tables lost while nobody listened, between its two marks', async () => {
    await site.pool.query(`
      INSERT INTO products (id, sku) SELECT i, 'S' || i FROM generate_series(1, 4000) AS i;
      INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 's')`);
    await site.setup();
    const running = await site.capture();
    await site.seeded();
    await running.stop();
    await site.dropSlot();
    await site.pool.query(`DELETE FROM products WHERE id % 2 = 0; DELETE FROM orders WHERE id = 2;
                           INSERT INTO products (id, sku) VALUES (9000, 'new')`);
    expect((await site.setup()).epoch).toBe(2);
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    const { changes, controls, stored } = await site.catalog();
    expect(rowsOf(changes)['products']).toHaveLength(2_001);
    expect(rowsOf((await site.store('south')).changes)).toEqual({ orders: [] });
    expect(rowsOf((await site.store('north')).changes)).toEqual({ orders: ['1'] });
    const keys = stored.map((record) => record.key?.toString());
    const end = keys.lastIndexOf('~seed-complete:products');
    expect(keys.lastIndexOf('products:2')).toBeGreaterThan(keys.lastIndexOf('~seed-begin:products'));
    expect(keys.lastIndexOf('products:2')).toBeLessThan(end);
    const marks = controls.filter((control) => 'table' in control && control.table === 'products');
    expect(marks.map((control) => control.kind)).toEqual([
      'seed-begin',
      'seed-complete',
      'seed-begin',
      'seed-complete',
    ]);
  });

  it('of a table whose key changed its type deletes the rows of the old key', async () => {
    await site.pool.query(`
      CREATE TABLE tags (code text PRIMARY KEY, note text); INSERT INTO tags VALUES ('a', 'x'), ('b', 'y')`);
    const mapping = `${SHOP_MAPPING}  tags: { scope: global }\n`;
    await site.setup(mapping);
    const running = await site.capture();
    await site.seeded();
    await running.stop();
    await site.pool.query(`
      ALTER TABLE tags DROP COLUMN code; ALTER TABLE tags ADD COLUMN code int GENERATED ALWAYS AS IDENTITY PRIMARY KEY`);
    await site.setup(mapping);
    await site.pool.query(
      `UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL WHERE table_name = 'tags'`,
    );
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    expect(rowsOf((await site.catalog()).changes)).toEqual({ tags: ['1', '2'] });
  });
});
