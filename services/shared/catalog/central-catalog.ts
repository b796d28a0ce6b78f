/** What pg_catalog says of the mapped tables. Read once at start and again when a Relation message differs. */
import type { Pool, PoolClient } from 'pg';

/** How a column's values are carried (see CentralValue in change-record.ts). */
export type CentralKind = 'boolean' | 'int' | 'bigint' | 'double' | 'bytes' | 'text';

export interface CentralColumn {
  readonly name: string;
  readonly kind: CentralKind;
  /** Type as `format_type` prints it, domains resolved: `numeric(12,2)`, `timestamp with time zone`, `text[]`. */
  readonly type: string;
  readonly typeOid: number;
  readonly isArray: boolean;
  readonly notNull: boolean;
  /** SQL of the default, without identity; null without one. */
  readonly defaultSql: string | null;
  /** `always` and `by default` identity columns. */
  readonly identity: 'always' | 'default' | null;
  /** GENERATED … STORED: can never be written. */
  readonly generated: boolean;
  /** May be stored out of line (TOAST). */
  readonly toastable: boolean;
}

export interface CentralForeignKey {
  readonly columns: readonly string[];
  /** Name as in the mapping. */
  readonly parent: string;
  readonly parentColumns: readonly string[];
}

export interface CentralTable {
  /** As in the mapping: schema-qualified unless in `public`. */
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly partitioned: boolean;
  readonly columns: readonly CentralColumn[];
  /** Primary key columns in key order; empty without one. */
  readonly key: readonly string[];
  readonly uniques: readonly (readonly string[])[];
  readonly foreignKeys: readonly CentralForeignKey[];
  readonly replicaIdentity: 'default' | 'full' | 'index' | 'nothing';
  /** Tables that inherit from it, partitions aside: their rows show in it. */
  readonly heirs?: readonly string[] | undefined;
  /** Its changes are not in the WAL. */
  readonly unlogged?: boolean | undefined;
}

/**
 * @param names as in the mapping (`products`, `other.products`, `payflow_sync.link`)
 * @returns the tables that exist, by name
 */
export async function readCentralCatalog(
  client: Pool | PoolClient,
  names: readonly string[],
): Promise<Map<string, CentralTable>> {
  const wanted = names.map((name) => ({ name, ...splitTableName(name) }));
  const { rows } = await client.query<{ name: string; facts: TableFacts }>(CATALOG_SQL, [
    wanted.map(({ name }) => name),
    wanted.map(({ schema }) => schema),
    wanted.map(({ table }) => table),
  ]);
  return new Map(rows.map(({ name, facts }) => [name, centralTable(name, facts)]));
}

/** `public` where the name has no schema. */
export function splitTableName(name: string): { schema: string; table: string } {
  const dot = name.indexOf('.');
  return dot === -1
    ? { schema: 'public', table: name }
    : { schema: name.slice(0, dot), table: name.slice(dot + 1) };
}

interface TableFacts {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly relkind: string;
  readonly relreplident: string;
  readonly heirs: readonly string[] | null;
  readonly unlogged: boolean;
  readonly columns: readonly ColumnFacts[];
  readonly key: readonly string[] | null;
  readonly uniques: readonly (readonly string[])[] | null;
  readonly foreignKeys:
    | readonly {
        schema: string;
        table: string;
        columns: readonly string[];
        parentColumns: readonly string[];
      }[]
    | null;
}

interface ColumnFacts {
  readonly name: string;
  readonly baseOid: number;
  readonly type: string;
  readonly typeOid: number;
  readonly isArray: boolean;
  readonly notNull: boolean;
  readonly defaultSql: string | null;
  readonly identity: string;
  readonly generated: string;
  readonly storage: string;
}

function centralTable(name: string, facts: TableFacts): CentralTable {
  return {
    name,
    schema: facts.schema,
    table: facts.table,
    oid: Number(facts.oid),
    partitioned: facts.relkind === 'p',
    columns: facts.columns.map(centralColumnOf),
    key: facts.key ?? [],
    uniques: facts.uniques ?? [],
    foreignKeys: (facts.foreignKeys ?? []).map(({ schema, table, columns, parentColumns }) => ({
      columns,
      parent: schema === 'public' ? table : `${schema}.${table}`,
      parentColumns,
    })),
    replicaIdentity: replicaIdentity(facts.relreplident),
    heirs: facts.heirs ?? [],
    unlogged: facts.unlogged,
  };
}

