/** `replay` by offset, time and position, to one till and to all of a store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReplayResult } from '../../../services/shared/agent-protocol.ts';
import { RunningShop } from '../../support/running-shop.ts';

let shop: RunningShop;
let catalog = '';

beforeAll(async () => {
  shop = await RunningShop.start({
    central: `
      CREATE TABLE tool (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, price numeric(8,2));
      INSERT INTO tool (name, price) SELECT 'tool ' || n, n FROM generate_series(1, 30) n;`,
    local: 'CREATE TABLE tools (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price NUMERIC);',
    mapping: `
version: 1
tables:
  tools: {central: tool, scope: global, direction: push}`,
    tills: { 'a-1': 'north', 'a-2': 'north', 'b-1': 'south' },
  });
  for (const till of ['a-1', 'a-2', 'b-1']) await shop.sync(till);
  catalog = `${shop.env['TOPIC_PREFIX'] ?? ''}.catalog`;
});
afterAll(() => shop.stop());

const prices = (till: string) =>
  shop.app(till).prepare<[], number>('SELECT sum(price) FROM tools').pluck().get();

async function replay(...args: string[]) {
  const { code, stdout, stderr } = await shop.payflow('replay', '--stream', catalog, '--json', ...args);
  return { code, stderr, result: (stdout === '' ? null : JSON.parse(stdout)) as never };
}

/** A change at the centre, with its position and a moment between it and what came before. */
async function change(sql: string): Promise<{ lsn: string; time: string }> {
  const { rows } = await shop.pool.query<{ lsn: string; time: string }>(
    `SELECT pg_current_wal_insert_lsn()::text AS lsn, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time`,
  );
  await shop.pool.query(sql);
  for (const till of ['a-1', 'a-2', 'b-1']) await shop.sync(till);
  return rows[0] ?? { lsn: '', time: '' };
}

describe('from a commit, or a time, on', () => {
  it('only what came since is applied again, and only where it is missing', async () => {
    const at = await change(`UPDATE tool SET price = price + 100 WHERE name IN ('tool 3', 'tool 4')`);
    const whole = prices('a-1');
    for (const bound of [
      ['--from-lsn', at.lsn],
      ['--from-time', at.time],
    ]) {
      shop.behindOurBack('a-1', `DELETE FROM tools WHERE name IN ('tool 3', 'tool 9')`);
      const { code, result } = await replay('--terminal', 'a-1', ...bound);
      // Both rows of the change, one of which stands as it was.
      expect({ code, result }).toMatchObject({
        code: 0,
        result: { applied: 2, dryRun: false } satisfies Partial<ReplayResult>,
      });
      expect(prices('a-1')).toBe((whole ?? 0) - 9);
      // What came before is still missing.
      expect(await replay('--terminal', 'a-1', '--from-offset', '0')).toMatchObject({ code: 0 });
      expect(prices('a-1')).toBe(whole);
    }
  });

  it('up to a commit nothing later is touched', async () => {
    const first = await change(`UPDATE tool SET price = 1000 WHERE name = 'tool 5'`);
    const second = await change(`UPDATE tool SET price = 2000 WHERE name = 'tool 6'`);
    shop.behindOurBack('b-1', `DELETE FROM tools WHERE name IN ('tool 5', 'tool 6')`);
    await replay('--terminal', 'b-1', '--from-lsn', first.lsn, '--to-lsn', second.lsn);
    expect(
      shop.app('b-1').prepare(`SELECT name FROM tools WHERE name IN ('tool 5', 'tool 6')`).all(),
    ).toEqual([{ name: 'tool 5' }]);
  });

  it('a dry run changes nothing', async () => {
    shop.behindOurBack('a-2', 'DELETE FROM tools');
    const { result } = await replay('--terminal', 'a-2', '--from-offset', '0', '--dry-run');
    expect(result).toMatchObject({ applied: 30, dryRun: true });
    expect(prices('a-2')).toBeNull();
  });
});

it('all tills of a store, and no other, are told one by one', async () => {
  for (const till of ['a-1', 'a-2', 'b-1']) shop.behindOurBack(till, `DELETE FROM tools`);
  const { code, result } = await replay('--store', 'north', '--from-offset', '0');
  expect({ code, result }).toMatchObject({
    code: 0,
    result: [
      { terminalId: 'a-1', applied: 30 },
      { terminalId: 'a-2', applied: 30 },
    ],
  });
  expect(['a-1', 'a-2', 'b-1'].map((till) => prices(till) === null)).toEqual([false, false, true]);
});

describe('is refused', () => {
  it.each([
    [['--terminal', 'a-1'], 'one of --from-offset'],
    [['--terminal', 'a-1', '--from-offset', '0', '--from-lsn', '0/1'], 'one of --from-offset'],
    [['--from-offset', '0'], 'either --terminal or --store'],
    [['--from-offset', '0', '--terminal', 'a-1', '--store', 'north'], 'either --terminal or --store'],
    [['--terminal', 'a-1', '--from-time', '2026-03-01 08:00'], 'with its zone'],
    [['--terminal', 'a-1', '--from-lsn', 'A3F0'], 'position of the WAL'],
    [
      ['--terminal', 'a-1', '--from-time', '2026-03-02T08:00:00Z', '--to-time', '2026-03-01T08:00:00Z'],
      'must not be before',
    ],
  ])('%j: %s', async (args, why) => {
    const { code, stderr } = await replay(...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(why) as string });
  });

  it('a store without tills, with its name', async () => {
    const { code, stderr } = await replay('--store', 'west', '--from-offset', '0');
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringContaining('store west has no till') as string,
    });
  });
});
