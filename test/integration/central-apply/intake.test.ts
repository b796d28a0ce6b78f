/** What is worth asking PostgreSQL about a record is asked, and by nobody in a loop. */
import { beforeEach, expect, test } from 'vitest';
import { Intake } from '../../../services/central-apply/intake.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { silentLog, type FakeTill } from '../../support/centre.ts';

const centre = useCentre();

let questions = 0;
let nowMs = 0;
let intake: Intake;
let [till, other]: FakeTill[] = [];
beforeEach(async () => {
  [till, other] = [await centre.newTill(), await centre.newTill()];
  const counted = new Proxy(centre.pool, {
    get: (pool, name) => {
      if (name === 'query' || name === 'connect') questions += 1;
      const value: unknown = Reflect.get(pool, name);
      return typeof value === 'function' ? (value as () => unknown).bind(pool) : value;
    },
  });
  questions = 0;
  nowMs = 0;
  intake = new Intake({ pool: counted, log: silentLog, now: () => nowMs });
});

const record = (of: FakeTill | undefined, options: object = {}) => {
  if (of === undefined) throw new Error('there is no till yet');
  return of.stored(centre.nextOffset(), [of.unit(...sale('A'))], options);
};
const codes = async (...records: ReturnType<typeof record>[]) =>
  (await intake.take(records)).map((taken) => (taken.kind === 'refused' ? taken.refused.code : taken.kind));

test.each([
  ['a mapping that was never published', { mappingVersion: 77 }, 'MAPPING_UNPUBLISHED'],
  ['another key than the registered', { keyVersion: 2 }, 'KEY_VERSION_WRONG'],
])('%s, two hundred times: five questions more, and again a second later', async (_what, options, code) => {
  await codes(record(till));
  nowMs += 1_000;
  const before = questions;
  const bad = () => Array.from({ length: 200 }, () => record(till, options));
  expect(new Set(await codes(...bad()))).toEqual(new Set([code]));
  expect(questions - before).toBe(5);
  nowMs += 1_000;
  await codes(...bad());
  expect(questions - before).toBe(10);
});

test('beside it a mapping that was published just now is known with another till’s first record', async () => {
  await codes(record(till), record(other));
  const { version } = await centre.one<{ version: number }>('SELECT version FROM payflow_sync.mapping');
  await codes(...Array.from({ length: 200 }, () => record(till, { mappingVersion: version + 50 })));
  await centre.all('UPDATE payflow_sync.mapping SET version = version + 1');
  expect(await codes(record(other, { mappingVersion: version + 1 }))).toEqual(['accepted']);
  await centre.all('UPDATE payflow_sync.mapping SET version = version - 1');
});

test('a till that was enrolled anew is known with its first record', async () => {
  await codes(record(till));
  await centre.all('UPDATE payflow_sync.terminal SET key_version = 2 WHERE terminal_id = $1', [
    till?.terminal,
  ]);
  expect(await codes(record(till, { keyVersion: 2 }))).toEqual(['accepted']);
});
