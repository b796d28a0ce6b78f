/** Wishes for a table to be read into the streams again, before capture has seen them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

beforeAll(async () => {
  await rest.pool.query(`UPDATE payflow_sync.mapping SET source = $1`, [
    `version: 1\ntables:\n  ales: {central: cellar.ale, scope: global}\n  notes: {scope: global, direction: pull}`,
  ]);
  await rest.pool.query(
    `INSERT INTO payflow_sync.seeding (table_name, epoch, state, last_key, rows) VALUES ('cellar.ale', 1, 'done', '["9"]', 9)`,
  );
});

const wish = (table: string, token = rest.operator) =>
  rest.call('POST', '/api/v1/snapshots', token, { table });

describe('a wish', () => {
  it('is a seeding from the first row on; asked for again while it runs, it is joined', async () => {
    expect(await wish('ales')).toMatchObject({
      status: 202,
      body: { table: 'ales', centralTable: 'cellar.ale', state: 'wanted', rows: 0, blockedBy: null },
    });
    await rest.pool.query(`UPDATE payflow_sync.seeding SET state = 'running', last_key = '["4"]', rows = 4`);
    expect(await wish('ales')).toMatchObject({ status: 202, body: { state: 'running', rows: 4 } });
    expect((await rest.pool.query('SELECT last_key FROM payflow_sync.seeding')).rows).toEqual([
      { last_key: '["4"]' },
    ]);
  });

  it('is an operator’s, for a table that comes down', async () => {
    expect((await wish('ales', rest.viewer)).status).toBe(403);
    expect(await wish('notes')).toMatchObject({ status: 422, body: { code: 'USAGE' } });
    expect(await wish('cellar.ale')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(await rest.call('GET', '/api/v1/snapshots', rest.viewer)).toMatchObject({
      status: 200,
      body: { snapshots: [{ table: 'ales', state: 'running' }] },
    });
  });
});
