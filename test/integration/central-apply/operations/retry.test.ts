/** A refused change is tried again: once, with its own numbers and old values, and never over what came later. */
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { schemaFile } from '../../../../services/shared/paths.ts';
import { piecesOf } from '../../../../services/shared/records/change-pieces.ts';
import { changesFromJson, changesToJson } from '../../../../services/shared/records/stored-changes.ts';
import { sale, useCentre } from '../../../support/apply-site.ts';
import { Asking } from '../../../support/asking.ts';
import { insert, type FakeTill } from '../../../support/centre.ts';
import { lettersOf, TOO_LONG } from './letters.ts';

/** What the till is told of a line without a quantity. */
const QUANTITY = '23514 order_items_quantity_check: the centre does not allow this value';

const centre = useCentre();
const asking = new Asking(centre);

let till: FakeTill;
beforeEach(async () => {
  till = await centre.newTill();
});
const { letterIds, letterId, letter, exceptions, product } = lettersOf(centre, () => till);

describe('a refused insert that is retried', () => {
  test('is there once, links, and leaves the exceptions', async () => {
    await centre.send(till, sale('A'), sale('B', 0n), sale('C'));
    const id = await letterId();
    expect(await exceptions()).toBe(`[[5,8,"rejected","${QUANTITY}"]]`);
    await centre.pool.query('ALTER TABLE order_items DROP CONSTRAINT order_items_quantity_check');
    try {
      expect(await asking.retryOne(id)).toMatchObject({ state: 'applied', outcomes: { applied: 4 } });
    } finally {
      await centre.pool.query('UPDATE order_items SET quantity = 1 WHERE quantity = 0');
      await centre.pool.query('ALTER TABLE order_items ADD CHECK (quantity > 0)');
    }
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B', 'C']);
    expect(await exceptions()).toBe('[]');
    expect(await letter(id)).toMatchObject({ state: 'applied', decided_by: 'anna' });
    const links = await centre.all(
      `SELECT 1 FROM payflow_sync.link WHERE terminal_id = $1 AND identity LIKE 'B-%'`,
      [till.terminal],
    );
    expect(links).toHaveLength(4);
  });

  test('is refused again with the reason and the count of tries, and stays open', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    await asking.retryOne(id);
    const again = await asking.retryOne(id);
    expect(again).toMatchObject({ state: 'refused', code: '23514' });
    expect(await letter(id)).toMatchObject({ state: 'open', tries: 2, code: '23514', last_code: '23514' });
    expect(await exceptions()).toBe(`[[1,4,"rejected","${QUANTITY}"]]`);
    expect(await centre.ordersOf(till)).toEqual([]);
  });

  test('that nobody needs any more is answered, not tried: closed, or never there', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    await asking.retryOne(id, { set: [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }] });
    expect(await asking.retryOne(id)).toMatchObject({ state: 'closed', code: 'CONFLICT' });
    expect((await asking.retryOne(id)).message).toContain('by anna');
    expect(await asking.retryOne('999999')).toMatchObject({ state: 'unknown', code: 'NOT_FOUND' });
    expect(await centre.ordersOf(till)).toHaveLength(1);
  });

  test('goes through with a mended value, and the letter keeps what came', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    const set = [{ table: 'order_items', column: 'quantity', value: '3', seq: 2 }];
    expect(await asking.retryOne(id, { set })).toMatchObject({ state: 'applied' });
    const { quantity } = await centre.one<{ quantity: number }>(
      `SELECT max(quantity) AS quantity FROM order_items JOIN orders o ON o.id = order_id
        WHERE o.terminal_code = $1`,
      [till.terminal],
    );
    expect(quantity).toBe(3);
    const kept = await letter(id);
    expect(JSON.parse(kept.mended ?? '')).toEqual(set);
    expect(kept.changes).toContain('"name":"quantity","old":null,"new":{"i":"0"}');
  });

  test('says when it is not clear which change a value is for, and tries nothing', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    const set = [{ table: 'order_items', column: 'quantity', value: '3' }];
    const result = await asking.retryOne(id, { set });
    expect(result).toMatchObject({ state: 'refused', code: 'VALIDATION' });
    expect(result.message).toContain('seq 2, 3');
    expect((await letter(id)).tries).toBe(0);
  });

  test('of a till that is retired, fenced or enrolled as another file is applied all the same', async () => {
    const ways = [
      `UPDATE payflow_sync.terminal SET status = 'retired' WHERE terminal_id = $1`,
      `UPDATE payflow_sync.terminal SET status = 'fenced' WHERE terminal_id = $1`,
      `UPDATE payflow_sync.progress SET incarnation = 'another', last_seq = 9, exceptions = '[[1,2,"rejected"]]'
        WHERE terminal_id = $1`,
    ];
    for (const way of ways) {
      till = await centre.newTill();
      await centre.send(till, sale('A', 0n));
      await centre.pool.query(way, [till.terminal]);
      const before = await exceptions();
      const set = [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }];
      expect(await asking.retryOne(await letterId(), { set })).toMatchObject({ state: 'applied' });
      expect(await centre.ordersOf(till)).toHaveLength(1);
      // What another file numbered is nothing that this letter could settle.
      if (way.includes('another')) expect(await exceptions()).toBe(before);
      else expect(await exceptions()).toBe('[]');
    }
  });
});

