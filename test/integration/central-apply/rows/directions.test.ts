/** What a till gets to hear of tables that go one way only. */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { CENTRAL_SHOP, insert, SHOP_MAPPING_SOURCE } from '../../../support/centre.ts';

const centre = useCentre();

describe('directions', () => {
  test('a pull-only table gets no image', async () => {
    const till = await centre.newTill();
    const id = '9b2f4d0e-6a53-4c1c-8e0a-2f1d3b4c5d6e';
    await centre.sendForResults(till, insert('audit_logs', 'a', { id: id.toUpperCase(), what: 'login' }));
    const results = await centre.sendForResults(till, insert('audit_logs', 'a', { id, what: 'login' }));
    expect(results).toEqual([{ outcome: 'duplicate', id, image: undefined }]);
  });

  test('a push-only table takes nothing and shows what stands there', async () => {
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO taxes (code, rate) VALUES ('A', 0.19) RETURNING id`,
    );
    const results = await centre.sendForResults(
      await centre.newTill(),
      {
        op: 'u',
        table: 'taxes',
        row: { identity: 't', centralId: id },
        old: { rate: 0.19 },
        new: { rate: 0.07 },
      },
      insert('taxes', 'new', { code: 'B', rate: 1 }),
    );
    expect(results).toMatchObject([{ outcome: 'lost', image: { rate: '0.1900' } }, { outcome: 'rejected' }]);
  });
});

describe('a column that only head office changes', () => {
  const priced = useCentre(
    CENTRAL_SHOP,
    SHOP_MAPPING_SOURCE.replace(
      'columns: {stock: {policy: delta}}',
      'columns: {stock: {policy: delta}, price: {direction: push}}',
    ),
  );
  const product = (sku: string) =>
    priced.one('SELECT name, price, stock FROM products WHERE sku = $1', [sku]);

  test('is put back, listed, and the rest of the change applied', async () => {
    const till = await priced.newTill();
    const [made] = await priced.sendForResults(
      till,
      insert('products', 'p', { sku: 'A', name: 'new', price: 2.5, stock: 3 }),
    );
    expect(await product('A')).toEqual({ name: 'new', price: '2.50', stock: '3.000' });
    const change = {
      op: 'u',
      table: 'products',
      row: 'p',
      old: { name: 'new', price: 2.5, stock: 3 },
      new: { name: 'named', price: 0.01, stock: 1 },
    } as const;
    expect(await priced.sendForCounts(till, change)).toEqual({ merged: 1 });
    expect(await product('A')).toEqual({ name: 'named', price: '2.50', stock: '1.000' });
    const alone = { ...change, old: { price: 2.5 }, new: { price: 0.01 } };
    expect(await priced.sendForResults(till, alone)).toMatchObject([
      { outcome: 'lost', id: made?.id, image: { price: '2.50', name: 'named' } },
    ]);
    expect(await priced.all('SELECT rule, winner FROM payflow_sync.conflict')).toEqual([
      { rule: 'push-only', winner: 'central' },
      { rule: 'push-only', winner: 'central' },
    ]);
  });

  test('is not taken with an insert that meets a row, nor with one that replaces it', async () => {
    const { id } = await priced.one<{ id: string }>(
      `INSERT INTO products (sku, name, price, updated_at) VALUES ('B', 'office', 9, now() - interval '1 hour') RETURNING id`,
    );
    const till = await priced.newTill();
    const mine = { sku: 'B', name: 'till', price: 1, stock: 0 };
    expect(await priced.sendForResults(till, insert('products', 'p', mine))).toMatchObject([
      { outcome: 'merged', id },
    ]);
    await priced.sendForCounts(
      till,
      { op: 'd', table: 'products', row: 'p', old: mine },
      insert('products', 'p', { ...mine, name: 'again' }),
    );
    expect(await product('B')).toMatchObject({ name: 'again', price: '9.00' });
  });
});
