import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import type { ChangeRecord } from '../../../../services/shared/records/change-record.ts';
import { CaptureSite } from '../../../support/capture-site.ts';
import { wrappedLog } from '../../../support/wrapped-log.ts';

/** What a reader of the whole stream ends up with. */
function state(changes: readonly ChangeRecord[], table: string): Map<string, number | null> {
  const rows = new Map<string, number | null>();
  for (const change of changes.filter((one) => one.table === table)) {
    if (change.after === null) rows.delete(change.id);
    else rows.set(change.id, change.after['shelf'] as number | null);
  }
  return rows;
}

describe('first seeding', () => {
  let site: CaptureSite;

  beforeEach(async () => {
    site = await CaptureSite.start();
  });
  afterEach(async () => {
    await site.stop();
  });

  async function table(): Promise<Map<string, number | null>> {
    const { rows } = await site.pool.query<{ id: string; shelf: number | null }>(
      'SELECT id, shelf FROM products',
    );
    return new Map(rows.map((row) => [row.id, row.shelf]));
  }

  it('meets the table although it changes all the time meanwhile', async () => {
    await site.pool.query(
      `INSERT INTO products (id, sku, shelf) SELECT i, 'S' || i, 0 FROM generate_series(1, 9000) AS i`,
    );
    await site.setup();
    let round = 0;
    let writing = true;
    const write = async (): Promise<boolean> => {
      if (writing) {
        round += 1;
        // Few rows a round: capture has to keep up with a writer that never rests.
        await site.pool.query(`UPDATE products SET shelf = $1 WHERE id % 70 = $2`, [round, round % 70]);
        await site.pool.query(`DELETE FROM products WHERE id = $1`, [round * 3]);
        await site.pool.query(`INSERT INTO products (id, sku, shelf) VALUES ($1, 'new', $2)`, [
          20_000 + round,
          round,
        ]);
      }
      return !writing;
    };
    const writer = until(write, 'the seeding ends', { everyMs: 1 });
    await site.capture();
    await site.seeded();
    writing = false;
    await writer;
    await site.acknowledged();
    const { changes, controls } = await site.catalog();
    expect(state(changes, 'products')).toEqual(await table());
    const marks = controls.filter((control) => 'table' in control && control.table === 'products');
    expect(marks.map((control) => control.kind)).toEqual(['seed-begin', 'seed-complete']);
  });

  it('goes on where it was stopped', async () => {
    await site.stop();
    let isHeld = true;
    site = await CaptureSite.start({
      wrapLog: (log) =>
        wrappedLog(log, {
          append: async (stream, records, options) => {
            // Far from both ends, so that some chunks are through and the last one cannot be.
            const isMiddle = records.some(({ key }) => key?.toString() === 'products:15000');
            if (isHeld && isMiddle) await new Promise(() => undefined);
            return log.append(stream, records, options);
          },
        }),
    });
    await site.pool.query(
      `INSERT INTO products (id, sku, shelf) SELECT i, 'S' || i, i FROM generate_series(1, 30000) AS i`,
    );
    await site.setup();
    const done = async () => {
      const { rows } = await site.pool.query<{ rows: string }>(
        `SELECT rows FROM payflow_sync.seeding WHERE table_name = 'products'`,
      );
      return Number(rows[0]?.rows ?? 0);
    };
    const running = await site.capture();
    await until(async () => (await done()) > 0, 'the first chunk is stored');
    await running.stop();
    expect(await done()).toBeLessThan(15_000);
    isHeld = false;
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    const { changes } = await site.catalog();
    const products = changes.filter((change) => change.table === 'products');
    expect(state(changes, 'products').size).toBe(30_000);
    // At most the chunk that was under way was written twice.
    expect(products.length).toBeLessThanOrEqual(32_000);
  });

  it('splits rows among the stores, children with their parents', async () => {
    await site.pool.query(`
      INSERT INTO orders SELECT i, 'store-' || i % 3, 'n' FROM generate_series(1, 300) AS i;
      INSERT INTO order_items SELECT i, 1 + i % 300, 1 FROM generate_series(1, 900) AS i`);
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    for (const store of [0, 1, 2]) {
      const { changes, controls } = await site.store(`store-${store}`);
      expect(changes.filter(({ table: name }) => name === 'orders')).toHaveLength(100);
      expect(changes.filter(({ table: name }) => name === 'order_items')).toHaveLength(300);
      expect(changes[0]?.table).toBe('payflow_sync.mapping');
      expect(controls).toContainEqual({ kind: 'seed-complete', table: 'order_items' });
    }
  });

  it('tells the stream of a store that comes later what is complete in it', async () => {
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO orders VALUES (1, 'late', 'n')`);
    await site.acknowledged();
    const { changes, controls } = await site.store('late');
    expect(changes.map((change) => change.table)).toEqual(['payflow_sync.mapping', 'orders']);
    expect(controls).toContainEqual({ kind: 'seed-complete', table: 'orders' });
  });

  it('is repeated for a table that is wanted again while capture runs', async () => {
    await site.pool.query(`INSERT INTO products (id, sku, shelf) VALUES (1, 'A', 5)`);
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(
      `UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL, updated_at = now() WHERE table_name = 'products'`,
    );
    await site.seeded();
    await site.acknowledged();
    const { changes } = await site.catalog();
    expect(changes.filter((change) => change.table === 'products').map((change) => change.op)).toEqual([
      'r',
      'r',
    ]);
  });
});
