import { expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { createRegistry } from '../../../services/shared/metrics.ts';
import { CaptureSite } from '../../support/capture-site.ts';

it('capture tells its lag, what it has sent, and how far each seeding is; counts go on across sessions', async () => {
  const registry = createRegistry();
  const site = await CaptureSite.start({ registry });
  await site.pool.query(`INSERT INTO products (id, sku) SELECT i, 'S' FROM generate_series(1, 50) AS i`);
  await site.setup();
  const running = await site.capture();
  await site.seeded();
  await site.acknowledged();
  const figure = async (name: string): Promise<number> => {
    const line = (await registry.metrics())
      .split('\n')
      .find((one) => one.startsWith(`payflow_capture_${name} `));
    return line === undefined ? NaN : Number(line.split(' ').at(-1));
  };
  expect(await figure('seeding_rows{table="products"}')).toBe(50);
  expect(await figure('seeding_done{table="products"}')).toBe(1);
  const records = await figure('records_total');
  const transactions = await figure('transactions_total');
  expect(records).toBeGreaterThan(50);
  await site.pool.query(`UPDATE products SET shelf = 1; INSERT INTO orders VALUES (1, NULL, 'nowhere')`);
  await site.acknowledged();
  expect(await figure('records_total')).toBeGreaterThanOrEqual(records + 50);
  expect(await figure('transactions_total')).toBeGreaterThan(transactions);
  expect(await figure('unscoped_rows{table="orders"}')).toBe(1);
  // Of one scrape: a heartbeat may come between two.
  const lags = async () => (await registry.metrics()).match(/^payflow_capture_lag_\w+ .*$/gm) ?? [];
  await until(
    async () => (await lags()).join() === 'payflow_capture_lag_bytes 0,payflow_capture_lag_seconds 0',
    async () => `nothing is left to acknowledge: ${(await lags()).join()}`,
  );
  const reached = await figure('acknowledged_lsn_bytes');
  expect(reached).toBeGreaterThan(0);
  await running.stop();
  await site.capture();
  expect(await figure('records_total')).toBeGreaterThanOrEqual(records + 50);
  await site.stop();
  expect(await registry.metrics()).toContain('payflow_capture_records_total');
});
