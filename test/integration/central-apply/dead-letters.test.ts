/** Changes that the centre refuses, and what goes down with them. */
import { describe, expect, test } from 'vitest';
import { sale, useCentre } from '../../support/apply-site.ts';
import { insert } from '../../support/centre.ts';

/** What the till is told of a line without a quantity. */
const QUANTITY = '23514 order_items_quantity_check: the centre does not allow this value';

const centre = useCentre();

describe('dead letters', () => {
  test('a refused row takes only what hangs on it along', async () => {
    const till = await centre.newTill();
    const { result } = await centre.send(till, [...sale('A'), ...sale('B', 0n), ...sale('C')], sale('D'));
    expect(result.outcomes).toEqual(
      new Map([
        ['applied', 12],
        ['rejected', 4],
      ]),
    );
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'C', 'D']);
    const letters = await centre.all<{
      code: string;
      first_seq: string;
      last_seq: string;
      constraint_name: string;
    }>('SELECT * FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]);
    expect(letters).toMatchObject([
      { code: '23514', first_seq: '5', last_seq: '8', constraint_name: 'order_items_quantity_check' },
    ]);
    expect((await centre.progressOf(till)).exceptions).toBe(`[[5,8,"rejected","${QUANTITY}"]]`);
  });

  test('what depends on a refused insert becomes a dead letter with it', async () => {
    const till = await centre.newTill();
    await centre.send(till, sale('A', 0n));
    const { result } = await centre.send(
      till,
      [{ op: 'u', table: 'orders', row: 'A-o', old: { status: 'open' }, new: { status: 'done' } }],
      [insert('payments', 'late', { method: 'card', amount_cents: 1n }, { order_id: 'A-o' })],
      sale('B'),
    );
    expect(result.outcomes).toEqual(
      new Map([
        ['rejected', 2],
        ['applied', 4],
      ]),
    );
    expect((await centre.progressOf(till)).exceptions).toBe(
      `[[1,4,"rejected","${QUANTITY}"],[5,6,"rejected","REFERENCE_UNKNOWN"]]`,
    );
    const codes = await centre.all<{ code: string }>(
      'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY first_seq',
      [till.terminal],
    );
    expect(codes.map(({ code }) => code)).toEqual(['23514', 'REFERENCE_UNKNOWN', 'REFERENCE_UNKNOWN']);
  });

  test('a value that does not fit is refused, not cut off', async () => {
    const till = await centre.newTill();
    const { result } = await centre.send(till, [
      insert('products', 'p', { sku: 'long', name: 'x'.repeat(21), price: 1n, stock: 0n }),
    ]);
    expect(result.outcomes).toEqual(new Map([['rejected', 1]]));
    expect(
      await centre.one('SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]),
    ).toEqual({
      code: '22001',
    });
  });

  test('a row that a trigger swallows is refused as SUPPRESSED', async () => {
    await centre.pool.query(`
      CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
      CREATE TRIGGER swallow BEFORE INSERT ON payments FOR EACH ROW WHEN (NEW.method = 'void') EXECUTE FUNCTION swallow()`);
    const till = await centre.newTill();
    await centre.send(till, sale('A'), [
      insert('payments', 'v', { method: 'void', amount_cents: 1n }, { order_id: 'A-o' }),
    ]);
    expect(
      await centre.one('SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]),
    ).toEqual({
      code: 'SUPPRESSED',
    });
    expect(await centre.ordersOf(till)).toHaveLength(1);
  });

  test('a deferred constraint is found at the unit that breaks it', async () => {
    const till = await centre.newTill();
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO orders (store_id, terminal_code, number) VALUES ('S1', 'x', 'gone') RETURNING id`,
    );
    await centre.pool.query('DELETE FROM orders WHERE id = $1', [id]);
    const { result } = await centre.send(
      till,
      [
        insert(
          'order_items',
          'i',
          { quantity: 1n, price: 1 },
          { order_id: { identity: 'o', centralId: id } },
        ),
      ],
      sale('A'),
    );
    expect(result.outcomes).toEqual(
      new Map([
        ['rejected', 1],
        ['applied', 4],
      ]),
    );
  });

  test('an unmapped table and an unknown reference are dead letters of ours', async () => {
    const till = await centre.newTill();
    await centre.send(
      till,
      [insert('unheard_of', 'x', { a: 1n })],
      [insert('payments', 'p', { method: 'cash', amount_cents: 1n }, { order_id: 'never' })],
    );
    const letters = await centre.all<{ code: string; changes: string }>(
      'SELECT code, changes FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY first_seq',
      [till.terminal],
    );
    expect(letters.map(({ code }) => code)).toEqual(['TABLE_NOT_MAPPED', 'REFERENCE_UNKNOWN']);
    expect(JSON.parse(letters[0]?.changes ?? '')).toMatchObject([
      { table: 'unheard_of', columns: [{ new: { i: '1' } }] },
    ]);
  });
});
