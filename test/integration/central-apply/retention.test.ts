/** How long outcomes are kept. */
import { expect, test } from 'vitest';
import { OutcomeRetention } from '../../../services/central-apply/retention.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { silentLog } from '../../support/centre.ts';

const centre = useCentre();

test('outcomes older than the retention are removed, younger ones stay', async () => {
  const till = await centre.newTill();
  await centre.send(till, sale('A'), sale('B'));
  await centre.pool.query(
    `UPDATE payflow_sync.outcome SET applied_at = now() - interval '31 days' WHERE terminal_id = $1 AND unit = 1`,
    [till.terminal],
  );
  const retention = new OutcomeRetention({ pool: centre.pool, retentionDays: 30, log: silentLog });
  expect(await retention.purge()).toBe(1);
  expect(await centre.outcomesOf(till)).toHaveLength(4);
});
