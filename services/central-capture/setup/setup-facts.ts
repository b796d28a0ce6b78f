/** The rows that setup keeps in payflow_sync: identity and epoch of the database, mapping, what to seed. */
import { randomUUID } from 'node:crypto';
import type { PoolClient } from 'pg';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { isAfterGap, wantSeeding } from '../seeding/wanted.ts';
import { watchedTables } from '../watch/watched-tables.ts';
import { sentTables, type SentTable } from './sent-tables.ts';
import type { SetupContext, Todo } from './setup-context.ts';

const FIRST_EPOCH = '1';

export async function factTodos({ client, hasSchema }: SetupContext): Promise<Todo[]> {
  const { rows } = hasSchema
    ? await client.query<{ name: string }>('SELECT name FROM payflow_sync.meta')
    : { rows: [] };
  const known = new Set(rows.map((row) => row.name));
  const facts = { database_id: randomUUID(), epoch: FIRST_EPOCH };
  return Object.entries(facts)
    .filter(([name]) => !known.has(name))
    .map(([name, value]) => ({
      what: `payflow_sync.meta ${name}`,
      mend: async () =>
        void (await client.query(
          'INSERT INTO payflow_sync.meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING',
          [name, value],
        )),
    }));
}

/**
 * The mapping's row, and a wanted seeding for every table that was never sent in this epoch, or whose
 * shape changed (ADD COLUMN … DEFAULT writes no row changes). Both in one transaction, mapping first: tills
 * switch at the mapping's record, before the rows made under it.
 */
export async function mappingTodos(context: SetupContext): Promise<Todo[]> {
  const { client, mapping, hasSchema, horizonDays } = context;
  const stored = hasSchema
    ? (await client.query<{ source: string }>('SELECT source FROM payflow_sync.mapping')).rows[0]
    : undefined;
  const changed = stored?.source !== mapping.source;
  const unsent = await unsentTables(context);
  const before = hasSchema ? await storedHorizon(client) : undefined;
  const isOtherHorizon = (before ?? DEFAULT_HORIZON_DAYS) !== horizonDays;
  const again = mendedTables(context, unsent);
  if (!changed && unsent.length === 0 && again.length === 0 && !isOtherHorizon) return [];
  const parts = [
    ...(isOtherHorizon ? [`horizon of ${horizonDays} days`] : []),
    ...(changed ? ['published mapping'] : []),
    ...(unsent.length > 0 ? [`first seeding of ${unsent.map((table) => table.name).join(', ')}`] : []),
    ...(again.length > 0 ? [`seeding again of ${again.map((table) => table.name).join(', ')}`] : []),
  ];
  return [{ what: parts.join(', '), mend: () => publishMapping(context, changed, [...unsent, ...again]) }];
}

/** With those that find their store through one of them. */
function mendedTables({ mapping, catalog, mended }: SetupContext, unsent: readonly SentTable[]): SentTable[] {
  const rules = watchedTables(mapping);
  const again = new Set([...mended].flatMap((name) => rules.get(name)?.seededWith ?? []));
  for (const { name } of unsent) again.delete(name);
  return sentTables(mapping, catalog).filter(({ name }) => again.has(name));
}

/** undefined: an earlier version kept none, or there is no mapping yet. */
export async function storedHorizon(client: PoolClient): Promise<number | undefined> {
  const { rows } = await client.query<{ days: number | null }>(
    `SELECT (to_jsonb(m) ->> 'horizon_days')::int AS days FROM payflow_sync.mapping AS m`,
  );
  return rows[0]?.days ?? undefined;
}

export async function currentEpoch(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ epoch: number }>(
    `SELECT value::int AS epoch FROM payflow_sync.meta WHERE name = 'epoch'`,
  );
  return rows[0]?.epoch ?? Number(FIRST_EPOCH);
}

async function unsentTables(context: SetupContext): Promise<SentTable[]> {
  const wanted = sentTables(context.mapping, context.catalog);
  if (!context.hasSchema) return wanted;
  const { rows } = await context.client.query<{ table_name: string; columns: string }>(`
    SELECT table_name, columns FROM payflow_sync.seeding
    WHERE epoch = (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch')`);
  const sent = new Map(rows.map((row) => [row.table_name, row.columns]));
  return wanted.filter((table) => sent.get(table.name) !== table.columns);
}

async function publishMapping(
  context: SetupContext,
  changed: boolean,
  unsent: readonly SentTable[],
): Promise<void> {
  const { client, mapping, horizonDays } = context;
  const columns = new Map(unsent.map((table) => [table.name, table.columns]));
  const epoch = await currentEpoch(client);
  await client.query('BEGIN');
  try {
    if (changed) {
      await client.query(
        `INSERT INTO payflow_sync.mapping AS m (version, source) VALUES (1, $1)
         ON CONFLICT (name) DO UPDATE
           SET version = m.version + 1, source = EXCLUDED.source, published_at = now()`,
        [mapping.source],
      );
      // What changes in a table that is mapped no longer is not sent: should it be mapped again, it is seeded.
      await client.query('DELETE FROM payflow_sync.seeding WHERE table_name <> ALL ($1::text[])', [
        sentTables(context.mapping, context.catalog).map((table) => table.name),
      ]);
    }
    await client.query('UPDATE payflow_sync.mapping SET horizon_days = $1 WHERE horizon_days <> $1', [
      horizonDays,
    ]);
    await client.query(
      `INSERT INTO payflow_sync.seeding (table_name, epoch, state, columns, after_gap)
       SELECT name, $3, 'wanted', columns, $4 FROM unnest($1::text[], $2::text[]) AS sent (name, columns)
       ON CONFLICT (table_name, epoch) DO NOTHING`,
      [[...columns.keys()], [...columns.values()], epoch, isAfterGap([...columns.keys()])],
    );
    await wantSeeding(client, epoch, [...columns.keys()], { columns });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
