/** The mapping as it holds for one file. */
import type { Logger } from 'pino';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { ColumnOptions, Mapping, TableMapping } from '../../shared/mapping/mapping.ts';

/**
 * A file that keeps its texts as UTF-16 holds letters and no bytes of an older set: `charset` is not for it, neither
 * up nor down, while other tills of the same mapping need it.
 */
export function mappingOfFile(db: SqliteDatabase, mapping: Mapping, log: Logger): Mapping {
  const encoding = String(db.pragma('encoding', { simple: true }));
  if (encoding === 'UTF-8') return mapping;
  const named = mapping.tables.flatMap(({ local, columns }) =>
    [...columns].flatMap(([column, { charset }]) => (charset === undefined ? [] : [`${local}.${column}`])),
  );
  if (named.length === 0) return mapping;
  log.warn({ columns: named }, `${db.name} keeps its texts as ${encoding}: charset does not hold for it`);
  return { ...mapping, tables: mapping.tables.map(withoutCharset) };
}

function withoutCharset(table: TableMapping): TableMapping {
  const columns = [...table.columns].map(
    ([name, { charset: _, ...options }]): readonly [string, ColumnOptions] => [name, options],
  );
  return { ...table, columns: new Map(columns) };
}
