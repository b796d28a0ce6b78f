/** Where a till's service ends is a place in the up stream: what lies before it is applied, whatever comes again later. */
import { expect, test } from 'vitest';
import type { Unit } from '../../../services/shared/records/unit-record.ts';
import { sale, useCentre } from '../../support/apply-site.ts';

const centre = useCentre();

test('of a till that is being retired, what lies before the noted offset is applied and the rest is held whole', async () => {
  const till = await centre.newTill();
  const [one, two] = [till.unit(...sale('A')), till.unit(...sale('B'))];
  const [before, after] = [centre.nextOffset(), centre.nextOffset()];
  await centre.pool.query('UPDATE payflow_sync.terminal SET retire_offset = $2 WHERE terminal_id = $1', [
    till.terminal,
    after,
  ]);
  const records = [till.stored(before, [one]), till.stored(after, [two])];
  expect(await centre.apply.applyRecords(0, records)).toMatchObject({ units: 1, heldRecords: 1 });
  expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A']);
  expect(
    await centre.all('SELECT reason FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
  ).toEqual([{ reason: 'retired' }]);
});

test('what is held is judged by its place in the log, also when it comes again behind the retirement', async () => {
  const till = await centre.newTill();
  const [one, two, three] = [till.unit(...sale('A')), till.unit(...sale('B')), till.unit(...sale('C'))];
  const [before, gap, retirement, again, late] = [1, 2, 3, 4, 5].map(() => centre.nextOffset());
  const takeAt = (offset: number | undefined, unit: Unit) =>
    centre.apply.applyRecords(0, [till.stored(offset ?? 0, [unit])]);
  await takeAt(gap, two);
  await centre.pool.query('UPDATE payflow_sync.terminal SET retire_offset = $2 WHERE terminal_id = $1', [
    till.terminal,
    retirement,
  ]);
  await takeAt(again, two);
  await takeAt(late, three);
  await takeAt(before, one);
  expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B']);
  expect(
    await centre.all('SELECT unit::int, reason FROM payflow_sync.held WHERE terminal_id = $1', [
      till.terminal,
    ]),
  ).toEqual([{ unit: 3, reason: 'retired' }]);
});
