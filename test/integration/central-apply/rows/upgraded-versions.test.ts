/** A centre whose rows an earlier version has written, with tills of that version and of this one. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodePosition, parseLsn } from '../../../../services/shared/records/position.ts';
import { schemaFile } from '../../../../services/shared/paths.ts';
import { useCentre } from '../../../support/apply-site.ts';
import { CentralProducts, NOW, update } from './central-products.ts';

const centre = useCentre();
const products = new CentralProducts(centre);

/** As that version kept it: one clock and writer for the row, and a hash of all of it. */
async function writtenBefore(clockMs: number): Promise<string> {
  const id = await products.add(NOW - 90_000);
  await centre.pool.query(
    `INSERT INTO payflow_sync.row_version (table_name, central_id, clock_ms, terminal_id, row_hash)
     SELECT 'products', p.id::text, $2::bigint, 'till-of-then', substr(sha256(convert_to(p::text, 'UTF8')), 1, 16)
       FROM products p WHERE p.id::text = $1`,
    [id, clockMs],
  );
  return id;
}

interface Kept {
  readonly seen: string;
  readonly unseen: string;
  readonly past: string;
}

let kept: Record<'then' | 'now', Kept>;
let untouched: string;

beforeAll(async () => {
  await centre.pool.query(
    `DROP INDEX payflow_sync.row_version_written;
     ALTER TABLE payflow_sync.row_version DROP COLUMN seq, DROP COLUMN epoch, DROP COLUMN lsn, DROP COLUMN columns,
       DROP COLUMN written_at`,
  );
  const rows = async () => ({
    seen: await writtenBefore(NOW - 10_000),
    unseen: await writtenBefore(NOW - 10_000),
    past: await writtenBefore(NOW - 50_000),
  });
  kept = { then: await rows(), now: await rows() };
  untouched = await writtenBefore(NOW - 50_000);
  await centre.pool.query(await readFile(schemaFile('postgres', 'payflow_sync.sql'), 'utf8'));
});

const IMAGE = encodePosition({ epoch: 1, lsn: parseLsn('0/1'), seq: 1 }).toString('hex');

describe.each([
  ['that version', 'then', {}],
  ['this version', 'now', { image: IMAGE }],
] as const)('at an upgraded centre a till of %s', (_which, version, says) => {
  test('writes over what it saw, whatever the clocks say', async () => {
    const id = kept[version].seen;
    const change = update(id, NOW - 40_000, { name: 'central' }, { name: 'slow' });
    expect(await outcomeOf({ ...change, ...says })).toBe('applied');
    expect(await products.find(id)).toMatchObject({ name: 'slow' });
  });

  test('loses against the clock of then where it saw another value, and wins with a later one', async () => {
    const { unseen, past } = kept[version];
    const earlier = update(unseen, NOW - 40_000, { name: 'long ago' }, { name: 'earlier' });
    expect(await outcomeOf({ ...earlier, ...says })).toBe('lost');
    expect(await products.find(unseen)).toMatchObject({ name: 'central' });
    const later = update(past, NOW - 1_000, { name: 'long ago' }, { name: 'later' });
    expect(await outcomeOf({ ...later, ...says })).toBe('applied');
    expect(await products.find(past)).toMatchObject({ name: 'later' });
  });
});

async function outcomeOf(change: ReturnType<typeof update>): Promise<string | undefined> {
  const [result] = await centre.sendForResults(await centre.newTill(), change);
  return result?.outcome;
}

test('what was kept of a row is kept in the new form once a till writes it, and its retention has begun', async () => {
  await outcomeOf(update(untouched, NOW - 5_000, { name: 'central' }, { name: 'now' }));
  const rows = await centre.all<{ columns: string | null; age: boolean }>(
    `SELECT columns, written_at > now() - interval '1 hour' AS age FROM payflow_sync.row_version
      WHERE central_id = $1`,
    [untouched],
  );
  expect(rows).toEqual([{ columns: expect.stringContaining('"name"') as string, age: true }]);
});

test('before its upgrade a centre lets tills of this version wait, and they go on by themselves', async () => {
  const id = await products.add(NOW - 90_000);
  const till = await centre.newTill();
  await centre.pool.query('ALTER TABLE payflow_sync.row_version RENAME COLUMN columns TO later');
  const unit = till.unit(update(id, NOW - 5_000, { name: 'central' }, { name: 'waits' }));
  await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [unit])]);
  expect(await products.find(id)).toMatchObject({ name: 'central' });
  const holds = await centre.all('SELECT code FROM payflow_sync.hold WHERE terminal_id = $1', [
    till.terminal,
  ]);
  expect(holds).toEqual([{ code: '42703' }]);
  await centre.pool.query('ALTER TABLE payflow_sync.row_version RENAME COLUMN later TO columns');
  await centre.apply.tryWaiting(till.terminal);
  expect(await products.find(id)).toMatchObject({ name: 'waits' });
});
