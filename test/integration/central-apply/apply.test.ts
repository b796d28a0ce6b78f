import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CentralApply } from '../../../services/central-apply/apply.ts';
import { OutcomeRetention } from '../../../services/central-apply/retention.ts';
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
let tillCount = 0;
let offset = 0;

beforeAll(async () => {
  centre = await startCentre();
});
afterAll(async () => {
  await centre?.stop();
});
beforeEach(() => {
  apply = newApply();
});

function newApply(): CentralApply {
  return new CentralApply({
    pool: centre.pool,
    // The steps under test read nothing from the log.
    eventLog: {} as EventLog,
    prefix: 'payflow',
    partitions: [0],
    log: silentLog,
  });
}

async function newTill(): Promise<FakeTill> {
  tillCount += 1;
  return centre.till(`till-${tillCount}`);
}

/** Sends each list of changes as a unit of its own, all in one record. */
async function send(till: FakeTill, ...units: ChangeSpec[][]) {
  const record = till.stored(
    (offset += 1),
    units.map((changes) => till.unit(...changes)),
  );
  return { record, result: await apply.applyRecords(0, [record]) };
}

function sale(name: string, quantity = 2n): ChangeSpec[] {
  return [
    insert('orders', `${name}-o`, { number: name, total: 12.5, sold_at: 1_700_000_000_123n }),
    insert('order_items', `${name}-i1`, { quantity, price: 5 }, { order_id: `${name}-o` }),
    insert('order_items', `${name}-i2`, { quantity: 1n, price: 2.5 }, { order_id: `${name}-o` }),
    insert('payments', `${name}-p`, { method: 'cash', amount_cents: 1250n }, { order_id: `${name}-o` }),
  ];
}

const progressOf = (till: FakeTill) =>
  centre.one<{ last_unit: string; last_seq: string; exceptions: string }>(
    'SELECT * FROM payflow_sync.progress WHERE terminal_id = $1',
    [till.terminal],
  );

type EntryJson = [
  seq: number,
  table: string,
  id: string | null,
  outcome: string,
  hash: string,
  image?: Record<string, string | null>,
];

async function outcomesOf(till: FakeTill): Promise<EntryJson[]> {
  const rows = await centre.all<{ entries: string }>(
    'SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1 ORDER BY unit',
    [till.terminal],
  );
  return rows.flatMap(({ entries }) => JSON.parse(entries) as EntryJson[]);
}

async function ordersOf(till: FakeTill) {
  return centre.all<{ number: string; items: string; paid: string; store_id: string }>(
    `SELECT o.number, o.store_id, (SELECT count(*) FROM order_items i WHERE i.order_id = o.id) AS items,
            (SELECT sum(amount)::text FROM payments p WHERE p.order_id = o.id) AS paid
       FROM orders o WHERE o.terminal_code = $1 ORDER BY o.number`,
    [till.terminal],
  );
}

