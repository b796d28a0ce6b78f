/**
 * Reads what the watch compares. A heartbeat asks for one mark per table only (3 ms for 200 tables of 20 columns);
 * the whole is read of tables whose mark is another one. Partitions are asked for level by level: a recursive
 * query over 4,000 of them is planned so badly that it takes 150 ms.
 */
import type { Pool, PoolClient } from 'pg';
import { splitTableName } from '../../shared/catalog/central-catalog.ts';
import { IS_COMPLETE_SQL } from '../setup/publication.ts';
import type { PartitionFacts, PublicationFacts, TableFacts } from './table-shape.ts';

type Queryable = Pool | PoolClient;

/** Of each table that exists: changes whenever anything does that a comparison could see, partitions aside. */
export async function readMarks(
  client: Queryable,
  names: readonly string[],
  publication: string,
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; mark: string }>(MARKS_SQL, [
    ...nameArrays(names),
    publication,
  ]);
  return new Map(rows.map(({ name, mark }) => [name, mark]));
}

/** null: there is none. */
export async function readPublication(client: Queryable, name: string): Promise<PublicationFacts | null> {
  const { rows } = await client.query<PublicationFacts>(
    `SELECT p.oid::int8::float8 AS oid, p.xmin::text AS mark, pg_has_role(p.pubowner, 'USAGE') AS "isOurs",
            ${IS_COMPLETE_SQL} AS "isComplete"
     FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  return rows[0] ?? null;
}

/** Of those that exist. */
export async function readTables(
  client: Queryable,
  names: readonly string[],
  publication: string,
): Promise<Map<string, TableFacts>> {
  const { rows } = await client.query<{ name: string; facts: Omit<TableFacts, 'name'> }>(TABLES_SQL, [
    ...nameArrays(names),
    publication,
  ]);
  return new Map(rows.map(({ name, facts }) => [name, { ...facts, name }]));
}

/** End of the WAL. */
export async function readWalEnd(client: Queryable): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  return rows[0]?.lsn ?? '0/0';
}

/** parent, mark of the attachment, oid, kind, schema, table, file, identity, persistence. */
type Attached = readonly [number, string, number, string, string, string, number, string, string];

const IDENTITIES: Readonly<Record<string, TableFacts['identity']>> = { f: 'full', i: 'index', n: 'nothing' };

/** The leaves of each of these partitioned tables, by the root's oid. */
export async function readPartitions(
  client: Queryable,
  roots: readonly number[],
): Promise<Map<number, PartitionFacts[]>> {
  const leaves = new Map<number, PartitionFacts[]>(roots.map((root) => [root, []]));
  let above = new Map(roots.map((root) => [root, { root, path: '' }]));
  while (above.size > 0) {
    const { rows } = await client.query<[...Attached]>({
      text: ATTACHED_SQL,
      values: [[...above.keys()]],
      rowMode: 'array',
    });
    const below = new Map<number, { root: number; path: string }>();
    for (const [parent, mark, oid, kind, schema, table, file, identity, persistence] of rows) {
      const from = above.get(parent);
      if (from === undefined) continue;
      const path = `${from.path}/${mark}`;
      if (kind === 'p') {
        below.set(oid, { root: from.root, path });
        continue;
      }
      leaves.get(from.root)?.push({
        oid,
        schema,
        table,
        path,
        file,
        identity: IDENTITIES[identity] ?? 'default',
        isLogged: persistence === 'p' && kind !== 'f',
      });
    }
    above = below;
  }
  return leaves;
}

/** What the rows of a partition have in common, as SQL; undefined: it is a partition no more. */
export async function partitionBounds(client: Queryable, oid: number): Promise<string | undefined> {
  const { rows } = await client.query<{ bounds: string }>(
    `SELECT coalesce(pg_get_partition_constraintdef(oid), 'true') AS bounds FROM pg_class
     WHERE oid = $1::oid AND relispartition`,
    [oid],
  );
  return rows[0]?.bounds;
}

function nameArrays(names: readonly string[]): string[][] {
  const split = names.map(splitTableName);
  return [[...names], split.map(({ schema }) => schema), split.map(({ table }) => table)];
}

const WANTED_SQL = `
  unnest($1::text[], $2::text[], $3::text[]) AS w (name, schema, tbl)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.tbl AND c.relkind IN ('r', 'p')
  LEFT JOIN pg_publication p ON p.pubname = $4
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid`;

const MARKS_SQL = `
SELECT w.name, ROW(
  c.oid, c.xmin, c.relfilenode, p.oid, p.xmin, r.oid, row_security_active(c.oid),
  has_table_privilege(c.oid, 'SELECT'),
  (SELECT sum(a.xmin::text::int8 * a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
  (SELECT string_agg(i.indexrelid::text || ':' || i.xmin::text, ',') FROM pg_index i
    WHERE i.indrelid = c.oid AND (i.indisprimary OR i.indisreplident)),
  CASE WHEN c.relhassubclass AND c.relkind = 'r'
       THEN (SELECT count(*) FROM pg_inherits h WHERE h.inhparent = c.oid) END,
  (SELECT sum(e.xmin::text::int8) + count(*) FROM pg_enum e)
)::text AS mark
FROM ${WANTED_SQL}`;

/** to_jsonb: row filters and column lists are columns of their own since PostgreSQL 15. */
const TABLES_SQL = `
SELECT w.name, json_build_object(
  'schema', n.nspname, 'table', c.relname, 'oid', c.oid::int8, 'isPartitioned', c.relkind = 'p',
  'isLogged', c.relpersistence = 'p',
  'identity', CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' WHEN 'n' THEN 'nothing' ELSE 'default' END,
  'identityKey', (
    SELECT coalesce(json_agg(a.attname), '[]') FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::int2[]) AS k (attnum)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid),
  'key', (
    SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]') FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
  'isKeyDeferrable', EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate),
  'columns', (
    SELECT coalesce(json_agg(json_build_object(
        'place', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'typeOid', a.atttypid::int8, 'mark', a.xmin::text) ORDER BY a.attnum), '[]')
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
  'generated', (
    SELECT coalesce(json_agg(a.attname), '[]') FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''),
  'virtual', (
    SELECT coalesce(json_agg(format('%s.%I', a.attrelid::regclass, a.attname)), '[]') FROM pg_attribute a
     WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attgenerated = 'v'),
  'hasToastable', EXISTS (
    SELECT FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> 'p'),
  'labels', (
    WITH RECURSIVE type AS (
      SELECT a.atttypid AS oid FROM pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
      UNION
      SELECT inner_oid FROM type JOIN pg_type t ON t.oid = type.oid
        CROSS JOIN LATERAL (
          SELECT t.typelem UNION ALL SELECT t.typbasetype
          UNION ALL SELECT a.atttypid FROM pg_attribute a
                     WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
          UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)
        ) AS part (inner_oid)
       WHERE inner_oid >= 16384)
    SELECT coalesce(json_object_agg(e.oid, e.enumlabel), '{}') FROM type JOIN pg_enum e ON e.enumtypid = type.oid),
  'file', c.relfilenode::int8,
  'membership', CASE WHEN r.oid IS NOT NULL THEN json_build_object('oid', r.oid::int8, 'isWhole',
    to_jsonb(r)->>'prqual' IS NULL AND to_jsonb(r)->>'prattrs' IS NULL) END,
  'heirs', (
    SELECT coalesce(json_agg(h.inhrelid::regclass::text), '[]') FROM pg_inherits h
     WHERE h.inhparent = c.oid AND c.relkind = 'r'),
  'isRowSecured', row_security_active(c.oid), 'isReadable', has_table_privilege(c.oid, 'SELECT'),
  'isOurs', pg_has_role(c.relowner, 'USAGE')
) AS facts
FROM ${WANTED_SQL}`;

/** Without JSON: for 4,000 partitions that costs more than the look itself. */
const ATTACHED_SQL = `
SELECT i.inhparent, i.xmin, c.oid, c.relkind, n.nspname, c.relname, c.relfilenode, c.relreplident, c.relpersistence
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = ANY ($1::oid[])`;
