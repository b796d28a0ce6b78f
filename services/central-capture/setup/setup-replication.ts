/** What setup makes of PostgreSQL's own objects: publication, slot, replica identity. */
import { PayflowError } from '../../shared/errors.ts';
import { publicationName, slotName } from '../../shared/database/slot-names.ts';
import { raiseEpoch } from './history.ts';
import {
  INTERNAL_TABLES,
  mappedTableNames,
  needsFullIdentity,
  quotedTable,
  quoteIdent,
} from './published-tables.ts';
import { publicationOptions } from './publication-options.ts';
import type { SetupContext, Todo } from './setup-context.ts';

interface Relation {
  readonly schema: string;
  readonly table: string;
}

/** Partitions have a replica identity each, and it is theirs that counts. */
export async function replicaIdentityTodos(context: SetupContext): Promise<Todo[]> {
  const { client, catalog, mapping } = context;
  const mappings = new Map(mapping.tables.map((table) => [table.central, table]));
  const oids = [...catalog.values()]
    .filter((table) => needsFullIdentity(table, mappings.get(table.name)))
    .map((table) => table.oid);
  const { rows } = await client.query<Relation>(
    `SELECT DISTINCT n.nspname AS schema, c.relname AS table
     FROM unnest($1::oid[]) AS root (oid)
     CROSS JOIN LATERAL (SELECT root.oid AS relid
                         UNION SELECT relid::oid FROM pg_partition_tree(root.oid::regclass)) AS leaf
     JOIN pg_class c ON c.oid = leaf.relid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relreplident <> 'f'`,
    [oids],
  );
  await refuseVirtualColumns(context, oids);
  return rows.map((relation) => ({
    what: `REPLICA IDENTITY FULL of ${relation.schema}.${relation.table}`,
    mend: async () => void (await client.query(`ALTER TABLE ${quotedTable(relation)} REPLICA IDENTITY FULL`)),
  }));
}

/**
 * With REPLICA IDENTITY FULL the server refuses every update of a published table that has a virtual column:
 * the centre's own programs would fail [seen, PostgreSQL 18]. Better not to begin.
 */
async function refuseVirtualColumns({ client }: SetupContext, oids: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%s.%I', a.attrelid::regclass, a.attname) AS name
     FROM pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND a.attgenerated = 'v' ORDER BY 1`,
    [oids],
  );
  if (rows.length === 0) return;
  const columns = rows.map(({ name }) => name);
  throw new PayflowError('TABLE_VIRTUAL_COLUMN', `virtual generated columns: ${columns.join(', ')}`, {
    details: { columns },
  });
}

export async function publicationTodos(context: SetupContext): Promise<Todo[]> {
  const { client, catalog, prefix, mapping } = context;
  const name = publicationName(prefix);
  const wanted = [...INTERNAL_TABLES, ...mappedTableNames(mapping)].flatMap((table) => {
    const found = catalog.get(table);
    return found === undefined ? [] : [quotedTable(found)];
  });
  const { rows } = await client.query<{ complete: boolean; tables: string[] }>(
    `SELECT p.pubviaroot AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
              AND coalesce(to_jsonb(p)->>'pubgencols', 's') = 's' AS complete,
            ARRAY(SELECT format('%I.%I', n.nspname, c.relname)
                  FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
                  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.prpubid = p.oid) AS tables
     FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  const existing = rows[0];
  const list = wanted.join(', ');
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
    });
  }
  const same = sameNames(existing.tables, wanted);
  if (!same) {
    const alter = `ALTER PUBLICATION ${quoteIdent(name)} SET TABLE ${list}`;
    todos.push({ what: `tables of publication ${name}`, mend: async () => void (await client.query(alter)) });
  }
  return todos;
}

/** format('%I') quotes only where needed, we always do. */
function sameNames(existing: readonly string[], wanted: readonly string[]): boolean {
  const plain = (name: string) => name.replaceAll('"', '');
  const known = new Set(existing.map(plain));
  return known.size === wanted.length && wanted.every((name) => known.has(plain(name)));
}

interface SlotRow {
  readonly database: string;
  readonly plugin: string;
  readonly wal_status: string | null;
  readonly here: boolean;
}

/**
 * A slot that has to be made again begins a new epoch: between the old slot's end and the new one's beginning
 * changes are missing, so every table is seeded again and tills sweep what they no longer see. The epoch is
 * raised before the slot is made: a crash in between raises it twice, which costs nothing.
 */
export async function slotTodos(context: SetupContext): Promise<Todo[]> {
  const { client, prefix, hasSchema } = context;
  const name = slotName(prefix);
  const { rows } = await client.query<SlotRow>(
    `SELECT database, plugin, wal_status, database = current_database() AS here
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  const slot = rows[0];
  if (slot !== undefined && (!slot.here || slot.plugin !== 'pgoutput')) {
    throw new PayflowError(
      'CONFLICT',
      `the slot ${name} belongs to database ${slot.database} (plugin ${slot.plugin}); choose another TOPIC_PREFIX`,
    );
  }
  if (slot !== undefined && slot.wal_status !== 'lost') {
    return (await madeBefore(context)) || !hasSchema
      ? []
      : [{ what: 'note of the slot', mend: () => rememberSlot(context, name) }];
  }
  const what = slot === undefined ? `replication slot ${name}` : `replication slot ${name} (was invalid)`;
  return [{ what, mend: () => createSlot(context, name, slot !== undefined) }];
}

async function madeBefore({ client, hasSchema }: SetupContext): Promise<boolean> {
  if (!hasSchema) return false;
  const { rowCount } = await client.query(`SELECT FROM payflow_sync.meta WHERE name = 'slot'`);
  return (rowCount ?? 0) > 0;
}

async function createSlot(context: SetupContext, name: string, dropFirst: boolean): Promise<void> {
  const { client } = context;
  if (await madeBefore(context)) await raiseEpoch(context);
  if (dropFirst) await client.query('SELECT pg_drop_replication_slot($1)', [name]);
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  await rememberSlot(context, name);
}

async function rememberSlot({ client }: SetupContext, name: string): Promise<void> {
  await client.query(
    `INSERT INTO payflow_sync.meta (name, value) VALUES ('slot', $1)
     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
    [name],
  );
}
