/** Rows of a till that the centre has already: merged, linked or refused, never doubled. */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { insert, type ChangeSpec } from '../../../support/centre.ts';
import { CentralProducts, iso, NOW } from './central-products.ts';

const centre = useCentre();
const products = new CentralProducts(centre);

describe('rows that are there already', () => {
  test('two tills that add the same product end with one, and children of both refer to it', async () => {
    const sku = products.newSku();
    const [one, two] = [await centre.newTill(), await centre.newTill()];
    const add = (name: string) =>
      insert('products', `${name}-p`, { sku, name, price: 1, stock: 7, updated_at: iso(NOW - 1_000) });
    const sold = (name: string): ChangeSpec[] => [
      insert('orders', `${name}-o`, { number: name }),
      insert(
        'order_items',
        `${name}-i`,
        { quantity: 1n, price: 1 },
        { order_id: `${name}-o`, product_id: `${name}-p` },
      ),
    ];
    const [first] = await centre.sendForResults(one, add('one'), ...sold('one'));
    const [second, , item] = await centre.sendForResults(two, add('two'), ...sold('two'));
    expect(first?.outcome).toBe('applied');
    expect(second).toMatchObject({ outcome: 'merged', id: first?.id });
    expect(await products.find(first?.id ?? null)).toMatchObject({ stock: '7.000' });
    expect(await centre.one('SELECT product_id FROM order_items WHERE id = $1', [item?.id])).toEqual({
      product_id: first?.id,
    });
  });

  test('the same product from two tills in one group is merged as well', async () => {
    const sku = products.newSku();
    const tills = [await centre.newTill(), await centre.newTill()];
    const records = tills.map((till) =>
      till.stored(centre.nextOffset(), [
        till.unit(insert('products', 'p', { sku, name: till.terminal, price: 1, stock: 1 })),
      ]),
    );
    const { outcomes } = await centre.apply.applyRecords(0, records);
    expect(outcomes).toEqual(
      new Map([
        ['applied', 1],
        ['merged', 1],
      ]),
    );
    expect(await centre.all('SELECT 1 FROM products WHERE sku = $1', [sku])).toHaveLength(1);
  });

  test('a second row of one till for the same product is rejected', async () => {
    const sku = products.newSku();
    const till = await centre.newTill();
    await centre.sendForResults(till, insert('products', 'p1', { sku, name: 'a', price: 1, stock: 1 }));
    const [result] = await centre.sendForResults(
      till,
      insert('products', 'p2', { sku, name: 'b', price: 1, stock: 1 }),
    );
    expect(result?.outcome).toBe('rejected');
    expect(
      await centre.one('SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]),
    ).toEqual({
      code: 'NATURAL_KEY_TAKEN',
    });
  });

  test('an offered row is inserted if missing, else only linked and shown', async () => {
    const till = await centre.newTill();
    const id = await products.add(NOW - 50_000, { stock: 3 });
    const { sku } = await products.find(id);
    const offer = (row: string, values: ChangeSpec['new']): ChangeSpec => ({
      op: 'r',
      table: 'products',
      row,
      new: values ?? {},
    });
    const results = await centre.sendForResults(
      till,
      offer('known', { sku, name: 'till', price: 99, stock: 50 }),
      offer('new', { sku: products.newSku(), name: 'till', price: 99, stock: 50 }),
    );
    expect(results).toMatchObject([
      { outcome: 'merged', id, image: { name: 'central', stock: '3.000' } },
      { outcome: 'applied', image: undefined },
    ]);
    const again = await centre.sendForResults(
      till,
      offer('known', { sku, name: 'till', price: 99, stock: 50 }),
    );
    expect(again).toMatchObject([{ outcome: 'duplicate', id, image: { name: 'central' } }]);
  });

  test('an offered server_id is believed only if the natural key agrees', async () => {
    const till = await centre.newTill();
    const [id, other] = [await products.add(NOW - 50_000), await products.add(NOW - 50_000)];
    const { sku } = await products.find(id);
    const offer = (centralId: string, identity: string): ChangeSpec => ({
      op: 'r',
      table: 'products',
      row: { identity, centralId },
      new: { sku, name: 'x', price: 1, stock: 0 },
    });
    const results = await centre.sendForResults(till, offer(id, 'right'), offer(other, 'wrong'));
    expect(results.map(({ outcome }) => outcome)).toEqual(['merged', 'rejected']);
  });

  test('a carried key that exists merges; the store comes from the till', async () => {
    const till = await centre.newTill();
    const values = (value: string) => ({ name: 'footer', value, updated_at: iso(NOW - 1_000) });
    await centre.sendForResults(till, insert('settings', 's', values('mine')));
    await centre.pool.query(`UPDATE settings SET value = 'office', updated_at = now() WHERE store_id = 'S1'`);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      insert('settings', 's', values('theirs')),
    );
    expect(result).toMatchObject({ outcome: 'merged', id: '["S1","footer"]', image: { value: 'office' } });
  });

  test('a row that the centre deleted and made anew is met by the till’s own new one of that key', async () => {
    const till = await centre.newTill();
    const values = (value: string) => ({ name: 'motto', value, updated_at: iso(NOW - 1_000) });
    const office = "VALUES ('S1', 'motto', 'office', now())";
    await centre.sendForResults(till, insert('settings', 'first', values('mine')));
    await centre.pool.query(`DELETE FROM settings WHERE name = 'motto'`);
    await centre.pool.query(`INSERT INTO settings (store_id, name, value, updated_at) ${office}`);
    const [result] = await centre.sendForResults(till, insert('settings', 'second', values('mine again')));
    expect(result).toMatchObject({ outcome: 'merged', id: '["S1","motto"]', image: { value: 'office' } });
    expect(
      await centre.all(
        `SELECT identity FROM payflow_sync.link WHERE terminal_id = $1 AND central_id = '["S1","motto"]'`,
        [till.terminal],
      ),
    ).toEqual([{ identity: 'second' }]);
  });
});