describe('a change that tills may not make', () => {
  test('goes through with the authority of the operator, and not without', async () => {
    await centre.send(till, [insert('taxes', 't', { code: till.terminal, rate: 19 })]);
    const id = await letterId();
    const taxes = () => centre.all('SELECT rate::text FROM taxes WHERE code = $1', [till.terminal]);
    expect(await asking.retryOne(id)).toMatchObject({ state: 'refused', code: 'CHANGE_NOT_ALLOWED' });
    expect(await taxes()).toEqual([]);
    expect(await asking.retryOne(id, { allow: true })).toMatchObject({ state: 'applied' });
    expect(await taxes()).toEqual([{ rate: '19.0000' }]);
  });

  test('is lent to the letters that were named, never to those that go along', async () => {
    await centre.send(till, [insert('taxes', 't', { code: till.terminal, rate: 19 })]);
    await centre.send(till, [{ op: 'r', table: 'taxes', row: 't', new: { code: till.terminal, rate: 7 } }]);
    const [first = ''] = await letterIds();
    const { letters } = await asking.retry([first], { allow: true });
    expect(letters).toMatchObject([
      { state: 'applied', dependant: false },
      { state: 'refused', dependant: true, code: 'CHANGE_NOT_ALLOWED' },
    ]);
  });
});

describe('what hangs on a letter', () => {
  const late = () => insert('payments', 'late', { method: 'card', amount_cents: 100n }, { order_id: 'A-o' });
  const set = [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }];

  test('goes along in order of seq when it goes through', async () => {
    await centre.send(
      till,
      sale('A', 0n),
      [{ op: 'u', table: 'orders', row: 'A-o', old: { status: 'open' }, new: { status: 'paid' } }],
      [late()],
      [{ op: 'u', table: 'orders', row: 'A-o', old: { status: 'paid' }, new: { status: 'done' } }],
    );
    const [first = '', ...rest] = await letterIds();
    expect(rest).toHaveLength(3);
    const { letters, counts } = await asking.retry([first], { set });
    expect(letters.map(({ state, dependant }) => [state, dependant])).toEqual([
      ['applied', false],
      ['applied', true],
      ['applied', true],
      ['applied', true],
    ]);
    expect(counts.applied).toBe(4);
    const { status } = await centre.one<{ status: string }>(
      'SELECT status FROM orders WHERE terminal_code = $1',
      [till.terminal],
    );
    expect(status).toBe('done');
    expect(await exceptions()).toBe('[]');
  });

  test('stays as it is when the letter is refused again', async () => {
    await centre.send(till, sale('A', 0n), [late()]);
    const [first = '', second = ''] = await letterIds();
    const { letters } = await asking.retry([first]);
    expect(letters).toHaveLength(1);
    expect(await letter(second)).toMatchObject({ state: 'open', tries: 0 });
  });

  test('tells where its parent waits, and, once that was given up, by whom and why', async () => {
    await centre.send(
      till,
      sale('A', 0n),
      [late()],
      [late()].map((each) => ({ ...each, row: 'later' })),
    );
    const [first = '', second = ''] = await letterIds();
    const waits = await asking.retryOne(second);
    expect(waits).toMatchObject({ state: 'refused', code: 'REFERENCE_UNKNOWN' });
    expect(waits.message).toContain(`waits in dead letter ${first}`);
    await centre.pool.query(
      `UPDATE payflow_sync.dead_letter SET state = 'discarded', decided_by = 'bob', why = 'a test' WHERE dead_letter_id = $1`,
      [first],
    );
    const given = await asking.retryOne(second);
    expect(given).toMatchObject({ state: 'refused', code: 'PARENT_DISCARDED' });
    expect(given.message).toContain(`discarded with dead letter ${first} by bob: a test`);
  });
});

