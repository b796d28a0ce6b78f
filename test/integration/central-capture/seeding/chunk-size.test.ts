/** A chunk is in memory as a whole: what it reads is bounded in bytes, whatever the table looks like further on. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { CHUNK_BYTES, chunkRows } from '../../../../services/central-capture/seeding/chunk-size.ts';
import { readCentralCatalog } from '../../../../services/shared/catalog/central-catalog.ts';
import { createPool } from '../../../../services/shared/database/postgres.ts';

let postgres: RunningPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  postgres = await startPostgres();
  pool = createPool({
    connectionString: postgres.url,
    applicationName: 'test',
    log: pino({ level: 'silent' }),
  });
  await pool.query('CREATE DOMAIN note AS text');
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

const SHORT_ROWS = 3_000;
const LARGE_ROWS = 40;

/** A table of many short rows and then some large ones, well compressed. */
async function tableOf(name: string, type: string, large: string): Promise<Parameters<typeof chunkRows>[1]> {
  await pool.query(`CREATE TABLE ${name} (id int PRIMARY KEY, value ${type})`);
  await pool.query(`INSERT INTO ${name} (id) SELECT i FROM generate_series(1, $1::int) i`, [SHORT_ROWS]);
  await pool.query(`INSERT INTO ${name} SELECT i, ${large} FROM generate_series($1::int, $2::int) i`, [
    SHORT_ROWS + 1,
    SHORT_ROWS + LARGE_ROWS,
  ]);
  const table = (await readCentralCatalog(pool, [name])).get(name);
  if (table === undefined) throw new Error(`no table ${name}`);
  const columns = table.columns.map(({ name: column, typeOid }) => ({ name: column, isKey: false, typeOid }));
  return { table, relation: { oid: table.oid, name, replicaIdentity: 'default', columns } };
}

describe('how many rows a chunk reads', () => {
  it.each([
    ['texts', 'text', `repeat('x', 500000)`],
    ['limited_texts', 'varchar(600000)', `repeat('x', 500000)`],
    ['domains', 'note', `repeat('x', 500000)`],
    ['bytes', 'bytea', `decode(repeat('00', 250000), 'hex')`],
    ['documents', 'jsonb', `to_jsonb(repeat('x', 500000))`],
    ['lists', 'text[]', `array_fill('0123456789'::text, ARRAY[45000])`],
  ])('is what fits, of %s too', async (name, type, large) => {
    const route = await tableOf(name, type, large);
    const after = (id: number) => chunkRows(pool, route, { where: 'id > $1', values: [id] });
    expect(await after(0)).toBe(2_000);
    // The short ones that are left and as many of the large ones as fit beside them.
    const left = 500;
    const mixed = await after(SHORT_ROWS - left);
    expect(mixed).toBeGreaterThan(left);
    expect(mixed).toBeLessThanOrEqual(left + Math.floor(CHUNK_BYTES / 450_000));
    expect(await after(SHORT_ROWS)).toBeLessThanOrEqual(Math.floor(CHUNK_BYTES / 450_000));
    expect(await after(SHORT_ROWS)).toBeGreaterThan(1);
    // At the end there are fewer rows than a chunk might read: that tells that it is the end.
    expect(await after(SHORT_ROWS + LARGE_ROWS - 1)).toBe(2_000);
  });

  it('is one where a row is larger than a chunk', async () => {
    const route = await tableOf('giants', 'text', `repeat('x', 9000000)`);
    expect(await chunkRows(pool, route, { where: 'id > $1', values: [SHORT_ROWS] })).toBe(1);
  });
});
