import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CentralApply } from '../../../services/central-apply/apply.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import {
  insert,
  silentLog,
  startCentre,
  type ChangeSpec,
  type FakeTill,
  type TestCentre,
} from '../../support/centre.ts';

let centre: TestCentre;
let apply: CentralApply;
let count = 0;

beforeAll(async () => {
  centre = await startCentre();
  apply = new CentralApply({
    pool: centre.pool,
    eventLog: {} as EventLog,
    prefix: 'payflow',
    partitions: [0],
    log: silentLog,
  });
});
afterAll(async () => {
  await centre?.stop();
});

type Image = Record<string, string | null>;
interface Result {
  readonly outcome: string;
  readonly id: string | null;
  readonly image: Image | undefined;
}

/** Sends one unit; what became of each of its changes. */
async function send(till: FakeTill, ...changes: ChangeSpec[]): Promise<Result[]> {
  const unit = till.unit(...changes);
  await apply.applyRecords(0, [till.stored((count += 1), [unit])]);
  const { entries } = await centre.one<{ entries: string }>(
    'SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1 AND unit = $2',
    [till.terminal, unit.number],
  );
  return (JSON.parse(entries) as [number, string, string | null, string, string, Image?][]).map(
    ([, , id, outcome, , image]) => ({ outcome, id, image }),
  );
}

const newTill = () => centre.till(`c-till-${(count += 1)}`);
const NOW = Date.now();
const iso = (ms: number) => new Date(ms).toISOString();

interface Product {
  id: string;
  sku: string;
  name: string;
  price: string;
  stock: string;
  deleted_at: Date | null;
}
const product = (id: string | null) => centre.one<Product>('SELECT * FROM products WHERE id = $1', [id]);

/** A product of head office, last changed at `atMs`. */
async function centralProduct(atMs: number, values: { name?: string; stock?: number } = {}): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    `INSERT INTO products (sku, name, price, stock, updated_at) VALUES ($1, $2, 10, $3, $4) RETURNING id`,
    [`sku-${(count += 1)}`, values.name ?? 'central', values.stock ?? 100, iso(atMs)],
  );
  return id;
}

const update = (id: string, atMs: number, old: ChangeSpec['old'], next: ChangeSpec['new']): ChangeSpec => ({
  op: 'u',
  table: 'products',
  row: { identity: `p-${id}`, centralId: id },
  old: { ...old, updated_at: iso(atMs - 60_000) },
  new: { ...next, updated_at: iso(atMs) },
  atMs,
});