function centralColumnOf(facts: ColumnFacts): CentralColumn {
  return {
    name: facts.name,
    kind: kindOfType(Number(facts.baseOid)),
    type: facts.type,
    typeOid: Number(facts.typeOid),
    isArray: facts.isArray,
    notNull: facts.notNull,
    defaultSql: facts.generated === '' ? facts.defaultSql : null,
    identity: facts.identity === 'a' ? 'always' : facts.identity === 'd' ? 'default' : null,
    generated: facts.generated !== '',
    toastable: facts.storage !== 'p',
  };
}

function replicaIdentity(letter: string): CentralTable['replicaIdentity'] {
  if (letter === 'f') return 'full';
  if (letter === 'i') return 'index';
  return letter === 'n' ? 'nothing' : 'default';
}

/** The oids of PostgreSQL's built-in types never change. */
const KIND_BY_OID: ReadonlyMap<number, CentralKind> = new Map([
  [16, 'boolean'],
  [17, 'bytes'],
  [20, 'bigint'],
  [21, 'int'],
  [23, 'int'],
  [700, 'double'],
  [701, 'double'],
]);

/** How values of this type are carried. Of a domain, ask for the type that it rests on. */
export function kindOfType(oid: number): CentralKind {
  return KIND_BY_OID.get(oid) ?? 'text';
}

/** One row per existing table; a domain is followed down to the type it rests on. */
const CATALOG_SQL = `
WITH wanted AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS w (name, schema, tbl)
), relation AS (
  SELECT w.name, n.nspname, c.*
    FROM wanted w
    JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.tbl AND c.relkind IN ('r', 'p')
)
SELECT r.name, json_build_object(
  'schema', r.nspname, 'table', r.relname, 'oid', c.oid::bigint, 'relkind', r.relkind,
  'relreplident', r.relreplident,
  'heirs', (SELECT json_agg(h.inhrelid::regclass::text ORDER BY h.inhrelid) FROM pg_inherits h
             WHERE h.inhparent = c.oid AND c.relkind = 'r'),
  'unlogged', c.relpersistence <> 'p',
  'columns', (
    SELECT coalesce(json_agg(json_build_object(
        'name', a.attname, 'baseOid', b.oid::bigint, 'type', format_type(b.oid, b.typmod),
        'typeOid', a.atttypid::bigint, 'isArray', b.category = 'A', 'notNull', a.attnotnull,
        'defaultSql', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity,
        'generated', a.attgenerated, 'storage', a.attstorage) ORDER BY a.attnum), '[]')
      FROM pg_attribute a
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      CROSS JOIN LATERAL (
        WITH RECURSIVE chain AS (
          SELECT a.atttypid AS oid, a.atttypmod AS typmod
          UNION ALL
          SELECT t.typbasetype, CASE WHEN t.typtypmod = -1 THEN chain.typmod ELSE t.typtypmod END
            FROM chain JOIN pg_type t ON t.oid = chain.oid AND t.typtype = 'd'
        )
        SELECT chain.oid, chain.typmod, t.typcategory AS category
          FROM chain JOIN pg_type t ON t.oid = chain.oid AND t.typtype <> 'd'
      ) b
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'key', (
    SELECT json_agg(a.attname ORDER BY k.place)
      FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
  'uniques', (
    SELECT json_agg(u.columns ORDER BY u.indexrelid)
      FROM (
        SELECT i.indexrelid, json_agg(a.attname ORDER BY k.place) AS columns
          FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND NOT i.indisprimary
           AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
         GROUP BY i.indexrelid
      ) u),
  'foreignKeys', (
    SELECT json_agg(json_build_object(
        'schema', pn.nspname, 'table', p.relname,
        'columns', (SELECT json_agg(a.attname ORDER BY k.place)
                      FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
                      JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
        'parentColumns', (SELECT json_agg(a.attname ORDER BY k.place)
                            FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
                            JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)
      ) ORDER BY f.oid)
      FROM pg_constraint f
      JOIN pg_class p ON p.oid = f.confrelid
      JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE f.conrelid = c.oid AND f.contype = 'f'
       -- a foreign key to a partitioned table is listed once for each partition as well
       AND NOT (f.conparentid <> 0 AND p.relispartition))
) AS facts
  FROM relation r JOIN pg_class c ON c.oid = r.oid
 ORDER BY r.name`;
