/** Units that come before their turn wait for it; those that never get one stay held. */
import { describe, expect, test } from 'vitest';
import { sale, useCentre } from '../../support/apply-site.ts';
import { insert } from '../../support/centre.ts';

const centre = useCentre();

describe('order', () => {
  test('a gap is held and released, in order, when it closes', async () => {
    const till = await centre.newTill();
    const [one, two, three] = ['A', 'B', 'C'].map((name) => till.unit(...sale(name)));
    if (!one || !two || !three) throw new Error('three units');
    const late = await centre.apply.applyRecords(0, [
      till.stored(centre.nextOffset(), [three]),
      till.stored(centre.nextOffset(), [two]),
    ]);
    expect(late).toMatchObject({ units: 0, heldRecords: 2 });
    const closed = await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [one])]);
    expect(closed.units).toBe(3);
    expect(await centre.progressOf(till)).toMatchObject({ last_unit: '3', last_seq: '12' });
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });

  test('a unit in parts is applied once all parts are there, in whatever order they come', async () => {
    const till = await centre.newTill();
    const unit = till.unit(...sale('A'), ...sale('B'));
    const parts = [unit.changes.slice(0, 3), unit.changes.slice(3, 5), unit.changes.slice(5)].map(
      (changes, index) =>
        till.stored(centre.nextOffset(), [{ ...unit, changes }], { part: index + 1, parts: 3 }),
    );
    const [one, two, three] = parts;
    if (!one || !two || !three) throw new Error('three parts');
    expect(await centre.apply.applyRecords(0, [three, one, one])).toMatchObject({ units: 0 });
    expect(await centre.ordersOf(till)).toEqual([]);
    expect(await centre.apply.applyRecords(0, [two])).toMatchObject({ units: 1, changes: 8 });
    expect(await centre.apply.applyRecords(0, parts)).toMatchObject({ units: 0, duplicateUnits: 3 });
    expect((await centre.ordersOf(till)).map(({ items }) => items)).toEqual(['2', '2']);
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });

  test('the same number with other contents fences the terminal, and what follows is held', async () => {
    const till = await centre.newTill();
    const { record } = await centre.send(till, sale('A'));
    const copy = await centre.newTill();
    const other = copy.unit(...sale('Z'));
    await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [other])]);
    const { status } = await centre.one<{ status: string }>(
      'SELECT status FROM payflow_sync.terminal WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(status).toBe('fenced');
    expect(await centre.apply.applyRecords(0, [record])).toMatchObject({ units: 0, heldRecords: 1 });
    expect(await centre.ordersOf(till)).toHaveLength(1);
  });

  test('another incarnation is held, never applied', async () => {
    const till = await centre.newTill();
    await centre.send(till, sale('A'));
    till.incarnation = 'other';
    expect((await centre.send(till, sale('B'))).result).toMatchObject({ units: 0, heldRecords: 1 });
  });
});

test('a record with a gap inside waits for the missing unit and keeps nobody busy', async () => {
  const till = await centre.newTill();
  const [first, second, third] = ['A', 'B', 'C'].map((name) =>
    till.unit(insert('orders', name, { number: name })),
  );
  if (first === undefined || second === undefined || third === undefined) throw new Error('three units');
  const held = () =>
    centre.one<{ n: string }>('SELECT count(*) AS n FROM payflow_sync.held WHERE terminal_id = $1', [
      till.terminal,
    ]);
  await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [first, third])]);
  expect(await held()).toEqual({ n: '1' });
  await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [second])]);
  expect(await held()).toEqual({ n: '0' });
  const orders = await centre.all<{ number: string }>(
    'SELECT number FROM orders WHERE terminal_code = $1 ORDER BY id',
    [till.terminal],
  );
  expect(orders.map(({ number }) => number)).toEqual(['A', 'B', 'C']);
}, 15_000);
