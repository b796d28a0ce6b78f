/** What a DBA does to the publication and to what the WAL holds of a table. Meanwhile and afterwards rows change. */
import { editAllSql, editSql, type Deed } from './desk.ts';
import { join, leave } from '../../support/publication-sql.ts';

const ROW_FILTERS_SINCE = 150_000;
const ALL = `publish = 'insert, update, delete, truncate'`;

export const PUBLICATION_DEEDS: Readonly<Record<string, Deed>> = {
  'table taken out': async (desk) => {
    const table = desk.table();
    const out = [leave(desk.publication, table), editSql(desk, table)];
    return desk.below(2) === 0 ? out : [...out, join(desk.publication, table)];
  },

  'rows filtered': async (desk) => {
    const table = desk.oneOf(['order_items', 'payments', 'discounts'] as const) ?? 'payments';
    const version = await desk.number(`SELECT current_setting('server_version_num') AS n`);
    if (version < ROW_FILTERS_SINCE) return [];
    const filtered = join(desk.publication, `${table} WHERE (id % 2 = 0)`);
    return [leave(desk.publication, table) + filtered, editSql(desk, table)];
  },

  'less published': async (desk) => {
    const less = desk.oneOf(['insert', 'insert, update', 'insert, delete, truncate', '']) ?? '';
    const deed = [
      `ALTER PUBLICATION "${desk.publication}" SET (publish = '${less}')`,
      editAllSql(desk),
      `DELETE FROM discounts WHERE id % 5 = ${desk.below(5)}`,
    ];
    return desk.below(2) === 0 ? deed : [...deed, `ALTER PUBLICATION "${desk.publication}" SET (${ALL})`];
  },

  'published by partitions': async (desk) => {
    const set = (value: boolean) =>
      `ALTER PUBLICATION "${desk.publication}" SET (publish_via_partition_root = ${value})`;
    const deed = [set(false), editSql(desk, 'inventory_transactions')];
    return desk.below(2) === 0 ? deed : [...deed, set(true)];
  },

  'identity narrowed': async (desk) => {
    const table = desk.oneOf(['order_items', 'payments', 'customers'] as const) ?? 'payments';
    const deed = [`ALTER TABLE ${table} REPLICA IDENTITY DEFAULT`, editSql(desk, table)];
    return desk.below(2) === 0 ? deed : [...deed, `ALTER TABLE ${table} REPLICA IDENTITY FULL`];
  },

  'no identity for a while': async (desk) => {
    const table = desk.oneOf(['customers', 'order_items'] as const) ?? 'customers';
    return [
      `ALTER TABLE ${table} REPLICA IDENTITY NOTHING`,
      `ALTER TABLE ${table} REPLICA IDENTITY DEFAULT`,
      editSql(desk, table),
    ];
  },
};
