import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { CaptureSite } from '../../support/capture-site.ts';

describe('capture', () => {
  let site: CaptureSite;

  beforeEach(async () => {
    site = await CaptureSite.start();
  });
  afterEach(async () => {
    await site.stop();
  });

  it('sends rows that were there before, then every change, in order', async () => {
    await site.pool.query(`INSERT INTO products (id, sku, price) VALUES (1, 'A', 1.50), (2, 'B', 2.00)`);
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(`UPDATE products SET price = 3.00 WHERE id = 2`);
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (3, 'C')`);
    await site.pool.query(`DELETE FROM products WHERE id = 1`);
    await site.acknowledged();
    const { changes } = await site.catalog();
    const products = changes.filter((change) => change.table === 'products');
    expect(products.map((change) => [change.op, change.id, change.after?.['price'] ?? null])).toEqual([
      ['r', '1', '1.50'],
      ['r', '2', '2.00'],
      ['u', '2', '3.00'],
      ['c', '3', null],
      ['d', '1', null],
      ['d', '1', null],
    ]);
    expect(products.at(-2)?.before).toMatchObject({ id: 1n, sku: 'A' });
  });

  it('answers a catch-up marker at its own position', async () => {
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(`SELECT pg_logical_emit_message(true, 'payflow.marker', '{"streams":"all"}')`);
    await until(async () => {
      const { controls } = await site.catalog();
      return controls.filter((control) => control.kind === 'heartbeat').length >= 2;
    }, 'the marker is answered');
  });
});