describe('last writer wins', () => {
  test('a later change of a till wins, and only its columns are written', async () => {
    const id = await centralProduct(NOW - 50_000);
    const results = await send(
      await newTill(),
      update(id, NOW - 10_000, { name: 'central' }, { name: 'till' }),
    );
    expect(results).toEqual([{ outcome: 'applied', id, image: undefined }]);
    expect(await product(id)).toMatchObject({ name: 'till', price: '10.00' });
  });

  test('an earlier one loses: the till is shown the row, and the conflict is kept', async () => {
    const id = await centralProduct(NOW - 10_000);
    const till = await newTill();
    const [result] = await send(till, update(id, NOW - 50_000, { name: 'old' }, { name: 'till' }));
    expect(result).toMatchObject({
      outcome: 'lost',
      id,
      image: { id, name: 'central', price: '10.00', deleted_at: null },
    });
    expect(await product(id)).toMatchObject({ name: 'central' });
    const conflict = await centre.one<{ terminal_row: string }>(
      'SELECT winner, rule, terminal_row FROM payflow_sync.conflict WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(conflict).toMatchObject({ winner: 'central', rule: 'last-writer-wins' });
    expect(JSON.parse(conflict.terminal_row)).toMatchObject({ name: 'till' });
  });

  test('one that the till wins over what it did not know is kept as well', async () => {
    const id = await centralProduct(NOW - 50_000);
    const till = await newTill();
    const [result] = await send(till, update(id, NOW - 10_000, { name: 'long ago' }, { name: 'till' }));
    expect(result).toMatchObject({ outcome: 'applied', id });
    expect(await product(id)).toMatchObject({ name: 'till' });
    const conflict = await centre.one<{ central_row: string; terminal_row: string }>(
      'SELECT winner, rule, central_row, terminal_row FROM payflow_sync.conflict WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(conflict).toMatchObject({ winner: 'terminal', rule: 'last-writer-wins' });
    expect(JSON.parse(conflict.central_row)).toMatchObject({ name: 'central' });
    expect(JSON.parse(conflict.terminal_row)).toMatchObject({ name: 'till' });
  });

  test('a tie goes to the centre', async () => {
    const id = await centralProduct(NOW - 10_000);
    const [result] = await send(
      await newTill(),
      update(id, NOW - 10_000, { name: 'central' }, { name: 'till' }),
    );
    expect(result?.outcome).toBe('lost');
  });

  test('a till never loses against its own last change, even with its clock set back', async () => {
    const id = await centralProduct(NOW - 50_000);
    const till = await newTill();
    await send(till, update(id, NOW - 10_000, { name: 'central' }, { name: 'first' }));
    const [result] = await send(till, update(id, NOW - 40_000, { name: 'first' }, { name: 'second' }));
    expect(result?.outcome).toBe('applied');
    expect(await product(id)).toMatchObject({ name: 'second' });
  });

  test('what a trigger at the centre stamps on a till row does not beat a later till', async () => {
    const id = await centralProduct(NOW - 90_000);
    // The touch trigger sets updated_at to the present, long after what the second till did.
    await send(await newTill(), update(id, NOW - 50_000, { name: 'central' }, { name: 'one' }));
    const [result] = await send(
      await newTill(),
      update(id, NOW - 40_000, { name: 'central' }, { name: 'two' }),
    );
    expect(result?.outcome).toBe('applied');
    expect(await product(id)).toMatchObject({ name: 'two' });
  });

  test('what head office changed after a till counts by its own timestamp', async () => {
    const id = await centralProduct(NOW - 90_000);
    await send(await newTill(), update(id, NOW - 50_000, { name: 'central' }, { name: 'till' }));
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    const [result] = await send(await newTill(), update(id, NOW - 1_000, { name: 'till' }, { name: 'late' }));
    expect(result).toMatchObject({ outcome: 'lost', image: { name: 'office' } });
  });

  test('a clock that runs ahead is held to the time of receipt', async () => {
    const id = await centralProduct(NOW - 90_000);
    await send(await newTill(), update(id, NOW + 86_400_000, { name: 'central' }, { name: 'future' }));
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    const [result] = await send(
      await newTill(),
      update(id, Date.now() + 86_400_000, { name: 'future' }, { name: 'next' }),
    );
    expect(result?.outcome).toBe('applied');
  });

  test('a change that makes no difference shows the row and writes nothing', async () => {
    const id = await centralProduct(NOW - 50_000);
    const before = await centre.one('SELECT xmin, updated_at FROM products WHERE id = $1', [id]);
    const [result] = await send(await newTill(), update(id, NOW - 60_000, { price: 9 }, { price: 10 }));
    expect(result).toMatchObject({ outcome: 'applied', image: { price: '10.00' } });
    expect(await centre.one('SELECT xmin, updated_at FROM products WHERE id = $1', [id])).toMatchObject({
      updated_at: (before as { updated_at: Date }).updated_at,
    });
  });

  test('changes of a row that is gone are gone', async () => {
    const id = await centralProduct(NOW - 50_000);
    await centre.pool.query('DELETE FROM products WHERE id = $1', [id]);
    const results = await send(await newTill(), update(id, NOW, { name: 'central' }, { name: 'till' }));
    expect(results).toEqual([{ outcome: 'gone', id, image: undefined }]);
  });
});

describe('delta columns', () => {
  test('sums of several tills add up exactly, also where the rest of the change loses', async () => {
    const id = await centralProduct(NOW - 1_000, { stock: 100 });
    const [one, two] = [await newTill(), await newTill()];
    const stock = (at: number, old: number, next: number) =>
      update(id, at, { stock: old, name: 'central' }, { stock: next, name: 'till' });
    const [first] = await send(one, stock(NOW - 50_000, 100, 99.9), stock(NOW - 49_000, 99.9, 99.7));
    expect(first).toMatchObject({ outcome: 'merged', image: undefined });
    await send(two, stock(NOW - 50_000, 100, 97));
    expect(await product(id)).toMatchObject({ name: 'central', stock: '96.700' });
  });

  test('a stock that went down and up again writes nothing', async () => {
    const id = await centralProduct(NOW - 50_000, { stock: 5 });
    const till = await newTill();
    await send(
      till,
      update(id, NOW, { stock: 5 }, { stock: 4 }),
      update(id, NOW, { stock: 4 }, { stock: 5 }),
    );
    expect(await product(id)).toMatchObject({ stock: '5.000' });
  });
});

describe('deletes', () => {
  const remove = (row: ChangeSpec['row'], atMs = Date.now(), table = 'products'): ChangeSpec => ({
    op: 'd',
    table,
    row,
    atMs,
  });

  test('a real delete on a soft table becomes the mark', async () => {
    const id = await centralProduct(NOW - 50_000);
    const [result] = await send(await newTill(), remove({ identity: 'p', centralId: id }));
    expect(result).toEqual({ outcome: 'applied', id, image: undefined });
    expect((await product(id)).deleted_at).not.toBeNull();
  });

  test('on a hard table the row goes, children before parents', async () => {
    const till = await newTill();
    const [order] = await send(
      till,
      insert('orders', 'o', { number: '1' }),
      insert('payments', 'p', { method: 'cash', amount_cents: 1n }, { order_id: 'o' }),
    );
    const results = await send(till, remove('o', NOW, 'orders'), remove('p', NOW, 'payments'));
    expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
    expect(await centre.all('SELECT 1 FROM orders WHERE id = $1', [order?.id])).toEqual([]);
  });

  test('a delete that is older than an update of the centre loses', async () => {
    const id = await centralProduct(NOW - 1_000);
    const [result] = await send(await newTill(), remove({ identity: 'p', centralId: id }, NOW - 50_000));
    expect(result).toMatchObject({ outcome: 'lost', image: { id, deleted_at: null } });
  });

  test('an update that is later than the mark of the centre brings the row back', async () => {
    const id = await centralProduct(NOW - 90_000);
    await centre.pool.query('ALTER TABLE products DISABLE TRIGGER touch');
    await centre.pool.query('UPDATE products SET deleted_at = now(), updated_at = $2 WHERE id = $1', [
      id,
      iso(NOW - 50_000),
    ]);
    await centre.pool.query('ALTER TABLE products ENABLE TRIGGER touch');
    await send(await newTill(), update(id, NOW - 1_000, { name: 'central' }, { name: 'till' }));
    expect(await product(id)).toMatchObject({ name: 'till', deleted_at: null });
  });

  test('INSERT OR REPLACE on the till is an update of the same central row, its stock a difference', async () => {
    const till = await newTill();
    const sku = `sku-${(count += 1)}`;
    const values = { sku, name: 'a', price: 1, stock: 10 };
    const [made] = await send(till, insert('products', 'r', values));
    await send(await newTill(), update(made?.id ?? '', NOW - 50_000, { stock: 10 }, { stock: 15 }));
    const results = await send(
      till,
      { op: 'd', table: 'products', row: 'r', old: values },
      insert('products', 'r', { ...values, name: 'b', stock: 8 }),
    );
    expect(results.map(({ id }) => id)).toEqual([made?.id, made?.id]);
    expect(await product(made?.id ?? null)).toMatchObject({ name: 'b', stock: '13.000', deleted_at: null });
  });

  test('a hard row deleted and brought back later under the same identity is a new row', async () => {
    const till = await newTill();
    const [first] = await send(till, insert('orders', 'o', { number: '1' }));
    await send(till, remove('o', NOW, 'orders'));
    const [second] = await send(till, insert('orders', 'o', { number: '2' }));
    expect(second?.outcome).toBe('applied');
    expect(second?.id).not.toBe(first?.id);
    expect(await centre.all('SELECT number FROM orders WHERE terminal_code = $1', [till.terminal])).toEqual([
      { number: '2' },
    ]);
  });
});

describe('rows that are there already', () => {
  test('two tills that add the same product end with one, and children of both refer to it', async () => {
    const sku = `sku-${(count += 1)}`;
    const [one, two] = [await newTill(), await newTill()];
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
    const [first] = await send(one, add('one'), ...sold('one'));
    const [second, , item] = await send(two, add('two'), ...sold('two'));
    expect(first?.outcome).toBe('applied');
    expect(second).toMatchObject({ outcome: 'merged', id: first?.id });
    expect(await product(first?.id ?? null)).toMatchObject({ stock: '7.000' });
    expect(await centre.one('SELECT product_id FROM order_items WHERE id = $1', [item?.id])).toEqual({
      product_id: first?.id,
    });
  });

  test('the same product from two tills in one group is merged as well', async () => {
    const sku = `sku-${(count += 1)}`;
    const tills = [await newTill(), await newTill()];
    const records = tills.map((till) =>
      till.stored((count += 1), [
        till.unit(insert('products', 'p', { sku, name: till.terminal, price: 1, stock: 1 })),
      ]),
    );
    const { outcomes } = await apply.applyRecords(0, records);
    expect(outcomes).toEqual(
      new Map([
        ['applied', 1],
        ['merged', 1],
      ]),
    );
    expect(await centre.all('SELECT 1 FROM products WHERE sku = $1', [sku])).toHaveLength(1);
  });

  test('a second row of one till for the same product is rejected', async () => {
    const sku = `sku-${(count += 1)}`;
    const till = await newTill();
    await send(till, insert('products', 'p1', { sku, name: 'a', price: 1, stock: 1 }));
    const [result] = await send(till, insert('products', 'p2', { sku, name: 'b', price: 1, stock: 1 }));
    expect(result?.outcome).toBe('rejected');
    expect(
      await centre.one('SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]),
    ).toEqual({
      code: 'NATURAL_KEY_TAKEN',
    });
  });

  test('an offered row is inserted if missing, else only linked and shown', async () => {
    const till = await newTill();
    const id = await centralProduct(NOW - 50_000, { stock: 3 });
    const { sku } = await product(id);
    const offer = (row: string, values: ChangeSpec['new']): ChangeSpec => ({
      op: 'r',
      table: 'products',
      row,
      new: values ?? {},
    });
    const results = await send(
      till,
      offer('known', { sku, name: 'till', price: 99, stock: 50 }),
      offer('new', { sku: `sku-${(count += 1)}`, name: 'till', price: 99, stock: 50 }),
    );
    expect(results).toMatchObject([
      { outcome: 'merged', id, image: { name: 'central', stock: '3.000' } },
      { outcome: 'applied', image: undefined },
    ]);
    const again = await send(till, offer('known', { sku, name: 'till', price: 99, stock: 50 }));
    expect(again).toMatchObject([{ outcome: 'duplicate', id, image: { name: 'central' } }]);
  });

  test('an offered server_id is believed only if the natural key agrees', async () => {
    const till = await newTill();
    const [id, other] = [await centralProduct(NOW - 50_000), await centralProduct(NOW - 50_000)];
    const { sku } = await product(id);
    const offer = (centralId: string, identity: string): ChangeSpec => ({
      op: 'r',
      table: 'products',
      row: { identity, centralId },
      new: { sku, name: 'x', price: 1, stock: 0 },
    });
    const results = await send(till, offer(id, 'right'), offer(other, 'wrong'));
    expect(results.map(({ outcome }) => outcome)).toEqual(['merged', 'rejected']);
  });

  test('a carried key that exists merges; the store comes from the till', async () => {
    const till = await newTill();
    const values = (value: string) => ({ name: 'footer', value, updated_at: iso(NOW - 1_000) });
    await send(till, insert('settings', 's', values('mine')));
    await centre.pool.query(`UPDATE settings SET value = 'office', updated_at = now() WHERE store_id = 'S1'`);
    const [result] = await send(await newTill(), insert('settings', 's', values('theirs')));
    expect(result).toMatchObject({ outcome: 'merged', id: '["S1","footer"]', image: { value: 'office' } });
  });
});

describe('directions', () => {
  test('a pull-only table gets no image', async () => {
    const till = await newTill();
    const id = '9b2f4d0e-6a53-4c1c-8e0a-2f1d3b4c5d6e';
    await send(till, insert('audit_logs', 'a', { id: id.toUpperCase(), what: 'login' }));
    const results = await send(till, insert('audit_logs', 'a', { id, what: 'login' }));
    expect(results).toEqual([{ outcome: 'duplicate', id, image: undefined }]);
  });

  test('a push-only table takes nothing and shows what stands there', async () => {
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO taxes (code, rate) VALUES ('A', 0.19) RETURNING id`,
    );
    const results = await send(
      await newTill(),
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
