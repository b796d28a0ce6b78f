/**
 * Makes the centre ready, idempotently: schema, facts, publication, slot, replica identity, mapping, topics.
 *
 * The order matters. The publication comes before the slot, because pgoutput looks publications up in the
 * catalog as of the WAL it decodes; the slot comes before the tables are marked for seeding, because a chunk is
 * only true together with the changes made since.
 */
import { readFile } from 'node:fs/promises';
import type { Pool, PoolClient } from 'pg';
import { readCentralCatalog } from '../../shared/catalog/central-catalog.ts';
import { PayflowError } from '../../shared/errors.ts';
import { schemaFile } from '../../shared/paths.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { historyTodos } from './history.ts';
import { factTodos, mappingTodos, storedHorizon } from './setup-facts.ts';
import { requireKeys, requireLogicalWal, requireReplicationRight, requireScopes } from './server-checks.ts';
import { publicationTodos } from './publication.ts';
import { identityTodos } from './replica-identity.ts';
import { slotTodos } from './slot.ts';
import type { SetupContext, SetupOptions, Todo } from './setup-context.ts';
import { topicTodos } from './setup-topics.ts';
import { INTERNAL_TABLES, mappedTableNames } from './published-tables.ts';
import { tellingWhatItWaitsFor } from './lock-wait.ts';
import { waitingTodos } from './waiting-children.ts';

export interface SetupResult {
  readonly databaseId: string;
  readonly epoch: number;
  readonly mappingVersion: number;
  /** What was missing and was done, in words; empty when everything stood already. */
  readonly changes: readonly string[];
}

type Stage = (context: SetupContext) => Promise<Todo[]>;

const STAGES: readonly Stage[] = [
  schemaTodos,
  factTodos,
  identityTodos,
  publicationTodos,
  historyTodos,
  slotTodos,
  mappingTodos,
  waitingTodos,
  topicTodos,
];
/** Any constant of ours: two setups at once would both mint a database id. */
const SETUP_LOCK = 7_042_001;

/**
 * @throws PayflowError DB_WAL_LEVEL, DB_NO_REPLICATION, TABLE_NO_KEY when a person must change something first
 */
export async function setupCentre(options: SetupOptions): Promise<SetupResult> {
  return withClient(options.pool, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [SETUP_LOCK]);
    try {
      await checkServer(client);
      const pid = await processOf(client);
      const changes: string[] = [];
      const mended = new Set<string>();
      for (const stage of STAGES) {
        // Read afresh: each stage builds on what the one before has made.
        for (const todo of await stage(await readContext(options, client, mended))) {
          const say = (text: string) => options.onWait?.(`${todo.what} ${text}`);
          await tellingWhatItWaitsFor(todo.mend(), { pool: options.pool, pid, say });
          changes.push(todo.what);
          for (const table of todo.tables ?? []) mended.add(table);
        }
      }
      return { ...(await readFacts(client)), changes };
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [SETUP_LOCK]);
    }
  });
}

/**
 * What `setupCentre` would do, in words; changes nothing. Empty: complete. Of a schema that an earlier version made
 * only what it lacks is said: the other stages read what is in it.
 */
export async function checkCentre(options: SetupOptions): Promise<string[]> {
  return withClient(options.pool, async (client) => {
    await checkServer(client);
    const mended = new Set<string>();
    const context = await readContext(options, client, mended);
    const missing: string[] = [];
    for (const stage of STAGES) {
      for (const { what, tables = [] } of await stage(context)) {
        missing.push(what);
        for (const table of tables) mended.add(table);
      }
      if (stage === schemaTodos && context.hasSchema && missing.length > 0) break;
    }
    return missing;
  });
}

async function withClient<T>(pool: Pool, body: (client: PoolClient) => Promise<T>): Promise<T> {
  try {
    const client = await pool.connect();
    try {
      return await body(client);
    } finally {
      client.release();
    }
  } catch (error) {
    throw error instanceof PayflowError ? error : wrapPostgresError(error);
  }
}

async function processOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

async function checkServer(client: PoolClient): Promise<void> {
  await requireLogicalWal(client);
  await requireReplicationRight(client);
}

async function readContext(
  options: SetupOptions,
  client: PoolClient,
  mended: ReadonlySet<string>,
): Promise<SetupContext> {
  const mapped = mappedTableNames(options.mapping);
  const catalog = await readCentralCatalog(client, [...INTERNAL_TABLES, ...mapped]);
  requireKeys(mapped, catalog);
  requireScopes(options.mapping, catalog);
  const hasSchema = INTERNAL_TABLES.every((name) => catalog.has(name));
  const horizonDays = options.horizonDays ?? (hasSchema ? await storedHorizon(client) : undefined);
  return { ...options, client, catalog, mended, hasSchema, horizonDays: horizonDays ?? DEFAULT_HORIZON_DAYS };
}

async function schemaTodos({ client, hasSchema }: SetupContext): Promise<Todo[]> {
  const sql = await readFile(schemaFile('postgres', 'payflow_sync.sql'), 'utf8');
  const wanted = [...sql.matchAll(/^CREATE TABLE IF NOT EXISTS (payflow_sync\.\w+)/gm)].map((m) => m[1]);
  const { rows: tables } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    [wanted],
  );
  // What an earlier version made lacks what was added since.
  const added = [...sql.matchAll(/^ALTER TABLE (payflow_sync\.\w+) ADD COLUMN IF NOT EXISTS (\w+)/gm)];
  const { rows: columns } = await client.query<{ name: string }>(
    `SELECT t.name || '.' || t.col AS name FROM unnest($1::text[], $2::text[]) AS t (name, col)
      WHERE to_regclass(t.name) IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(t.name) AND attname = t.col)`,
    [added.map((m) => m[1]), added.map((m) => m[2])],
  );
  const missing = [...tables, ...columns].map(({ name }) => name);
  if (hasSchema && missing.length === 0) return [];
  return [{ what: `tables ${missing.join(', ')}`, mend: async () => void (await client.query(sql)) }];
}

async function readFacts(
  client: PoolClient,
): Promise<{ databaseId: string; epoch: number; mappingVersion: number }> {
  const { rows } = await client.query<{ database_id: string; epoch: number; mapping_version: number }>(`
    SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'database_id') AS database_id,
           (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch') AS epoch,
           (SELECT version FROM payflow_sync.mapping) AS mapping_version`);
  const facts = rows[0];
  if (facts === undefined) throw new PayflowError('INTERNAL', 'a query without FROM returned no row');
  return { databaseId: facts.database_id, epoch: facts.epoch, mappingVersion: facts.mapping_version };
}
