/** What one till has held makes nobody else's sale slower. */
import { expect, it } from 'vitest';
import { lockProgress } from '../../../services/central-apply/progress.ts';
import { Session } from '../../../services/central-apply/rows/sql.ts';
import { sale, useCentre } from '../../support/apply-site.ts';

const centre = useCentre();

it('beside very many records of one till nobody’s progress is locked by reading them', async () => {
  const crowd = await centre.newTill();
  const tills = [await centre.newTill(), await centre.newTill(), await centre.newTill()];
  for (const till of tills) await centre.send(till, sale('first', 1n));
  await centre.all(
    `INSERT INTO payflow_sync.held (terminal_id, incarnation, unit, part, parts, record, reason, unit_hash)
     SELECT $1, 'i', n, 0, 1, '\\x00', 'gap', '\\x00' FROM generate_series(1, 20000) AS n`,
    [crowd.terminal],
  );
  await centre.all('ANALYZE payflow_sync.held; ANALYZE payflow_sync.progress');
  const client = await centre.pool.connect();
  try {
    await client.query('BEGIN');
    const incarnations = new Map(tills.map(({ terminal }) => [terminal, 'i']));
    const { withHeld } = await lockProgress(
      new Session(client),
      new Map([...incarnations, [crowd.terminal, 'i']]),
    );
    expect([...withHeld]).toEqual([crowd.terminal]);
    const { rows } = await client.query<{ rows: string }>(
      `SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables
        WHERE schemaname = 'payflow_sync' AND relname = 'held'`,
    );
    expect(Number(rows[0]?.rows)).toBeLessThan(10);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
