/** What PostgreSQL refuses, whatever its SQLSTATE: one row becomes a dead letter, and nothing else stands still. */
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { CentralApply } from '../../../services/central-apply/apply.ts';
import { createPool } from '../../../services/shared/database/postgres.ts';
import { applierOn, sale, useCentre } from '../../support/apply-site.ts';
import { CENTRAL_SHOP, insert, silentLog, type FakeTill } from '../../support/centre.ts';

/** Orders whose number begins with `!` are refused, by the SQLSTATE that follows. */
const SCHEMA = `${CENTRAL_SHOP}
CREATE TABLE customers (id bigserial PRIMARY KEY, email text);
CREATE INDEX ON customers (email);
CREATE FUNCTION refuse_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.number = '!case' THEN CASE NEW.number WHEN 'nothing' THEN NULL; END CASE; END IF;
  IF NEW.number = '!slow' THEN PERFORM pg_sleep(60); END IF;
  IF NEW.number LIKE '!_____' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = substr(NEW.number, 2); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_order();
`;
const MAPPING = `
version: 1
tables:
  customers: {scope: global}
  orders: {scope: {store: store_id}, set: {store_id: $store, terminal_code: $terminal}, columns: {sold_at: {format: epoch_ms}}}
  order_items: {scope: {store: {via: order_id}}, references: {order_id: orders}}
  payments: {scope: {store: {via: order_id}}, columns: {amount_cents: {minor_units: 2}}, rename: {amount_cents: amount},
    references: {order_id: orders}}
`;

const centre = useCentre(SCHEMA, MAPPING);
const order = (number: string, row = number) => insert('orders', row, { number });
const letters = async (till: FakeTill) =>
  (
    await centre.all<{ code: string }>(
      'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY first_seq',
      [till.terminal],
    )
  ).map(({ code }) => code);
