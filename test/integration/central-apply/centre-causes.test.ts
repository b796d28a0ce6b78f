/** What is the centre's fault makes no dead letter: the tills it hits wait, others go on, and all goes on by itself. */
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CentralApply } from '../../../services/central-apply/apply.ts';
import { until } from '../../../scripts/support/until.ts';
import { applierOn, sale, useCentre } from '../../support/apply-site.ts';
import type { ChangeSpec, FakeTill } from '../../support/centre.ts';
import { limitedRole, type LimitedRole } from '../../support/limited-role.ts';

const centre = useCentre();
let role: LimitedRole;
let apply: CentralApply;

beforeAll(async () => {
  role = await limitedRole(centre.pool, centre.url);
  apply = applierOn(role.pool);
});
afterAll(() => role.pool.end());

const send = (till: FakeTill, ...units: ChangeSpec[][]) =>
  apply.applyRecords(0, [
    till.stored(
      centre.nextOffset(),
      units.map((changes) => till.unit(...changes)),
    ),
  ]);
const letterCount = async () =>
  Number((await centre.one<{ n: string }>('SELECT count(*) AS n FROM payflow_sync.dead_letter')).n);
const numbers = async (till: FakeTill) => (await centre.ordersOf(till)).map(({ number }) => number);
const holdOf = async (till: FakeTill) =>
  (
    await centre.all<{ state: string; code: string; cause_table: string }>(
      `SELECT state, code, cause_table FROM payflow_sync.hold WHERE terminal_id = $1 AND reason = 'centre'`,
      [till.terminal],
    )
  )[0];

/** Breaks the centre, lets tills sell, mends it: everything arrives, in order, and nothing was refused. */
async function survives(
  cause: { readonly begin: string; readonly end: string; readonly code: string },
  tills: number,
): Promise<void> {
  const before = await letterCount();
  const selling = await Promise.all(Array.from({ length: tills }, () => centre.newTill()));
  await centre.pool.query(cause.begin);
  try {
    for (const name of ['A', 'B', 'C']) for (const till of selling) await send(till, sale(name));
    for (let times = 0; times < 8; times += 1)
      for (const till of selling) await apply.tryWaiting(till.terminal);
    for (const till of selling) {
      expect(await numbers(till)).toEqual([]);
      expect(await holdOf(till)).toMatchObject({ code: cause.code });
    }
  } finally {
    await centre.pool.query(cause.end);
  }
  // Another process goes on with it.
  const next = applierOn(role.pool);
  for (const till of selling) {
    await next.tryWaiting(till.terminal);
    expect(await numbers(till)).toEqual(['A', 'B', 'C']);
    expect(await holdOf(till)).toBeUndefined();
    await send(till, sale('D'));
    // The first one may still know the schema as it was, for as long as a model is believed.
    await until(
      async () => {
        await apply.tryWaiting(till.terminal);
        return (await numbers(till)).length === 4;
      },
      'D is applied',
      { everyMs: 100 },
    );
    expect(await numbers(till)).toEqual(['A', 'B', 'C', 'D']);
  }
  expect(await letterCount()).toBe(before);
}

const raise = (code: string) => ({
  begin: `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$;
          CREATE TRIGGER broken BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION broken()`,
  end: 'DROP FUNCTION broken CASCADE',
  code,
});

