/** Rows that a trigger of the centre swallows without an error. */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../support/apply-site.ts';
import { CENTRAL_SHOP, insert, type ChangeSpec } from '../../support/centre.ts';

const SWALLOWING = `${CENTRAL_SHOP}
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON categories FOR EACH ROW WHEN (NEW.name = 'swallowed') EXECUTE FUNCTION swallow();
CREATE TRIGGER swallow BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.number = 'swallowed') EXECUTE FUNCTION swallow();
`;

const centre = useCentre(SWALLOWING);

describe('a row that a trigger of the centre swallows', () => {
  test('leaves no statement behind that runs after the rollback: stock moves once', async () => {
    const till = await centre.newTill();
    const skus = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'];
    const products = skus.map((sku) => insert('products', sku, { sku, name: sku, price: 1n, stock: 10n }));
    // Each update has columns of its own, so each is a statement of its own.
    const changed = [
      {},
      { price: 2n },
      { name: 'x' },
      { price: 3n, name: 'y' },
      { sku: 'P5b' },
      { sku: 'P6b', price: 4n },
    ];
    const before = [
      {},
      { price: 1n },
      { name: 'P3' },
      { price: 1n, name: 'P4' },
      { sku: 'P5' },
      { sku: 'P6', price: 1n },
    ];
    const sold = skus.map((sku, index): ChangeSpec => ({
      op: 'u',
      table: 'products',
      row: sku,
      old: { stock: 10n, ...before[index] },
      new: { stock: 7n, ...changed[index] },
    }));
    await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [till.unit(...products)])]);
    const unit = till.unit(insert('categories', 'C', { name: 'swallowed' }), ...sold);
    const { outcomes } = await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [unit])]);
    expect(outcomes).toEqual(
      new Map([
        ['rejected', 1],
        ['applied', 6],
      ]),
    );
    const stocks = await centre.all<{ stock: string }>('SELECT stock::text FROM products ORDER BY id');
    expect(stocks.map(({ stock }) => stock)).toEqual(skus.map(() => '7.000'));
  });

  test('takes along what refers to it, and the till goes on', async () => {
    const till = await centre.newTill();
    const unit = till.unit(
      insert('orders', 'O', { number: 'swallowed' }),
      insert('payments', 'P', { method: 'cash', amount_cents: 100n }, { order_id: 'O' }),
    );
    const { outcomes } = await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [unit])]);
    expect(outcomes).toEqual(new Map([['rejected', 2]]));
    const letter = await centre.one<{ code: string }>(
      'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(letter.code).toBe('SUPPRESSED');
  });
});
