/** Rows that refer to rows which the same till inserts later in the same unit. */
import { beforeEach, describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { insert, type ChangeSpec, type FakeTill } from '../../../support/centre.ts';

const centre = useCentre();

describe('a reference to a row that comes later in the unit', () => {
  let till: FakeTill;
  beforeEach(async () => {
    till = await centre.newTill();
  });

  const send = (...changes: ChangeSpec[]) => centre.sendForCounts(till, ...changes);

  test('holds where an app writes the lines before the sale', async () => {
    const sent = await send(
      insert('order_items', 'i1', { quantity: 1n, price: 5 }, { order_id: 'o' }),
      insert('payments', 'p', { method: 'cash', amount_cents: 500n }, { order_id: 'o' }),
      insert('orders', 'o', { number: 'N1', total: 5 }),
    );
    expect(sent).toEqual({ applied: 3 });
    expect(
      await centre.all(
        `SELECT i.quantity, p.method FROM orders o JOIN order_items i ON i.order_id = o.id
           JOIN payments p ON p.order_id = o.id WHERE o.number = $1`,
        ['N1'],
      ),
    ).toEqual([{ quantity: 1, method: 'cash' }]);
  });

  test('holds where a tree is written from the leaf, or in a circle', async () => {
    const sent = await send(
      insert('categories', 'leaf', { name: 'leaf' }, { parent_id: 'root' }),
      insert('categories', 'root', { name: 'root' }, { parent_id: null }),
      insert('categories', 'x', { name: 'x' }, { parent_id: 'y' }),
      insert('categories', 'y', { name: 'y' }, { parent_id: 'x' }),
      insert('categories', 'self', { name: 'self' }, { parent_id: 'self' }),
    );
    expect(sent).toEqual({ applied: 5 });
    const rows = await centre.all<{ name: string; parent: string | null }>(
      `SELECT c.name, p.name AS parent FROM categories c LEFT JOIN categories p ON p.id = c.parent_id ORDER BY 1`,
    );
    expect(rows.map(({ name, parent }) => [name, parent])).toEqual([
      ['leaf', 'root'],
      ['root', null],
      ['self', 'self'],
      ['x', 'y'],
      ['y', 'x'],
    ]);
  });

  test('holds where two tables point at each other', async () => {
    const sent = await send(
      insert('teams', 't', { name: 'team' }, { lead_id: 'm' }),
      insert('members', 'm', { name: 'member' }, { team_id: 't' }),
    );
    expect(sent).toEqual({ applied: 2 });
    expect(
      await centre.all(
        `SELECT t.name, m.name AS lead FROM teams t JOIN members m ON m.id = t.lead_id AND m.team_id = t.id`,
      ),
    ).toEqual([{ name: 'team', lead: 'member' }]);
  });

  test('points at the row that a natural key finds', async () => {
    await centre.pool.query(`INSERT INTO categories (name) VALUES ('known')`);
    const sent = await send(
      insert('products', 'p', { sku: 'later', name: 'later', price: 1, stock: 0n }, { category_id: 'c' }),
      insert('categories', 'c', { name: 'known' }, { parent_id: null }),
    );
    expect(sent).toEqual({ applied: 1, merged: 1 });
    expect(
      await centre.all(
        `SELECT c.name FROM products p JOIN categories c ON c.id = p.category_id WHERE sku = 'later'`,
      ),
    ).toEqual([{ name: 'known' }]);
  });

  test('takes both down when the later one is refused', async () => {
    const sent = await send(
      insert('order_items', 'i1', { quantity: 1n, price: 5 }, { order_id: 'o' }),
      insert('orders', 'o', { number: 'a\0b', total: 5 }),
    );
    expect(sent).toEqual({ rejected: 2 });
  });
});