describe('a sale', () => {
  test('arrives with its references rewritten, its links and its outcome', async () => {
    const till = await newTill();
    const { result } = await send(till, sale('A'));
    expect(result.outcomes).toEqual(new Map([['applied', 4]]));
    expect(await ordersOf(till)).toEqual([{ number: 'A', items: '2', paid: '12.50', store_id: 'S1' }]);
    const outcomes = await outcomesOf(till);
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
    expect(await progressOf(till)).toMatchObject({ last_unit: '1', last_seq: '4', exceptions: '[]' });
  });

  test('sent again any number of times stays one sale', async () => {
    const till = await newTill();
    const { record } = await send(till, sale('A'), sale('B'));
    for (let times = 0; times < 3; times += 1) {
      const again = await apply.applyRecords(0, [record, { ...record, offset: (offset += 1) }]);
      expect(again).toMatchObject({ units: 0, duplicateUnits: 4 });
    }
    expect(await ordersOf(till)).toHaveLength(2);
    expect(await outcomesOf(till)).toHaveLength(8);
  });

  test('resent packed otherwise stays one sale', async () => {
    const till = await newTill();
    const units = ['A', 'B', 'C'].map((name) => till.unit(...sale(name)));
    const [first, second, third] = units;
    if (!first || !second || !third) throw new Error('three units');
    await apply.applyRecords(0, [till.stored((offset += 1), [first, second])]);
    const { units: applied } = await apply.applyRecords(0, [till.stored((offset += 1), units)]);
    expect(applied).toBe(1);
    expect((await ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B', 'C']);
  });

  test('rows that refer to each other in a circle arrive together', async () => {
    const till = await newTill();
    const { result } = await send(till, [
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
    const till = await newTill();
    const ids = await centre.all<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at)
       VALUES ('n1', 'a', 1, 5, '2020-01-01'), ('n2', 'b', 1, 5, '2020-01-01') RETURNING id`,
    );
    const { result } = await send(till, [
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
    const till = await newTill();
    till.databaseId = 'another';
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO products (sku, name, price) VALUES ('foreign', 'x', 1) RETURNING id`,
    );
    const { result } = await send(till, [
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

describe('order', () => {
  test('a gap is held and released, in order, when it closes', async () => {
    const till = await newTill();
    const [one, two, three] = ['A', 'B', 'C'].map((name) => till.unit(...sale(name)));
    if (!one || !two || !three) throw new Error('three units');
    const late = await apply.applyRecords(0, [
      till.stored((offset += 1), [three]),
      till.stored((offset += 1), [two]),
    ]);
    expect(late).toMatchObject({ units: 0, heldRecords: 2 });
    const closed = await apply.applyRecords(0, [till.stored((offset += 1), [one])]);
    expect(closed.units).toBe(3);
    expect(await progressOf(till)).toMatchObject({ last_unit: '3', last_seq: '12' });
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });

  test('a unit in parts is applied once all parts are there, in whatever order they come', async () => {
    const till = await newTill();
    const unit = till.unit(...sale('A'), ...sale('B'));
    const parts = [unit.changes.slice(0, 3), unit.changes.slice(3, 5), unit.changes.slice(5)].map(
      (changes, index) => till.stored((offset += 1), [{ ...unit, changes }], { part: index + 1, parts: 3 }),
    );
    const [one, two, three] = parts;
    if (!one || !two || !three) throw new Error('three parts');
    expect(await apply.applyRecords(0, [three, one, one])).toMatchObject({ units: 0 });
    expect(await ordersOf(till)).toEqual([]);
    expect(await apply.applyRecords(0, [two])).toMatchObject({ units: 1, changes: 8 });
    expect(await apply.applyRecords(0, parts)).toMatchObject({ units: 0, duplicateUnits: 3 });
    expect((await ordersOf(till)).map(({ items }) => items)).toEqual(['2', '2']);
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });

  test('the same number with other contents fences the terminal, and what follows is held', async () => {
    const till = await newTill();
    const { record } = await send(till, sale('A'));
    const copy = await newTill();
    const other = copy.unit(...sale('Z'));
    await apply.applyRecords(0, [till.stored((offset += 1), [other])]);
    const { status } = await centre.one<{ status: string }>(
      'SELECT status FROM payflow_sync.terminal WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(status).toBe('fenced');
    expect(await apply.applyRecords(0, [record])).toMatchObject({ units: 0, heldRecords: 1 });
    expect(await ordersOf(till)).toHaveLength(1);
  });

  test('another incarnation is held, never applied', async () => {
    const till = await newTill();
    await send(till, sale('A'));
    till.incarnation = 'other';
    expect((await send(till, sale('B'))).result).toMatchObject({ units: 0, heldRecords: 1 });
  });
});

describe('the door', () => {
  test('a record whose signature fails is noted by its place and touches nothing else', async () => {
    const till = await newTill();
    const good = till.stored((offset += 1), [till.unit(...sale('A'))]);
    const forged = { ...good, headers: { sig: Buffer.alloc(64) } };
    expect(await apply.applyRecords(0, [forged])).toMatchObject({ units: 0, refusedRecords: 1 });
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.progress WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
    expect(
      await centre.one('SELECT terminal_id, code FROM payflow_sync.refused_record WHERE record_offset = $1', [
        good.offset,
      ]),
    ).toEqual({ terminal_id: till.terminal, code: 'SIGNATURE_INVALID' });
    expect(await apply.applyRecords(0, [good])).toMatchObject({ units: 1 });
  });

  test('unknown and retired terminals are refused', async () => {
    const till = await newTill();
    const record = till.stored((offset += 1), [till.unit(...sale('A'))]);
    await centre.pool.query(`UPDATE payflow_sync.terminal SET status = 'retired' WHERE terminal_id = $1`, [
      till.terminal,
    ]);
    const stranger = { ...record, offset: (offset += 1), key: Buffer.from('stranger') };
    expect(await apply.applyRecords(0, [record, stranger])).toMatchObject({ units: 0, refusedRecords: 2 });
  });

  test('bytes that are no record are refused and do not stop the partition', async () => {
    const till = await newTill();
    const record = till.stored((offset += 1), [till.unit(...sale('A'))]);
    const cut = { ...record, offset: (offset += 1), key: null, value: null };
    expect(await apply.applyRecords(0, [cut, record])).toMatchObject({ units: 1, refusedRecords: 1 });
  });

  test('the offset moves in the transaction that applies', async () => {
    const till = await newTill();
    const { record } = await send(till, sale('A'));
    expect(await centre.one(`SELECT next_offset FROM payflow_sync.consumed WHERE partition = 0`)).toEqual({
      next_offset: String(record.offset + 1),
    });
  });
});

describe('dead letters', () => {
  test('a refused row takes only what hangs on it along', async () => {
    const till = await newTill();
    const { result } = await send(till, [...sale('A'), ...sale('B', 0n), ...sale('C')], sale('D'));
    expect(result.outcomes).toEqual(
      new Map([
        ['applied', 12],
        ['rejected', 4],
      ]),
    );
    expect((await ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'C', 'D']);
    const letters = await centre.all<{
      code: string;
      first_seq: string;
      last_seq: string;
      constraint_name: string;
    }>('SELECT * FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]);
    expect(letters).toMatchObject([
      { code: '23514', first_seq: '5', last_seq: '8', constraint_name: 'order_items_quantity_check' },
    ]);
    expect((await progressOf(till)).exceptions).toBe('[[5,8,"rejected"]]');
  });

  test('what depends on a refused insert becomes a dead letter with it', async () => {
    const till = await newTill();
    await send(till, sale('A', 0n));
    const { result } = await send(
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
    expect((await progressOf(till)).exceptions).toBe('[[1,6,"rejected"]]');
    const codes = await centre.all<{ code: string }>(
      'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY first_seq',
      [till.terminal],
    );
    expect(codes.map(({ code }) => code)).toEqual(['23514', 'REFERENCE_UNKNOWN', 'REFERENCE_UNKNOWN']);
  });

  test('a value that does not fit is refused, not cut off', async () => {
    const till = await newTill();
    const { result } = await send(till, [
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
    const till = await newTill();
    await send(till, sale('A'), [
      insert('payments', 'v', { method: 'void', amount_cents: 1n }, { order_id: 'A-o' }),
    ]);
    expect(
      await centre.one('SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1', [till.terminal]),
    ).toEqual({
      code: 'SUPPRESSED',
    });
    expect(await ordersOf(till)).toHaveLength(1);
  });

  test('a deferred constraint is found at the unit that breaks it', async () => {
    const till = await newTill();
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO orders (store_id, terminal_code, number) VALUES ('S1', 'x', 'gone') RETURNING id`,
    );
    await centre.pool.query('DELETE FROM orders WHERE id = $1', [id]);
    const { result } = await send(
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
    const till = await newTill();
    await send(
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

test('outcomes older than the retention are removed, younger ones stay', async () => {
  const till = await newTill();
  await send(till, sale('A'), sale('B'));
  await centre.pool.query(
    `UPDATE payflow_sync.outcome SET applied_at = now() - interval '31 days' WHERE terminal_id = $1 AND unit = 1`,
    [till.terminal],
  );
  const retention = new OutcomeRetention({ pool: centre.pool, retentionDays: 30, log: silentLog });
  expect(await retention.purge()).toBe(1);
  expect(await outcomesOf(till)).toHaveLength(4);
});

test('a mapping published while the applier runs is taken at the next group', async () => {
  const till = await newTill();
  await send(till, sale('A'));
  await centre.pool.query(
    `UPDATE payflow_sync.mapping SET version = 2, source = source || E'  drawers: {scope: global}\n'`,
  );
  await centre.pool.query('CREATE TABLE drawers (id bigserial PRIMARY KEY, name text)');
  const { result } = await send(till, [insert('drawers', 'd', { name: 'left' })]);
  expect(result.outcomes).toEqual(new Map([['applied', 1]]));
});
