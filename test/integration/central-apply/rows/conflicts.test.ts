/** Who wins where a till and the centre changed the same row, and what delta columns add up to. */
import { describe, expect, test } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { useCentre } from '../../../support/apply-site.ts';
import { CentralProducts, NOW, update } from './central-products.ts';

const centre = useCentre();
const products = new CentralProducts(centre);

describe('last writer wins', () => {
  test('a later change of a till wins, and only its columns are written', async () => {
    const id = await products.add(NOW - 50_000);
    const results = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 10_000, { name: 'central' }, { name: 'till' }),
    );
    expect(results).toEqual([{ outcome: 'applied', id, image: undefined }]);
    expect(await products.find(id)).toMatchObject({ name: 'till', price: '10.00' });
  });

  test('an earlier one loses: the till is shown the row, and the conflict is kept', async () => {
    const id = await products.add(NOW - 10_000);
    const till = await centre.newTill();
    const [result] = await centre.sendForResults(
      till,
      update(id, NOW - 50_000, { name: 'old' }, { name: 'till' }),
    );
    expect(result).toMatchObject({
      outcome: 'lost',
      id,
      image: { id, name: 'central', price: '10.00', deleted_at: null },
    });
    expect(await products.find(id)).toMatchObject({ name: 'central' });
    const conflict = await centre.one<{ terminal_row: string }>(
      'SELECT winner, rule, terminal_row FROM payflow_sync.conflict WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(conflict).toMatchObject({ winner: 'central', rule: 'last-writer-wins' });
    expect(JSON.parse(conflict.terminal_row)).toMatchObject({ name: 'till' });
  });

  test('one that the till wins over what it did not know is kept as well', async () => {
    const id = await products.add(NOW - 50_000);
    const till = await centre.newTill();
    const [result] = await centre.sendForResults(
      till,
      update(id, NOW - 10_000, { name: 'long ago' }, { name: 'till' }),
    );
    expect(result).toMatchObject({ outcome: 'applied', id });
    expect(await products.find(id)).toMatchObject({ name: 'till' });
    const conflict = await centre.one<{ central_row: string; terminal_row: string }>(
      'SELECT winner, rule, central_row, terminal_row FROM payflow_sync.conflict WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(conflict).toMatchObject({ winner: 'terminal', rule: 'last-writer-wins' });
    expect(JSON.parse(conflict.central_row)).toMatchObject({ name: 'central' });
    expect(JSON.parse(conflict.terminal_row)).toMatchObject({ name: 'till' });
  });

  test('one that conflicts with nothing is applied, however slow the clock of its till is', async () => {
    const id = await products.add(NOW - 10_000);
    const [slow, other] = [await centre.newTill(), await centre.newTill()];
    const [result] = await centre.sendForResults(
      slow,
      update(id, NOW - 80_000_000, { name: 'central' }, { name: 'slow' }),
    );
    expect(result?.outcome).toBe('applied');
    // Another column of it, by a till that has not seen that.
    await centre.sendForResults(other, update(id, NOW - 90_000_000, { price: 10 }, { price: 12 }));
    expect(await products.find(id)).toMatchObject({ name: 'slow', price: '12.00' });
    const conflicts = await centre.all('SELECT 1 FROM payflow_sync.conflict WHERE central_id = $1', [id]);
    expect(conflicts).toEqual([]);
  });

  test('a tie goes to the centre', async () => {
    const id = await products.add(NOW - 10_000);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 10_000, { name: 'older' }, { name: 'till' }),
    );
    expect(result?.outcome).toBe('lost');
  });

  test('a till never loses against its own last change, even with its clock set back', async () => {
    const id = await products.add(NOW - 50_000);
    const till = await centre.newTill();
    await centre.sendForResults(till, update(id, NOW - 10_000, { name: 'central' }, { name: 'first' }));
    const [result] = await centre.sendForResults(
      till,
      update(id, NOW - 40_000, { name: 'first' }, { name: 'second' }),
    );
    expect(result?.outcome).toBe('applied');
    expect(await products.find(id)).toMatchObject({ name: 'second' });
  });

  test('what a trigger at the centre stamps on a till row does not beat a later till', async () => {
    const id = await products.add(NOW - 90_000);
    // The touch trigger sets updated_at to the present, long after what the second till did.
    await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 50_000, { name: 'central' }, { name: 'one' }),
    );
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 40_000, { name: 'central' }, { name: 'two' }),
    );
    expect(result?.outcome).toBe('applied');
    expect(await products.find(id)).toMatchObject({ name: 'two' });
  });

  test('what head office changed after a till counts by its own timestamp', async () => {
    const id = await products.add(NOW - 90_000);
    await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 50_000, { name: 'central' }, { name: 'till' }),
    );
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 1_000, { name: 'till' }, { name: 'late' }),
    );
    expect(result).toMatchObject({ outcome: 'lost', image: { name: 'office' } });
  });

  test('a clock that runs ahead is held to the time of receipt', async () => {
    const id = await products.add(NOW - 90_000);
    await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW + 86_400_000, { name: 'central' }, { name: 'future' }),
    );
    const { at } = await centre.one<{ at: Date }>(
      `UPDATE products SET name = 'office' WHERE id = $1 RETURNING updated_at AS at`,
      [id],
    );
    // A tie goes to the centre, and the time of receipt is told in whole milliseconds.
    await until(() => Date.now() > at.getTime(), 'a later millisecond', { everyMs: 1 });
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, Date.now() + 86_400_000, { name: 'future' }, { name: 'next' }),
    );
    expect(result?.outcome).toBe('applied');
  });

  test('a change that makes no difference shows the row and writes nothing', async () => {
    const id = await products.add(NOW - 50_000);
    const before = await centre.one('SELECT xmin, updated_at FROM products WHERE id = $1', [id]);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 60_000, { price: 9 }, { price: 10 }),
    );
    expect(result).toMatchObject({ outcome: 'applied', image: { price: '10.00' } });
    expect(await centre.one('SELECT xmin, updated_at FROM products WHERE id = $1', [id])).toMatchObject({
      updated_at: (before as { updated_at: Date }).updated_at,
    });
  });

  test('changes of a row that is gone are gone', async () => {
    const id = await products.add(NOW - 50_000);
    await centre.pool.query('DELETE FROM products WHERE id = $1', [id]);
    const results = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW, { name: 'central' }, { name: 'till' }),
    );
    expect(results).toEqual([{ outcome: 'gone', id, image: undefined }]);
  });
});

describe('delta columns', () => {
  test('sums of several tills add up exactly, also where the rest of the change loses', async () => {
    const id = await products.add(NOW - 1_000, { stock: 100 });
    const [one, two] = [await centre.newTill(), await centre.newTill()];
    const stock = (at: number, old: number, next: number) =>
      update(id, at, { stock: old, name: 'older' }, { stock: next, name: 'till' });
    const [first] = await centre.sendForResults(
      one,
      stock(NOW - 50_000, 100, 99.9),
      stock(NOW - 49_000, 99.9, 99.7),
    );
    expect(first).toMatchObject({ outcome: 'merged', image: undefined });
    await centre.sendForResults(two, stock(NOW - 50_000, 100, 97));
    expect(await products.find(id)).toMatchObject({ name: 'central', stock: '96.700' });
  });

  test('a stock that went down and up again writes nothing', async () => {
    const id = await products.add(NOW - 50_000, { stock: 5 });
    const till = await centre.newTill();
    await centre.sendForResults(
      till,
      update(id, NOW, { stock: 5 }, { stock: 4 }),
      update(id, NOW, { stock: 4 }, { stock: 5 }),
    );
    expect(await products.find(id)).toMatchObject({ stock: '5.000' });
  });
});
