/** How long outcomes are kept. */
import { expect, test } from 'vitest';
import { Retention } from '../../../services/central-apply/retention.ts';
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
  const retention = new Retention({ pool: centre.pool, retentionDays: 30, log: silentLog });
  expect(await retention.purge()).toBe(1);
  expect(await centre.outcomesOf(till)).toHaveLength(4);
});

test('what is decided goes by its age, what waits for somebody stays', async () => {
  const { pool } = centre;
  const old = `now() - interval '31 days'`;
  await pool.query(`
    INSERT INTO payflow_sync.conflict (table_name, terminal_id, seq, winner, rule, decided_at)
      VALUES ('old', 't', 1, 'central', 'x', ${old}), ('young', 't', 1, 'central', 'x', now());
    INSERT INTO payflow_sync.dead_letter
        (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message, state, refused_at, decided_at)
      VALUES ('t', 'closed', 1, 1, 1, '[]', 'x', 'x', 'discarded', ${old}, ${old}),
             ('t', 'just closed', 1, 1, 1, '[]', 'x', 'x', 'applied', ${old}, now()),
             ('t', 'open', 1, 1, 1, '[]', 'x', 'x', 'open', ${old}, NULL);
    INSERT INTO payflow_sync.refused_record (topic, partition, record_offset, code, refused_at)
      VALUES ('old', 0, 1, 'x', ${old}), ('young', 0, 1, 'x', now());
    INSERT INTO payflow_sync.operation (kind, arguments, requested_by, state, requested_at, finished_at)
      VALUES ('done', '{}', 'x', 'done', ${old}, ${old}), ('waiting', '{}', 'x', 'waiting', ${old}, NULL)`);
  const retention = new Retention({ pool, retentionDays: 30, log: silentLog });
  expect(await retention.purge()).toBe(4);
  const left = await pool.query<{ left: string }>(`
    SELECT table_name AS left FROM payflow_sync.conflict WHERE terminal_id = 't'
    UNION ALL SELECT incarnation FROM payflow_sync.dead_letter WHERE terminal_id = 't'
    UNION ALL SELECT topic FROM payflow_sync.refused_record WHERE code = 'x'
    UNION ALL SELECT kind FROM payflow_sync.operation ORDER BY 1`);
  expect(left.rows.map((row) => row.left)).toEqual(['just closed', 'open', 'waiting', 'young', 'young']);
});
