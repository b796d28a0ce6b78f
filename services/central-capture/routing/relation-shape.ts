/**
 * A table as the WAL describes it, fitted to the table as the catalog has it now. They differ for a while after
 * ALTER TABLE: the catalog is read when the WAL of before may still be on its way. Pure.
 *
 * Whatever cannot be carried in between is no loss: a table whose shape changed is seeded again.
 */
import {
  kindOfType,
  type CentralColumn,
  type CentralKind,
  type CentralTable,
} from '../../shared/catalog/central-catalog.ts';
import type { Relation, RelationColumn } from '../wal/pgoutput-decoder.ts';

const TYPE_OF_KIND: Readonly<Record<CentralKind, string>> = {
  boolean: 'boolean',
  int: 'integer',
  bigint: 'bigint',
  double: 'double precision',
  bytes: 'bytea',
  text: 'text',
};

/** The relation under the catalog's column names, and the table with the types that the relation brings. */
export function fitShapes(
  relation: Relation,
  table: CentralTable,
): { relation: Relation; table: CentralTable } {
  const columns = renamedColumns(relation.columns, table);
  const types = new Map(columns.map((column) => [column.name, column.typeOid]));
  const isOther = (column: CentralColumn) => (types.get(column.name) ?? column.typeOid) !== column.typeOid;
  const fitted = columns === relation.columns ? relation : { ...relation, columns };
  if (!table.columns.some(isOther)) return { relation: fitted, table };
  return {
    relation: fitted,
    table: {
      ...table,
      columns: table.columns.map((column) =>
        isOther(column) ? typedAs(column, types.get(column.name) ?? column.typeOid) : column,
      ),
    },
  };
}

/** RENAME COLUMN leaves a column its place and its type. */
function renamedColumns(columns: readonly RelationColumn[], table: CentralTable): readonly RelationColumn[] {
  const stored = table.columns.filter((column) => !column.generated);
  const known = new Set(stored.map((column) => column.name));
  if (stored.length !== columns.length || columns.every((column) => known.has(column.name))) return columns;
  const taken = new Set(columns.map((column) => column.name));
  return columns.map((column, place) => {
    const now = stored[place];
    const isRenamed = !known.has(column.name) && now !== undefined && !taken.has(now.name);
    return isRenamed && now.typeOid === column.typeOid ? { ...column, name: now.name } : column;
  });
}

/** The text of a value is read as what it was printed from. */
function typedAs(column: CentralColumn, typeOid: number): CentralColumn {
  const kind = kindOfType(typeOid);
  return { ...column, kind, typeOid, type: TYPE_OF_KIND[kind], isArray: false };
}
