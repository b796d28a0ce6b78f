/** What a till holds and the centre can't is refused by name, alone; nothing is put in its place. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CentralApply } from '../../../services/central-apply/apply.ts';
import { applierOn, useCentre } from '../../support/apply-site.ts';
import { UNCAPTURED_ROW } from '../../../services/shared/records/unit-record.ts';
import { insert, type ChangeSpec, type FakeTill, type Values } from '../../support/centre.ts';
import { limitedRole, type LimitedRole } from '../../support/limited-role.ts';

const SCHEMA = `
CREATE TABLE guests (id bigserial PRIMARY KEY, name text, age integer, since timestamptz, fee numeric(12,2));
CREATE TABLE dishes (id bigserial PRIMARY KEY, name text, since timestamptz, fee numeric(12,2));
CREATE TABLE seats (id bigserial PRIMARY KEY, guest_id bigint REFERENCES guests);
CREATE TABLE waiters (id bigserial PRIMARY KEY, name text);
CREATE TABLE bills (id bigserial PRIMARY KEY, waiter_id bigint REFERENCES waiters);
CREATE TABLE counted (id bigserial PRIMARY KEY, name text);
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.name LIKE 'own%' THEN NEW.id := NEW.id + 1000; END IF; RETURN NEW; END $$;
CREATE TRIGGER count_up BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION count_up();
`;
const MAPPING = `
version: 1
tables:
  guests: {scope: global}
  dishes:
    scope: global
    columns:
      name: {charset: windows-1252}
      since: {format: julian}
      fee: {empty: null}
  counted: {scope: global}
  seats: {scope: global, references: {guest_id: guests}}
  waiters: {scope: global, direction: push}
  bills: {scope: global, references: {waiter_id: waiters}}
`;

const centre = useCentre(SCHEMA, MAPPING);
const lettersOf = (till: FakeTill) =>
  centre.all<{ code: string; message: string; changes: string }>(
    'SELECT code, message, changes FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY first_seq',
    [till.terminal],
  );

describe('a value that does not fit', () => {
  const bytes = Buffer.from('Caf\u00e9', 'latin1');
  test.each<[Values, RegExp]>([
    [{ name: bytes }, /guests\.name holds 4 bytes that are no UTF-8; say charset:/],
    [{ fee: '12,50' }, /guests\.fee holds "12,50", which is no number/],
    [{ age: '' }, /guests\.age holds an empty text.*say empty: null/],
    [{ since: 2461314.5 }, /guests\.since holds "2461314.5".*say format: julian/],
    [{ name: 'a\0b' }, /guests\.name holds a zero character/],
  ])('%o is a dead letter of its own, and the rest of its unit goes through', async (values, message) => {
    const till = await centre.newTill();
    const counts = await centre.sendForCounts(
      till,
      insert('counted', 'before', { name: 'before' }),
      insert('guests', 'g', values),
      insert('guests', 'other', { name: 'fits' }),
    );
    expect(counts).toEqual({ applied: 2, rejected: 1 });
    const letters = await lettersOf(till);
    expect(letters).toMatchObject([
      { code: 'VALUE_UNFIT', message: expect.stringMatching(message) as string },
    ]);
  });

  test('keeps its bytes in the letter', async () => {
    const till = await centre.newTill();
    await centre.send(till, [insert('guests', 'g', { name: bytes })]);
    const [letter] = await lettersOf(till);
    expect(JSON.parse(letter?.changes ?? '')).toMatchObject([
      { columns: [{ name: 'name', new: { b: bytes.toString('hex') } }] },
    ]);
  });
});

test('a row of a table that its till can not capture is named as the cause, with the way out', async () => {
  const till = await centre.newTill();
  const seat = insert('seats', 's', { guest_id: 1 }, { guest_id: UNCAPTURED_ROW });
  expect(await centre.sendForCounts(till, seat, insert('guests', 'other', { name: 'fits' }))).toEqual({
    applied: 1,
    rejected: 1,
  });
  expect(await lettersOf(till)).toMatchObject([
    {
      code: 'REFERENCE_UNKNOWN',
      message: expect.stringMatching(
        /seats\.guest_id refers to a row of guests, a table that this till can not capture.*--set seats\.guest_id=NULL/,
      ) as string,
    },
  ]);
});

test('a row that only the till has, in a table of the centre alone, is named as the cause', async () => {
  const till = await centre.newTill();
  await centre.send(till, [insert('bills', 'b', { waiter_id: 1 }, { waiter_id: UNCAPTURED_ROW })]);
  expect(await lettersOf(till)).toMatchObject([
    {
      code: 'REFERENCE_UNKNOWN',
      message: expect.stringMatching(
        /bills\.waiter_id refers to a row of waiters that the till has and the centre does not/,
      ) as string,
    },
  ]);
});

test('what the mapping explains is stored as what it means', async () => {
  const till = await centre.newTill();
  await centre.send(till, [
    insert('dishes', 'd', { name: Buffer.from([0x43, 0xe9, 0x80]), since: 2461314.50231481, fee: '' }),
  ]);
  expect(await centre.one('SELECT name, since::text, fee FROM dishes')).toEqual({
    name: 'Cé€',
    since: '2026-10-01 00:03:20+00',
    fee: null,
  });
});

describe('a trigger that makes keys of its own', () => {
  test('is named as what it is, nothing of the row stays, and others go on', async () => {
    const till = await centre.newTill();
    const counts = await centre.sendForCounts(
      till,
      insert('counted', 'a', { name: 'own way' }),
      insert('counted', 'b', { name: 'kept' }),
    );
    expect(counts).toEqual({ applied: 1, rejected: 1 });
    expect(await lettersOf(till)).toMatchObject([
      {
        code: 'KEY_CHANGED',
        message: expect.stringMatching(/trigger of counted gave the row \d+ the key \d+/) as string,
      },
    ]);
    expect(await centre.all(`SELECT name FROM counted WHERE name LIKE 'own%'`)).toEqual([]);
  });
});

describe('row level security that hides a row from us', () => {
  let role: LimitedRole;
  let apply: CentralApply;
  beforeAll(async () => {
    role = await limitedRole(centre.pool, centre.url);
    apply = applierOn(role.pool);
  });
  afterAll(() => role.pool.end());

  const send = (till: FakeTill, ...changes: ChangeSpec[]) =>
    apply.applyRecords(0, [till.stored(centre.nextOffset(), [till.unit(...changes)])]);

  test.each<[string, ChangeSpec]>([
    ['change', { op: 'u', table: 'guests', row: 'g', old: { name: 'hidden' }, new: { name: 'changed' } }],
    ['delete', { op: 'd', table: 'guests', row: 'g', old: { name: 'hidden' }, new: {} }],
  ])('makes its %s wait: it is never taken for gone', async (_what, change) => {
    const till = await centre.newTill();
    await send(till, insert('guests', 'g', { name: 'hidden' }));
    await centre.pool.query(`ALTER TABLE guests ENABLE ROW LEVEL SECURITY;
      CREATE POLICY none ON guests USING (false)`);
    try {
      await send(till, change);
      for (let times = 0; times < 6; times += 1) await apply.tryWaiting(till.terminal);
      expect(await lettersOf(till)).toEqual([]);
      const outcomes = await centre.all<{ entries: string }>(
        'SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1',
        [till.terminal],
      );
      expect(outcomes.map(({ entries }) => entries).join()).not.toMatch(/gone/);
      expect(
        await centre.one(`SELECT code FROM payflow_sync.hold WHERE terminal_id = $1`, [till.terminal]),
      ).toEqual({ code: '42501' });
    } finally {
      await centre.pool.query(`DROP POLICY none ON guests; ALTER TABLE guests DISABLE ROW LEVEL SECURITY`);
    }
    await apply.tryWaiting(till.terminal);
    expect(await centre.all(`SELECT 1 FROM guests WHERE name = 'hidden'`)).toEqual([]);
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.hold WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });
});