const numbers = async (till: FakeTill) => (await centre.ordersOf(till)).map(({ number }) => number);
const isHeld = async (till: FakeTill) =>
  (await centre.all('SELECT 1 FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal])).length > 0;

describe('a row that is refused alone becomes a dead letter, whatever the code', () => {
  const codes = [
    '23514',
    '22012',
    'P0001',
    '45000',
    'MY001',
    '0A000',
    '55000',
    '58P01',
    '08001',
    '54000',
    '44000',
    'ZZZZZ',
  ];
  test.each(codes)('%s, among sales that go through', async (code) => {
    const [till, other] = [await centre.newTill(), await centre.newTill()];
    await centre.apply.applyRecords(0, [
      till.stored(centre.nextOffset(), [
        till.unit(...sale('A')),
        till.unit(order(`!${code}`)),
        till.unit(...sale('B')),
      ]),
      other.stored(centre.nextOffset(), [other.unit(...sale('C'))]),
    ]);
    expect(await letters(till)).toEqual([code]);
    expect(await numbers(till)).toEqual(['A', 'B']);
    expect(await numbers(other)).toEqual(['C']);
    expect(await isHeld(till)).toBe(false);
  });

  test('a CASE without an ELSE, with nobody else at work', async () => {
    const till = await centre.newTill();
    await centre.send(till, [order('!case')]);
    expect(await letters(till)).toEqual(['20000']);
    await centre.send(till, sale('later'));
    expect(await numbers(till)).toEqual(['later']);
  });

  test('an e-mail of 12,000 letters in an indexed column', async () => {
    const till = await centre.newTill();
    const random = Array.from({ length: 12_000 }, () => Math.floor(Math.random() * 36).toString(36)).join('');
    await centre.send(till, [insert('customers', 'c', { email: random })], sale('A'));
    expect(await letters(till)).toEqual(['54000']);
    expect(await numbers(till)).toEqual(['A']);
  });

  test('codes of an outage, raised by a trigger for one row only, once others have gone through often enough', async () => {
    for (const code of ['53100', '40001', '57014', 'XX000', '25006', '57P01']) {
      const [till, other] = [await centre.newTill(), await centre.newTill()];
      await centre.send(till, [order(`!${code}`)], sale('later'));
      expect(await letters(till), code).toEqual([]);
      await until(
        async () => {
          await centre.send(other, sale(`${code}-${centre.nextOffset()}`));
          await centre.apply.tryWaiting(till.terminal);
          return !(await isHeld(till));
        },
        async () => JSON.stringify(await centre.all('SELECT * FROM payflow_sync.hold')),
      );
      expect(await letters(till)).toEqual([code]);
      expect(await numbers(till)).toEqual(['later']);
    }
  });
});

describe('under a statement_timeout', () => {
  const pools: { end(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.end();
  });
  const impatient = (): CentralApply => {
    const url = new URL(centre.url);
    url.searchParams.set('options', '-c statement_timeout=400');
    const pool = createPool({ connectionString: url.href, applicationName: 'impatient', log: silentLog });
    pools.push(pool);
    return applierOn(pool);
  };

  test('one slow row holds its till only, and is refused once it is slow while others are not', async () => {
    const apply = impatient();
    const [till, other] = [await centre.newTill(), await centre.newTill()];
    await apply.applyRecords(0, [
      till.stored(centre.nextOffset(), [till.unit(order('!slow'))]),
      other.stored(centre.nextOffset(), [other.unit(...sale('A'))]),
    ]);
    expect(await numbers(other)).toEqual(['A']);
    expect(await letters(till)).toEqual([]);
    await apply.applyRecords(0, [till.stored(centre.nextOffset(), [till.unit(...sale('later'))])]);
    expect(await numbers(till)).toEqual([]);
    await until(async () => {
      await apply.tryWaiting(till.terminal);
      return !(await isHeld(till));
    }, 'the slow row is judged by the sale behind it');
    expect(await letters(till)).toEqual(['57014']);
    expect(await numbers(till)).toEqual(['later']);
  });
});

test('a till that sends refused rows in a loop makes nobody wait but itself', async () => {
  const [till, other] = [await centre.newTill(), await centre.newTill()];
  await centre.send(till, [order('!MY001', 'first')]);
  const records = Array.from({ length: 10 }, (_, index) => [
    till.stored(centre.nextOffset(), [till.unit(order('!MY001', `x${index}`))]),
    other.stored(centre.nextOffset(), [other.unit(...sale(`S${index}`))]),
  ]).flat();
  const { units } = await centre.apply.applyRecords(0, records);
  expect(units).toBe(20);
  expect(await numbers(other)).toHaveLength(10);
  expect(await letters(till)).toEqual(Array.from({ length: 11 }, () => 'MY001'));
});

describe('a till of which too much is refused and undecided', () => {
  const refusedSeqs = (till: FakeTill, seqs: string) =>
    centre.pool.query(`UPDATE payflow_sync.progress SET exceptions = $2 WHERE terminal_id = $1`, [
      till.terminal,
      seqs,
    ]);
  const waitsFor = (till: FakeTill) =>
    centre.all('SELECT code, state FROM payflow_sync.hold WHERE terminal_id = $1', [till.terminal]);

  test('waits with all that is new, alone, and goes on once somebody has decided', async () => {
    const [till, other] = [await centre.newTill(), await centre.newTill()];
    await centre.send(till, sale('before'));
    await refusedSeqs(till, '[[1,20001,"rejected","23514 good"]]');
    await centre.apply.applyRecords(0, [
      till.stored(centre.nextOffset(), [till.unit(...sale('A'))]),
      other.stored(centre.nextOffset(), [other.unit(...sale('B'))]),
    ]);
    expect(await numbers(till)).toEqual(['before']);
    expect(await numbers(other)).toEqual(['B']);
    expect(await waitsFor(till)).toEqual([{ code: 'REFUSED_TOO_MUCH', state: 'centre' }]);
    await centre.apply.tryWaiting(till.terminal);
    expect(await numbers(till)).toEqual(['before']);
    expect(await waitsFor(till)).toHaveLength(1);
    await refusedSeqs(till, '[[1,20001,"discarded","all of them tests"]]');
    await until(async () => {
      await centre.apply.tryWaiting(till.terminal);
      return !(await isHeld(till));
    }, 'what waited is applied');
    expect(await numbers(till)).toEqual(['A', 'before']);
    expect(await waitsFor(till)).toEqual([]);
  });
});
