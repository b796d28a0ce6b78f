/**
 * What the server says of a table, and what of it is kept from its seeding (payflow_sync.watched_table). Pure.
 *
 * A mark is the xmin of a catalog row: it stays when the row does, and is another one after any change of it, also
 * after one that was undone.
 */
import type { Route } from '../routing/routes.ts';
import type { Relation } from '../wal/pgoutput-decoder.ts';

export interface ColumnFacts {
  /** attnum: a column that was dropped and added again has another one. */
  readonly place: number;
  readonly name: string;
  /** As `format_type` prints it. */
  readonly type: string;
  readonly typeOid: number;
  readonly mark: string;
}

export interface PublicationFacts {
  readonly oid: number;
  readonly mark: string;
  /** It publishes everything, by root tables. */
  readonly isComplete: boolean;
  /** Our login may alter it. */
  readonly isOurs: boolean;
}

export interface TableFacts {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  readonly isPartitioned: boolean;
  readonly isLogged: boolean;
  /** Of `index`: the columns of that index, none where it is gone. */
  readonly identity: 'default' | 'full' | 'index' | 'nothing';
  readonly identityKey: readonly string[];
  readonly key: readonly string[];
  /** PostgreSQL names no old row by a deferrable key. */
  readonly isKeyDeferrable: boolean;
  /** Without generated ones, in their order. */
  readonly columns: readonly ColumnFacts[];
  readonly generated: readonly string[];
  /** Virtual generated columns, with their table. */
  readonly virtual: readonly string[];
  readonly hasToastable: boolean;
  /** Labels of all enums in its columns, by the oid of the label. */
  readonly labels: Readonly<Record<string, string>>;
  /** The file its rows are in; 0 for a partitioned table. */
  readonly file: number;
  readonly membership: { readonly oid: number; readonly isWhole: boolean } | null;
  /** Tables that inherit from it, partitions aside. */
  readonly heirs: readonly string[];
  readonly isRowSecured: boolean;
  readonly isReadable: boolean;
  /** Our login may alter it. */
  readonly isOurs: boolean;
}

/** A leaf of a partitioned table. */
export interface PartitionFacts {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** Marks of the attachments between it and the root. */
  readonly path: string;
  readonly file: number;
  readonly identity: TableFacts['identity'];
  readonly isLogged: boolean;
}

export interface SeededPartition {
  readonly path: string;
  readonly file: number;
}

/** A table as it was when its rows were last read whole. */
export interface TableShape {
  readonly oid: number;
  readonly membership: number | null;
  readonly publication: string;
  readonly file: number;
  readonly key: readonly string[];
  readonly columns: readonly ColumnFacts[];
  readonly generated: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** End of the WAL before it was looked at: what was committed earlier is in what was read. */
  readonly lsn: string;
}

export function shapeOf(
  table: TableFacts,
  publication: Pick<PublicationFacts, 'oid' | 'mark'>,
  lsn: string,
): TableShape {
  const { oid, membership, file, key, columns, generated, labels } = table;
  return {
    oid,
    membership: membership?.oid ?? null,
    publication: `${publication.oid}:${publication.mark}`,
    file,
    key,
    columns,
    generated,
    labels,
    lsn,
  };
}

/** Whether the WAL describes the table otherwise than it was seeded. */
export function isDescribedOtherwise(name: string, shape: TableShape, relation: Relation): boolean {
  if (relation.oid !== shape.oid || relation.name !== name) return true;
  // Generated columns are published or not, by the server's version; they are never sent.
  const described = relation.columns.filter((column) => !shape.generated.includes(column.name));
  return (
    described.length !== shape.columns.length ||
    described.some(({ name: column, typeOid }, at) => {
      const seeded = shape.columns[at];
      return seeded?.name !== column || seeded.typeOid !== typeOid;
    })
  );
}

/** Whether the route reads the table that is there, with the columns that it has. */
export function isMadeOf({ table, relation }: Pick<Route, 'table' | 'relation'>, now: TableFacts): boolean {
  return (
    table.oid === now.oid &&
    table.key.join() === now.key.join() &&
    relation.columns.length === now.columns.length &&
    relation.columns.every(({ name, typeOid }, at) => {
      const column = now.columns[at];
      return column?.name === name && column.typeOid === typeOid;
    })
  );
}
