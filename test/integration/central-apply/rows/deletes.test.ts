/** Deletes of a till: marks, rows that go, and rows that come back. */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { insert, type ChangeSpec } from '../../../support/centre.ts';
import { CentralProducts, iso, NOW, update } from './central-products.ts';

const centre = useCentre();
const products = new CentralProducts(centre);

describe('deletes', () => {
  const remove = (row: ChangeSpec['row'], atMs = Date.now(), table = 'products'): ChangeSpec => ({
    op: 'd',
    table,
    row,
    atMs,
  });

  test('a real delete on a soft table becomes the mark', async () => {
    const id = await products.add(NOW - 50_000);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      remove({ identity: 'p', centralId: id }),
    );
    expect(result).toEqual({ outcome: 'applied', id, image: undefined });
    expect((await products.find(id)).deleted_at).not.toBeNull();
  });

  test('on a hard table the row goes, children before parents', async () => {
    const till = await centre.newTill();
    const [order] = await centre.sendForResults(
      till,
      insert('orders', 'o', { number: '1' }),
      insert('payments', 'p', { method: 'cash', amount_cents: 1n }, { order_id: 'o' }),
    );
    const results = await centre.sendForResults(
      till,
      remove('o', NOW, 'orders'),
      remove('p', NOW, 'payments'),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
    expect(await centre.all('SELECT 1 FROM orders WHERE id = $1', [order?.id])).toEqual([]);
  });

  test('a delete that is older than an update of the centre loses', async () => {
    const id = await products.add(NOW - 1_000);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      remove({ identity: 'p', centralId: id }, NOW - 50_000),
    );
    expect(result).toMatchObject({ outcome: 'lost', image: { id, deleted_at: null } });
  });

  test('an update that is later than the mark of the centre brings the row back', async () => {
    const id = await products.add(NOW - 90_000);
    await centre.pool.query('ALTER TABLE products DISABLE TRIGGER touch');
    await centre.pool.query('UPDATE products SET deleted_at = now(), updated_at = $2 WHERE id = $1', [
      id,
      iso(NOW - 50_000),
    ]);
    await centre.pool.query('ALTER TABLE products ENABLE TRIGGER touch');
    await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 1_000, { name: 'central' }, { name: 'till' }),
    );
    expect(await products.find(id)).toMatchObject({ name: 'till', deleted_at: null });
  });

  test('INSERT OR REPLACE on the till is an update of the same central row, its stock a difference', async () => {
    const till = await centre.newTill();
    const sku = products.newSku();
    const values = { sku, name: 'a', price: 1, stock: 10 };
    const [made] = await centre.sendForResults(till, insert('products', 'r', values));
    await centre.sendForResults(
      await centre.newTill(),
      update(made?.id ?? '', NOW - 50_000, { stock: 10 }, { stock: 15 }),
    );
    const results = await centre.sendForResults(
      till,
      { op: 'd', table: 'products', row: 'r', old: values },
      insert('products', 'r', { ...values, name: 'b', stock: 8 }),
    );
    expect(results.map(({ id }) => id)).toEqual([made?.id, made?.id]);
    expect(await products.find(made?.id ?? null)).toMatchObject({
      name: 'b',
      stock: '13.000',
      deleted_at: null,
    });
  });

  test('a hard row deleted and brought back later under the same identity is a new row', async () => {
    const till = await centre.newTill();
    const [first] = await centre.sendForResults(till, insert('orders', 'o', { number: '1' }));
    await centre.sendForResults(till, remove('o', NOW, 'orders'));
    const [second] = await centre.sendForResults(till, insert('orders', 'o', { number: '2' }));
    expect(second?.outcome).toBe('applied');
    expect(second?.id).not.toBe(first?.id);
    expect(await centre.all('SELECT number FROM orders WHERE terminal_code = $1', [till.terminal])).toEqual([
      { number: '2' },
    ]);
  });
});
