/**
 * The publication: whole tables, every change, under the names of root tables. It is never left without being missed:
 * what changes without it is in no stream, and before PostgreSQL 18 WAL of that time can't even be decoded.
 */
import type { Pool, PoolClient } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { publicationName } from '../../shared/database/slot-names.ts';
import { INTERNAL_TABLES, mappedTableNames, quotedTable, quoteIdent } from './published-tables.ts';
import type { SetupContext, Todo } from './setup-context.ts';

type Queryable = Pool | PoolClient;

/** Name of the publication's own row in payflow_sync.watched_table: no table is called so. */
export const WHOLE_PUBLICATION = '(publication)';
/** From this version on a full replica identity demands that stored generated columns are published. */
const GENERATED_COLUMNS_SINCE = 180_000;
/** Of a row p of pg_publication; to_jsonb, since generated columns are an option of their own from PostgreSQL 18 on. */
export const IS_COMPLETE_SQL = `(p.pubviaroot AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
  AND coalesce(to_jsonb(p)->>'pubgencols', 's') = 's')`;

export async function publicationOptions(client: PoolClient): Promise<string> {
  const { rows } = await client.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const options = `publish = 'insert, update, delete, truncate', publish_via_partition_root = true`;
  const generated = (rows[0]?.version ?? 0) >= GENERATED_COLUMNS_SINCE;
  return generated ? `${options}, publish_generated_columns = stored` : options;
}

/** null: there is none. */
export async function publicationOid(client: Queryable, name: string): Promise<string | null> {
  const { rows } = await client.query<{ oid: string }>(
    'SELECT oid::text AS oid FROM pg_publication WHERE pubname = $1',
    [name],
  );
  return rows[0]?.oid ?? null;
}

/** Whether it is another one than the slot was made for, or was found missing. */
export async function isPublicationLost(client: Queryable, name: string): Promise<boolean> {
  const { rows } = await client.query<{ noted: string | null; missed: boolean }>(
    `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'publication') AS noted,
            EXISTS (SELECT FROM payflow_sync.watched_table WHERE table_name = $1) AS missed`,
    [WHOLE_PUBLICATION],
  );
  const [facts] = rows;
  const oid = await publicationOid(client, name);
  return oid === null || facts?.missed === true || (facts?.noted ?? oid) !== oid;
}

/** @throws PayflowError PUBLICATION_LOST */
export async function requireSamePublication(client: Queryable, name: string): Promise<void> {
  if (!(await isPublicationLost(client, name))) return;
  throw new PayflowError(
    'PUBLICATION_LOST',
    `the publication ${name} was dropped, or is another one than before`,
  );
}

/** Only setup ends it, by a new slot: also when somebody has put another publication in its place. */
export async function noteLostPublication(client: Queryable, error: PayflowError): Promise<void> {
  await client.query(
    `INSERT INTO payflow_sync.watched_table (table_name, code, message, since)
     VALUES ($1, $2, $3, clock_timestamp()) ON CONFLICT (table_name) DO NOTHING`,
    [WHOLE_PUBLICATION, error.code, error.message],
  );
}

interface Existing {
  readonly complete: boolean;
  readonly whole: readonly string[];
  readonly narrowed: readonly string[];
}

export async function publicationTodos(context: SetupContext): Promise<Todo[]> {
  const { client, catalog, prefix, mapping } = context;
  const name = publicationName(prefix);
  const wanted = new Map(
    [...INTERNAL_TABLES, ...mappedTableNames(mapping)].flatMap((table) => {
      const found = catalog.get(table);
      return found === undefined ? [] : [[quotedTable(found), table] as const];
    }),
  );
  const existing = await existingPublication(context, name);
  // Without the tables that inherit: rows of theirs would come under names that nobody maps.
  const list = [...wanted.keys()].map((table) => `ONLY ${table}`).join(', ');
  const options = await publicationOptions(client);
  if (existing === undefined) {
    const create = `CREATE PUBLICATION ${quoteIdent(name)} FOR TABLE ${list} WITH (${options})`;
    return [{ what: `publication ${name}`, mend: async () => void (await client.query(create)) }];
  }
  const todos: Todo[] = [];
  if (!existing.complete) {
    const alter = `ALTER PUBLICATION ${quoteIdent(name)} SET (${options})`;
    todos.push({
      what: `options of publication ${name}`,
      mend: async () => void (await client.query(alter)),
      tables: [...wanted.values()],
    });
  }
  const whole = new Set(existing.whole);
  const missing = [...wanted].filter(([table]) => !whole.has(table)).map(([, table]) => table);
  const isMore = [...existing.whole, ...existing.narrowed].some((table) => !wanted.has(table));
  if (missing.length > 0 || isMore) {
    const alter = `ALTER PUBLICATION ${quoteIdent(name)} SET TABLE ${list}`;
    const mend = async () => void (await client.query(alter));
    todos.push({ what: `tables of publication ${name}`, mend, tables: missing });
  }
  return todos;
}

/** to_jsonb: row filters and column lists are columns of their own since PostgreSQL 15. */
async function existingPublication({ client }: SetupContext, name: string): Promise<Existing | undefined> {
  const { rows } = await client.query<{ complete: boolean; tables: { name: string; whole: boolean }[] }>(
    `SELECT ${IS_COMPLETE_SQL} AS complete,
            (SELECT coalesce(json_agg(json_build_object(
                'name', format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')),
                'whole', to_jsonb(r)->>'prqual' IS NULL AND to_jsonb(r)->>'prattrs' IS NULL)), '[]')
             FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.prpubid = p.oid) AS tables
     FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  const [existing] = rows;
  if (existing === undefined) return undefined;
  const { complete, tables } = existing;
  return {
    complete,
    whole: tables.filter(({ whole }) => whole).map((table) => table.name),
    narrowed: tables.filter(({ whole }) => !whole).map((table) => table.name),
  };
}
