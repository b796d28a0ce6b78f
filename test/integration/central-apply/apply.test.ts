/** What units from a till become at the centre, and that sending them again changes nothing. */
import { describe, expect, test } from 'vitest';
import { sale, useCentre } from '../../support/apply-site.ts';
import { insert, type ChangeSpec } from '../../support/centre.ts';

const centre = useCentre();

describe('a sale', () => {
  test('arrives with its references rewritten, its links and its outcome', async () => {
    const till = await centre.newTill();
    const { result } = await centre.send(till, sale('A'));
    expect(result.outcomes).toEqual(new Map([['applied', 4]]));
    expect(await centre.ordersOf(till)).toEqual([{ number: 'A', items: '2', paid: '12.50', store_id: 'S1' }]);
    const outcomes = await centre.outcomesOf(till);
    expect(outcomes.map(([seq, table, , outcome]) => [seq, table, outcome])).toEqual([
      [1, 'orders', 'applied'],
      [2, 'order_items', 'applied'],
      [3, 'order_items', 'applied'],
      [4, 'payments', 'applied'],
    ]);
    expect(outcomes.every((entry) => entry.length === 5)).toBe(true);
    const links = await centre.all<{ central_id: string }>(
      `SELECT central_id FROM payflow_sync.link WHERE terminal_id = $1 AND table_name = 'orders'`,
      [till.terminal],
    );
    expect(links).toEqual([{ central_id: outcomes[0]?.[2] }]);
    expect(await centre.progressOf(till)).toMatchObject({ last_unit: '1', last_seq: '4', exceptions: '[]' });
  });

  test('sent again any number of times stays one sale', async () => {
    const till = await centre.newTill();
    const { record } = await centre.send(till, sale('A'), sale('B'));
    for (let times = 0; times < 3; times += 1) {
      const again = await centre.apply.applyRecords(0, [record, { ...record, offset: centre.nextOffset() }]);
      expect(again).toMatchObject({ units: 0, duplicateUnits: 4 });
    }
    expect(await centre.ordersOf(till)).toHaveLength(2);
    expect(await centre.outcomesOf(till)).toHaveLength(8);
  });

  test('resent packed otherwise stays one sale', async () => {
    const till = await centre.newTill();
    const units = ['A', 'B', 'C'].map((name) => till.unit(...sale(name)));
    const [first, second, third] = units;
    if (!first || !second || !third) throw new Error('three units');
    await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [first, second])]);
    const { units: applied } = await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), units)]);
    expect(applied).toBe(1);
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B', 'C']);
  });

  test('rows that refer to each other in a circle arrive together', async () => {
    const till = await centre.newTill();
    const { result } = await centre.send(till, [
      insert('teams', 't', { name: 'front' }, { lead_id: null }),
      insert('members', 'm', { name: 'Ann' }, { team_id: 't' }),
      { op: 'u', table: 'teams', row: 't', references: { lead_id: 'm' } },
    ]);
    expect(result.outcomes).toEqual(new Map([['applied', 3]]));
    expect(
      await centre.one(
        `SELECT m.name FROM teams t JOIN members m ON m.id = t.lead_id WHERE m.team_id = t.id`,
      ),
    ).toEqual({ name: 'Ann' });
  });

  test('rows of the centre need no identity of the till: their central id names them', async () => {
    const till = await centre.newTill();
    const ids = await centre.all<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at)
       VALUES ('n1', 'a', 1, 5, '2020-01-01'), ('n2', 'b', 1, 5, '2020-01-01') RETURNING id`,
    );
    const { result } = await centre.send(till, [
      ...ids.map(({ id }): ChangeSpec => ({
        op: 'u',
        table: 'products',
        row: { identity: '', centralId: id },
        old: { stock: 5 },
        new: { stock: 4 },
      })),
      { op: 'd', table: 'products', row: { identity: '', centralId: ids[0]?.id ?? null } },
      insert('orders', 'o', { number: 'n' }),
      insert(
        'order_items',
        'i',
        { quantity: 1n, price: 1 },
        {
          order_id: 'o',
          product_id: { identity: '', centralId: ids[1]?.id ?? null },
        },
      ),
    ]);
    expect(result.outcomes).toEqual(new Map([['applied', 5]]));
    expect(
      await centre.all(
        `SELECT stock, deleted_at IS NULL AS there FROM products WHERE sku IN ('n1', 'n2') ORDER BY sku`,
      ),
    ).toEqual([
      { stock: '4.000', there: false },
      { stock: '4.000', there: true },
    ]);
    expect(await centre.all(`SELECT 1 FROM payflow_sync.link WHERE identity = ''`)).toEqual([]);
  });

  test('under a foreign database id is applied by links alone', async () => {
    const till = await centre.newTill();
    till.databaseId = 'another';
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO products (sku, name, price) VALUES ('foreign', 'x', 1) RETURNING id`,
    );
    const { result } = await centre.send(till, [
      {
        op: 'u',
        table: 'products',
        row: { identity: 'p', centralId: id },
        old: { name: 'x' },
        new: { name: 'y' },
      },
    ]);
    expect(result.outcomes.get('rejected')).toBe(1);
  });
});

test('a mapping published while the applier runs is taken at the next group', async () => {
  const till = await centre.newTill();
  await centre.send(till, sale('A'));
  await centre.pool.query(
    `UPDATE payflow_sync.mapping SET version = 2, source = source || E'  drawers: {scope: global}\n'`,
  );
  await centre.pool.query('CREATE TABLE drawers (id bigserial PRIMARY KEY, name text)');
  const { result } = await centre.send(till, [insert('drawers', 'd', { name: 'left' })]);
  expect(result.outcomes).toEqual(new Map([['applied', 1]]));
});
