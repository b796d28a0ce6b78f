/** A store's stream that was made anew: what it says before its tables are seeded into it again. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { storeTopic } from '../../../services/shared/log/topics.ts';
import { CaptureSite } from '../../support/capture-site.ts';

let site: CaptureSite;
beforeEach(async () => {
  site = await CaptureSite.start();
  await site.setup();
});
afterEach(() => site.stop());

it('no table is called complete before the rows that the stream lost are in it again', async () => {
  const running = await site.capture();
  await site.seeded();
  await running.stop();
  // The centre knows a stream of this name; the log holds none, and makes it under another id.
  await site.pool.query(
    `INSERT INTO payflow_sync.stream (topic, stream_id, last_offset, position) VALUES ($1, 'lost', 99, '1:0/1:0')`,
    [storeTopic(site.prefix, 'north')],
  );
  await site.pool.query(`INSERT INTO orders VALUES (1, 'north', 'n')`);
  await site.capture();
  const marks = async () =>
    (await site.store('north')).controls.flatMap((control) =>
      'table' in control && control.table === 'orders' ? [control.kind] : [],
    );
  await until(async () => (await marks()).at(-1) === 'seed-complete', 'orders are seeded again');
  expect(await marks()).toEqual(['seed-begin', 'seed-complete']);
});
