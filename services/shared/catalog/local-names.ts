/**
 * What the tables and columns of a till are called. SQLite compares names without regard to the case of A to Z, so
 * `orders` and `Orders` are one table; we compare by bytes everywhere, and so each gets one name where names enter, in the
 * file's catalog and in the mapping alike. What is recorded under a name stays valid as long as that name holds.
 *
 *   a table is called             | a column is called
 *   ------------------------------+------------------------------------------------------------------------------
 *                                 | as we write it, where it is one that we keep ourselves
 *   as this file recorded it      | as this file recorded it, whatever the app or the mapping calls it now
 *   else as the mapping writes it | else as the mapping writes it
 *   else as the file writes it    | else as the file writes it
 */
import type { LocalUniqueIndex } from './unique-indexes.ts';
import { Names } from './same-name.ts';
import type { LocalForeignKey, LocalTable } from './local-catalog.ts';
import { STATUS_COLUMNS, type Mapping, type Scope, type TableMapping } from '../mapping/mapping.ts';

/** Under which names something was recorded before. */
export interface RecordedNames {
  readonly tables: Iterable<string>;
  readonly columns: (table: string) => Iterable<string>;
}

export const NOTHING_RECORDED: RecordedNames = { tables: [], columns: () => [] };

/** Both, in the names that hold for this till. */
export function inOneCase(
  mapping: Mapping,
  catalog: ReadonlyMap<string, LocalTable>,
  recorded: RecordedNames = NOTHING_RECORDED,
): { mapping: Mapping; catalog: Map<string, LocalTable> } {
  const names = new LocalNames(mapping, recorded);
  const tables = [...catalog.values()].map((table) => names.ofFile(table));
  return {
    mapping: { ...mapping, tables: mapping.tables.map((table) => names.ofMapping(table)) },
    catalog: new Map(tables.map((table) => [table.name, table])),
  };
}

/** The tables of a mapping that may write one name in several cases. */
export function mappedInOneCase(tables: readonly TableMapping[]): TableMapping[] {
  const names = new LocalNames({ tables }, NOTHING_RECORDED);
  return tables.map((table) => names.ofMapping(table));
}

class LocalNames {
  readonly #tables: Names;
  readonly #columns = new Map<string, Names>();
  readonly #recorded: RecordedNames;
  readonly #mapped: ReadonlyMap<string, TableMapping>;

  constructor({ tables }: Pick<Mapping, 'tables'>, recorded: RecordedNames) {
    this.#recorded = recorded;
    const written = tables.map(({ local }) => local);
    const known = new Set(recorded.tables);
    // An earlier version could record one table under two names: under the mapping's it goes on.
    this.#tables = new Names([...written.filter((name) => known.has(name)), ...known, ...written]);
    this.#mapped = new Map(tables.map((table) => [this.#tables.of(table.local), table]));
  }

  #columnsOf(table: string): Names {
    const mapped = this.#mapped.get(table);
    const found =
      this.#columns.get(table) ??
      new Names([
        ...STATUS_COLUMNS,
        ...this.#recorded.columns(table),
        ...(mapped === undefined ? [] : mentioned(mapped)),
      ]);
    this.#columns.set(table, found);
    return found;
  }

  ofFile(table: LocalTable): LocalTable {
    const name = this.#tables.of(table.name);
    const { of } = this.#columnsOf(name);
    const all = (columns: readonly string[]) => columns.map(of);
    const indexed = (index: LocalUniqueIndex) => ({ ...index, columns: all(index.columns) });
    return {
      ...table,
      name,
      columns: table.columns.map((column) => ({ ...column, name: of(column.name) })),
      key: all(table.key),
      uniques: table.uniques.map(all),
      uniqueIndexes: table.uniqueIndexes?.map(indexed),
      foreignKeys: table.foreignKeys.map((foreignKey) => this.#foreignKey(foreignKey, of)),
    };
  }

  #foreignKey(foreignKey: LocalForeignKey, of: Names['of']): LocalForeignKey {
    const parent = this.#tables.of(foreignKey.parent);
    const parentColumns = foreignKey.parentColumns.map(this.#columnsOf(parent).of);
    return { columns: foreignKey.columns.map(of), parent, parentColumns };
  }

  ofMapping(table: TableMapping): TableMapping {
    const local = this.#tables.of(table.local);
    const { of } = this.#columnsOf(local);
    const byColumn = <Value>(map: ReadonlyMap<string, Value>) =>
      new Map([...map].map(([column, value]) => [of(column), value]));
    const references = [...table.references].map(
      ([column, reference]) =>
        [of(column), { ...reference, table: this.#tables.of(reference.table) }] as const,
    );
    return {
      ...table,
      local,
      scope: ofScope(table.scope, of),
      exclude: new Set([...table.exclude].map(of)),
      identity: of(table.identity),
      link: of(table.link),
      timestamp: of(table.timestamp),
      rename: byColumn(table.rename),
      columns: byColumn(table.columns),
      references: new Map(references),
      naturalKey: table.naturalKey.map(of),
      sensitive: new Set([...table.sensitive].map(of)),
    };
  }
}

function ofScope(scope: Scope, of: Names['of']): Scope {
  return scope.kind === 'global' ? scope : { ...scope, column: of(scope.column) };
}

/** Local columns that it names, first as which its rows are described, last what holds for tables in general. */
function mentioned(table: TableMapping): string[] {
  return [
    ...table.rename.keys(),
    ...table.columns.keys(),
    ...table.references.keys(),
    ...table.naturalKey,
    ...table.sensitive,
    ...(table.scope.kind === 'global' ? [] : [table.scope.column]),
    table.timestamp,
    table.identity,
    table.link,
    ...table.exclude,
  ];
}
