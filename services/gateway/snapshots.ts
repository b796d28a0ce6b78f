/** Tables that are read into the streams whole: what an operator wishes, and how far it is. */
import type { Pool } from 'pg';
import { z } from 'zod';
import { PayflowError } from '../shared/errors.ts';
import type { TableMapping } from '../shared/mapping/mapping.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import { firstRow, iso, rows } from './database.ts';
import { seedAgain } from './seed-again.ts';

export const snapshotSchema = z.object({
  /** As tills call it. */
  table: z.string(),
  centralTable: z.string(),
  state: z.enum(['wanted', 'running', 'done']),
  /** Of it, read until now. */
  rows: z.number(),
  updatedAt: z.string(),
  /** What keeps capture from reading it, for a person to mend. */
  blockedBy: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type Snapshot = z.output<typeof snapshotSchema>;

type Row = Pick<Snapshot, 'centralTable' | 'state' | 'rows' | 'updatedAt' | 'blockedBy'>;

/** The tables of the published mapping that are sent to tills, in its order. */
export async function listSnapshots(pool: Pool): Promise<Snapshot[]> {
  const found = new Map((await readSnapshots(pool)).map((row) => [row.centralTable, row]));
  return (await sentTables(pool)).flatMap(({ local, central }) => {
    const row = found.get(central);
    return row === undefined ? [] : [{ table: local, ...row }];
  });
}

/**
 * Has a table read again, with all that hangs on a seeding: rows that are in the streams and not in the table any more
 * are swept out. Harmless at any time: capture reads in chunks, and a till passes over what it has.
 * @param table as tills call it @throws PayflowError NOT_FOUND, USAGE where its rows never come down
 */
export async function startSnapshot(pool: Pool, table: string): Promise<Snapshot> {
  const mapped = (await mappedTables(pool)).find(({ local }) => local === table);
  if (mapped === undefined) throw new PayflowError('NOT_FOUND', `the mapping has no table ${table}`);
  if (mapped.direction === 'pull')
    throw new PayflowError('USAGE', `${table} only goes up: no till gets rows of it`);
  await seedAgain(pool, mapped.central);
  const wished = (await listSnapshots(pool)).find((snapshot) => snapshot.table === table);
  if (wished === undefined) throw new PayflowError('NOT_FOUND', `${table} is sent to no till`);
  return wished;
}

async function readSnapshots(pool: Pool): Promise<Row[]> {
  return rows<Row>(
    pool,
    `SELECT s.table_name AS "centralTable", s.state, s.rows::float8 AS rows, ${iso('s.updated_at')} AS "updatedAt",
            CASE WHEN w.code IS NOT NULL
                 THEN json_build_object('code', w.code, 'message', w.message) END AS "blockedBy"
     FROM payflow_sync.seeding s LEFT JOIN payflow_sync.watched_table w USING (table_name)
     WHERE s.epoch = (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch')`,
  );
}

async function sentTables(pool: Pool): Promise<readonly TableMapping[]> {
  return (await mappedTables(pool)).filter(({ direction }) => direction !== 'pull');
}

async function mappedTables(pool: Pool): Promise<readonly TableMapping[]> {
  const found = await firstRow<{ source: string }>(pool, 'SELECT source FROM payflow_sync.mapping');
  return found === undefined ? [] : parseMapping(found.source).tables;
}
