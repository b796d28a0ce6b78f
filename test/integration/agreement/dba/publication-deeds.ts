/** What a DBA does to the publication and to what the WAL holds of a table. Afterwards rows change. */
import { changeSql, pickOne, TABLES, type Deed } from './desk.ts';
import { join, leave } from '../../../support/publication-sql.ts';

const ROW_FILTERS_SINCE = 150_000;
const ALL = `publish = 'insert, update, delete, truncate'`;

export const PUBLICATION_DEEDS = {
  'table taken out': async ({ publication }, pick) => {
    const table = pickOne(TABLES, pick) ?? 'items';
    const out = [leave(publication, table), changeSql(table, pick)];
    return pick % 2 === 0 ? out : [...out, join(publication, table)];
  },

  'rows filtered': async ({ publication, pool }, pick) => {
    const table = pickOne(TABLES, pick) ?? 'items';
    const version = await pool.query<{ now: number }>(
      `SELECT current_setting('server_version_num')::int AS now`,
    );
    if ((version.rows[0]?.now ?? 0) < ROW_FILTERS_SINCE) return [];
    return [
      leave(publication, table) + join(publication, `${table} WHERE (id % 2 = 0)`),
      changeSql(table, pick),
    ];
  },

  'less published': async ({ publication }, pick) => {
    const less = pickOne(['insert', 'insert, update', 'insert, delete, truncate', ''], pick) ?? '';
    const deed = [
      `ALTER PUBLICATION "${publication}" SET (publish = '${less}')`,
      TABLES.map((table) => changeSql(table, pick)).join('\n'),
    ];
    return pick % 2 === 0 ? deed : [...deed, `ALTER PUBLICATION "${publication}" SET (${ALL})`];
  },

  'published by partitions': async ({ publication }, pick) => {
    const set = (value: boolean) =>
      `ALTER PUBLICATION "${publication}" SET (publish_via_partition_root = ${value})`;
    const deed = [set(false), changeSql('tickets', pick)];
    return pick % 2 === 0 ? deed : [...deed, set(true)];
  },

  'identity narrowed': async (desk, pick) => {
    const leaf = pickOne([desk.rest, ...desk.ranges.keys()], pick) ?? desk.rest;
    const move = `UPDATE tickets SET store_id = 3 - store_id WHERE id % 4 = ${pick % 4};`;
    const [name, change] =
      pick % 3 === 0 ? ['lines', changeSql('lines', pick)] : [leaf, move + changeSql('tickets', pick)];
    const deed = [`ALTER TABLE ${name} REPLICA IDENTITY DEFAULT`, change];
    return pick % 2 === 0 ? deed : [...deed, `ALTER TABLE ${name} REPLICA IDENTITY FULL`];
  },

  'identity by another index': async (desk, pick) => {
    const [index] = await desk.column(
      `SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'items'::regclass AND indisunique AND NOT indisprimary`,
    );
    return index === undefined
      ? []
      : [`ALTER TABLE items REPLICA IDENTITY USING INDEX ${index}`, changeSql('items', pick)];
  },

  'no identity for a while': async (_desk, pick) => [
    'ALTER TABLE items REPLICA IDENTITY NOTHING',
    'ALTER TABLE items REPLICA IDENTITY DEFAULT',
    changeSql('items', pick),
  ],

  'publication dropped': async ({ publication }, pick) => [
    `DROP PUBLICATION IF EXISTS "${publication}"`,
    changeSql('items', pick),
  ],
} satisfies Record<string, Deed>;