describe('no dead letter comes of', () => {
  const causes: readonly [string, { begin: string; end: string; code: string }][] = [
    [
      'a new NOT NULL column',
      {
        begin: `ALTER TABLE orders ADD COLUMN cost_centre text NOT NULL DEFAULT 'x';
                ALTER TABLE orders ALTER COLUMN cost_centre DROP DEFAULT`,
        end: 'ALTER TABLE orders DROP COLUMN cost_centre',
        code: '23502',
      },
    ],
    [
      'a right on a table that was taken away',
      { begin: 'REVOKE INSERT ON orders FROM ROLE', end: 'GRANT INSERT ON orders TO ROLE', code: '42501' },
    ],
    [
      'a right to read that was taken away',
      { begin: 'REVOKE SELECT ON orders FROM ROLE', end: 'GRANT SELECT ON orders TO ROLE', code: '42501' },
    ],
    [
      'a right on a sequence that was taken away',
      {
        begin: 'REVOKE USAGE ON SEQUENCE orders_id_seq FROM ROLE',
        end: 'GRANT USAGE ON SEQUENCE orders_id_seq TO ROLE',
        code: '42501',
      },
    ],
    [
      'a right on the schema that was taken away',
      {
        begin: 'REVOKE USAGE ON SCHEMA public FROM PUBLIC, ROLE',
        end: 'GRANT USAGE ON SCHEMA public TO PUBLIC, ROLE',
        code: '42501',
      },
    ],
    ['a full disk', raise('53100')],
    ['memory that is short', raise('53200')],
    ['deadlocks without end', raise('40P01')],
    ['transactions that cannot be serialized', raise('40001')],
    ['statements that time out under load', raise('57014')],
    ['a server that is read only', raise('25006')],
    ['an error inside the server', raise('XX000')],
    [
      'a table that a trigger misses',
      {
        begin: `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN INSERT INTO gone VALUES (NEW.id); RETURN NEW; END $$;
                CREATE TRIGGER broken BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION broken()`,
        end: 'DROP FUNCTION broken CASCADE',
        code: '42P01',
      },
    ],
  ];
  const named = (sql: string) => sql.replaceAll('ROLE', role.name);

  test.each(causes)('%s, with several tills and with one', async (_what, { begin, end, code }) => {
    for (const tills of [1, 3]) await survives({ begin: named(begin), end: named(end), code }, tills);
  });

  test('a rule of head office that all tills break at once', async () => {
    const cause = raise('P0001');
    const tills = await Promise.all([1, 2, 3].map(() => centre.newTill()));
    const before = await letterCount();
    await centre.pool.query(cause.begin);
    await apply.applyRecords(
      0,
      tills.map((till) => till.stored(centre.nextOffset(), [till.unit(...sale('A'))])),
    );
    await centre.pool.query(cause.end);
    for (const till of tills) await apply.tryWaiting(till.terminal);
    for (const till of tills) expect(await numbers(till)).toEqual(['A']);
    expect(await letterCount()).toBe(before);
  });
});

test('what one till was refused before another failed in the same way is tried again when the cause ends', async () => {
  const cause = raise('P0002');
  const [first, second] = [await centre.newTill(), await centre.newTill()];
  await centre.pool.query(cause.begin);
  await send(first, sale('A'));
  const letter = await centre.one<{ dead_letter_id: string }>(
    'SELECT dead_letter_id FROM payflow_sync.dead_letter WHERE terminal_id = $1',
    [first.terminal],
  );
  await send(second, sale('B'));
  expect(await holdOf(second)).toMatchObject({ state: 'centre', code: 'P0002', cause_table: 'orders' });
  await centre.pool.query(cause.end);
  await apply.tryWaiting(second.terminal);
  expect(await numbers(second)).toEqual(['B']);
  expect(
    await centre.all(
      `SELECT kind, arguments, requested_by FROM payflow_sync.operation WHERE state = 'waiting'`,
    ),
  ).toEqual([
    {
      kind: 'dead-letter-retry',
      arguments: JSON.stringify({ ids: [letter.dead_letter_id] }),
      requested_by: 'central-apply',
    },
  ]);
});

test('a row that somebody holds keeps the tills that need it waiting, and no others', async () => {
  const [buyer, other] = [await centre.newTill(), await centre.newTill()];
  const { id } = await centre.one<{ id: string }>(
    `INSERT INTO products (sku, name, price, stock) VALUES ('held', 'held', 1, 10) RETURNING id`,
  );
  const take = (pool: Pool) => pool.connect();
  const holder = await take(centre.pool);
  try {
    await holder.query('BEGIN');
    await holder.query('UPDATE products SET price = 2 WHERE id = $1', [id]);
    const sold: ChangeSpec = {
      op: 'u',
      table: 'products',
      row: { identity: '', centralId: id },
      old: { stock: 10n },
      new: { stock: 7n },
    };
    await apply.applyRecords(0, [
      buyer.stored(centre.nextOffset(), [
        buyer.unit(...sale('A')),
        buyer.unit(sold, ...sale('B')),
        buyer.unit(...sale('C')),
      ]),
      other.stored(centre.nextOffset(), [other.unit(...sale('X'))]),
    ]);
    await send(other, sale('Y'));
    await send(buyer, sale('D'));
    await apply.tryWaiting(buyer.terminal);
    expect(await numbers(other)).toEqual(['X', 'Y']);
    expect(await numbers(buyer)).toEqual(['A']);
    expect(await holdOf(buyer)).toEqual({ state: 'centre', code: '55P03', cause_table: 'products' });
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
  await apply.tryWaiting(buyer.terminal);
  expect(await numbers(buyer)).toEqual(['A', 'B', 'C', 'D']);
  expect(await centre.one('SELECT stock FROM products WHERE id = $1', [id])).toEqual({ stock: '7.000' });
});
