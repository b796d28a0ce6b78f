import { afterAll, beforeAll, expect, test } from 'vitest';
import { CentralApply } from '../../../services/central-apply/apply.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { insert, silentLog, startCentre, type TestCentre } from '../../support/centre.ts';

let centre: TestCentre;
let apply: CentralApply;
beforeAll(async () => {
  centre = await startCentre();
  const eventLog = {} as EventLog;
  apply = new CentralApply({
    pool: centre.pool,
    eventLog,
    prefix: 'payflow',
    partitions: [0],
    log: silentLog,
  });
});
afterAll(async () => {
  await centre?.stop();
});

test('a record with a gap inside waits for the missing unit and keeps nobody busy', async () => {
  const till = await centre.till('gap-1');
  const [first, second, third] = ['A', 'B', 'C'].map((name) =>
    till.unit(insert('orders', name, { number: name })),
  );
  if (first === undefined || second === undefined || third === undefined) throw new Error('three units');
  const held = () =>
    centre.one<{ n: string }>('SELECT count(*) AS n FROM payflow_sync.held WHERE terminal_id = $1', [
      till.terminal,
    ]);
  await apply.applyRecords(0, [till.stored(1, [first, third])]);
  expect(await held()).toEqual({ n: '1' });
  await apply.applyRecords(0, [till.stored(2, [second])]);
  expect(await held()).toEqual({ n: '0' });
  const orders = await centre.all<{ number: string }>(
    'SELECT number FROM orders WHERE terminal_code = $1 ORDER BY id',
    [till.terminal],
  );
  expect(orders.map(({ number }) => number)).toEqual(['A', 'B', 'C']);
}, 15_000);