describe('many at once', () => {
  test('are taken by filter, a till after the other, each with its own result', async () => {
    const other = await centre.newTill();
    // What goes through between says that the rows are at fault, and not the centre.
    for (const each of [till, other]) await centre.send(each, sale('good', 1n), sale('A', 0n), sale('B', 0n));
    await centre.send(till, [
      insert('payments', 'x', { method: 'cash', amount_cents: 1n }, { order_id: 'never' }),
    ]);
    await centre.pool.query('ALTER TABLE order_items DROP CONSTRAINT order_items_quantity_check');
    try {
      const { result } = await asking.ask<{
        counts: Record<string, number>;
        letters: { terminalId: string }[];
      }>('dead-letter-retry', { all: { code: '23514', table: 'order_items' } });
      expect(result.counts).toMatchObject({ refused: 0 });
      const mine = result.letters.filter(({ terminalId }) =>
        [till.terminal, other.terminal].includes(terminalId),
      );
      expect(mine.map(({ terminalId }) => terminalId)).toEqual([
        till.terminal,
        till.terminal,
        other.terminal,
        other.terminal,
      ]);
    } finally {
      await centre.pool.query('UPDATE order_items SET quantity = 1 WHERE quantity = 0');
      await centre.pool.query('ALTER TABLE order_items ADD CHECK (quantity > 0)');
    }
    expect(await centre.ordersOf(other)).toHaveLength(3);
    expect(await exceptions()).toBe('[[13,13,"rejected","REFERENCE_UNKNOWN"]]');
  });
});

describe('letters that an earlier version wrote', () => {
  /** As they were stored before: nothing but the changes, and no rows noted. */
  const makeOld = async () => {
    await centre.pool.query('DELETE FROM payflow_sync.dead_letter_row WHERE terminal_id = $1', [
      till.terminal,
    ]);
    await centre.pool.query(
      `UPDATE payflow_sync.dead_letter SET indexed = false, store_id = NULL, trusted = NULL, received_at_ms = NULL,
              mapping_version = NULL WHERE terminal_id = $1`,
      [till.terminal],
    );
  };

  test('are found by table, go through, and take along what hangs on them', async () => {
    const late = insert('payments', 'late', { method: 'card', amount_cents: 100n }, { order_id: 'A-o' });
    await centre.send(till, sale('A', 0n), [late]);
    await makeOld();
    const set = [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }];
    const filter = { terminalId: till.terminal, table: 'order_items' };
    const { result } = await asking.ask<{ counts: Record<string, number> }>('dead-letter-retry', {
      all: filter,
      set,
    });
    expect(result.counts).toMatchObject({ applied: 2, refused: 0 });
    expect(await exceptions()).toBe('[]');
  });

  test('go through where they hold a change in pieces, and take along what hangs on it', async () => {
    const late = insert('payments', 'late', { method: 'card', amount_cents: 100n }, { order_id: 'A-o' });
    await centre.send(till, sale('A', 0n), [late]);
    const id = await letterId();
    const pieces = changesFromJson((await letter(id)).changes).flatMap((change) => piecesOf(change, 64));
    expect(pieces.length).toBeGreaterThan(8);
    await centre.pool.query('UPDATE payflow_sync.dead_letter SET changes = $2 WHERE dead_letter_id = $1', [
      id,
      changesToJson(pieces),
    ]);
    await centre.pool.query(
      `UPDATE payflow_sync.dead_letter_row SET table_name = '', role = 'changed' WHERE dead_letter_id = $1`,
      [id],
    );
    await centre.pool.query(await readFile(schemaFile('postgres', 'payflow_sync.sql'), 'utf8'));
    const set = [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }];
    const all = { terminalId: till.terminal, table: 'Order_Items' };
    const { result } = await asking.ask<{ counts: Record<string, number> }>('dead-letter-retry', {
      all,
      set,
    });
    expect(result.counts).toMatchObject({ applied: 2, refused: 0 });
    expect(await centre.ordersOf(till)).toMatchObject([{ number: 'A', items: '2', paid: '13.50' }]);
    expect(await exceptions()).toBe('[]');
  });

  test('never overwrite a row that their till wrote after the refusal', async () => {
    const { update, now } = await product();
    await centre.send(till, [update({ name: 'first' }, { name: TOO_LONG })]);
    await makeOld();
    await centre.pool.query(
      `UPDATE payflow_sync.dead_letter SET refused_at = now() - interval '1 day' WHERE terminal_id = $1`,
      [till.terminal],
    );
    await centre.send(till, [update({ name: 'first' }, { name: 'newer' })]);
    const set = [{ table: 'products', column: 'name', value: 'mended' }];
    expect(await asking.retryOne(await letterId(), { set })).toMatchObject({ state: 'superseded' });
    expect((await now()).name).toBe('newer');
  });
});
