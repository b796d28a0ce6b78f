/**
 * What capture does with each table: how its rows are encoded, where they go. Made from the mapping and the
 * central catalog, and made anew when either changes.
 */
import type { Pool } from 'pg';
import { singleObjectHeader } from '../../shared/records/avro-fingerprint.ts';
import { readCentralCatalog, type CentralTable } from '../../shared/catalog/central-catalog.ts';
import { MAPPING_TABLE } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import type { SchemaRegistry } from '../../shared/records/schema-registry.ts';
import { bindCentral, type CentralBinding } from '../../shared/catalog/table-binding.ts';
import { ChangeEncoder, relationSchema } from '../streams/change-encoder.ts';
import { requireKeys, requireScopes } from '../setup/server-checks.ts';
import type { Relation } from '../wal/pgoutput-decoder.ts';
import {
  INTERNAL_TABLES,
  mappedTableNames,
  needsFullIdentity,
  SENT_INTERNAL_TABLES,
} from '../setup/published-tables.ts';
import { fitShapes } from './relation-shape.ts';
import { ScopeCache, tableScopes, type TableScope } from './scope.ts';

/** A table as one relation (a set of columns in an order) brings it. */
export interface Route {
  readonly name: string;
  readonly relation: Relation;
  readonly table: CentralTable;
  readonly encoder: ChangeEncoder;
  readonly scope: TableScope;
  /** Index in the relation of the column that names the store or the parent; -1 without one. */
  readonly scopeIndex: number;
  /** Where the key columns stand in the relation. */
  readonly keyIndexes: readonly number[];
  /** Of the columns that are never NULL, and the scope's. */
  readonly filledIndexes: readonly number[];
  /** An update must bring the whole old row. */
  readonly needsOldRow: boolean;
  /** Rows go down. Tables of direction `pull`, and some of ours, are only read. */
  readonly sent: boolean;
  /** Rows that are deleted here are not simply removed on tills (`delete:` soft, deny, ignore). */
  readonly outlivesDeletes: boolean;
  /** Its rows give other tables' rows their store. */
  readonly isParent: boolean;
}

export interface RoutesOptions {
  readonly pool: Pool;
  readonly mapping: Mapping;
  readonly schemas: SchemaRegistry;
}

export class Routes {
  readonly mapping: Mapping;
  readonly scopes: ReadonlyMap<string, TableScope>;
  readonly cache: ScopeCache;
  readonly catalog: ReadonlyMap<string, CentralTable>;
  readonly #binding: CentralBinding;
  readonly #schemas: SchemaRegistry;
  readonly #byTable = new Map<string, Route>();
  readonly #byOid: ReadonlyMap<number, CentralTable>;

  private constructor(options: RoutesOptions, catalog: ReadonlyMap<string, CentralTable>) {
    this.mapping = options.mapping;
    this.#schemas = options.schemas;
    this.catalog = catalog;
    this.#byOid = new Map([...catalog.values()].map((table) => [table.oid, table]));
    this.#binding = bindCentral(options.mapping, catalog);
    this.scopes = tableScopes(options.mapping, MAPPING_TABLE);
    this.cache = new ScopeCache({ pool: options.pool, catalog, scopes: this.scopes });
  }

  static async read(options: RoutesOptions): Promise<Routes> {
    try {
      const names = [...INTERNAL_TABLES, ...mappedTableNames(options.mapping)];
      const catalog = await readCentralCatalog(options.pool, names);
      requireScopes(options.mapping, catalog);
      return new Routes(options, catalog);
    } catch (error) {
      throw error instanceof PayflowError ? error : wrapPostgresError(error);
    }
  }

  /** Whether the catalog was read when the table looked as this relation says. */
  knows(relation: Relation): boolean {
    const table = this.#tableOf(relation);
    if (table === undefined) return !this.#isOurs(relation.name);
    // Generated columns are published or not, by the server's version; they are never sent.
    const generated = new Set(table.columns.filter((column) => column.generated).map(({ name }) => name));
    const columns = new Map(
      relation.columns.filter(({ name }) => !generated.has(name)).map(({ name, typeOid }) => [name, typeOid]),
    );
    const stored = table.columns.filter((column) => !column.generated);
    return (
      stored.length === columns.size && stored.every((column) => columns.get(column.name) === column.typeOid)
    );
  }

  /** @returns undefined for tables that do not concern us (still published, no longer mapped) */
  async forRelation(described: Relation): Promise<Route | undefined> {
    const now = this.#tableOf(described);
    if (now === undefined || !this.#isOurs(now.name)) return undefined;
    requireKeys([now.name], this.catalog);
    const { relation, table } = fitShapes({ ...described, name: now.name }, now);
    const present = new Set(relation.columns.map((column) => column.name));
    // From before its key was another one: its rows have no name under which they could be sent.
    if (!table.key.every((name) => present.has(name))) return undefined;
    const bound = this.#binding.tables.get(relation.name);
    const sentColumns = bound?.columns ?? table.columns.map((column) => column.name);
    const schema = await this.#schemas.publish(relationSchema(relation, table, sentColumns));
    const scope = this.scopes.get(relation.name) ?? { kind: 'global' };
    const scopeColumn = scope.kind === 'column' || scope.kind === 'via' ? scope.column : null;
    const indexesOf = (names: readonly (string | null)[]) =>
      names.map((name) => relation.columns.findIndex((column) => column.name === name));
    const [scopeIndex = -1] = indexesOf([scopeColumn]);
    const notNull = indexesOf(table.columns.filter((column) => column.notNull).map(({ name }) => name));
    return {
      name: relation.name,
      relation,
      table,
      encoder: new ChangeEncoder(schema.schema, relation, table, singleObjectHeader(schema.fingerprint)),
      scope,
      scopeIndex,
      keyIndexes: indexesOf(table.key),
      filledIndexes: [...notNull, scopeIndex].filter((index) => index >= 0),
      needsOldRow: needsFullIdentity(table, this.#binding.tables.get(relation.name)?.mapping),
      sent: this.#isSent(relation.name),
      outlivesDeletes: bound !== undefined && bound.delete !== 'hard',
      isParent: this.cache.isParent(relation.name),
    };
  }

  /** For rows that do not come from the WAL: all columns of the table, in the catalog's order. */
  async forTable(name: string): Promise<Route | undefined> {
    const known = this.#byTable.get(name);
    if (known !== undefined) return known;
    const table = this.catalog.get(name);
    if (table === undefined) return undefined;
    const columns = table.columns
      .filter((column) => !column.generated)
      .map((column) => ({
        name: column.name,
        typeOid: column.typeOid,
        isKey: table.key.includes(column.name),
      }));
    const relation: Relation = { oid: table.oid, name, replicaIdentity: 'default', columns };
    const route = await this.forRelation(relation);
    if (route !== undefined) this.#byTable.set(name, route);
    return route;
  }

  /** `forTable` without waiting; undefined until it was asked for once. */
  known(name: string): Route | undefined {
    return this.#byTable.get(name);
  }

  /** Sent tables whose rows find their store through this one. */
  childrenOf(parent: string): string[] {
    return [...this.scopes].flatMap(([name, scope]) =>
      scope.kind === 'via' && scope.parent === parent ? [name] : [],
    );
  }

  /** By its oid, also while it bears another name; else by the name that it had when the WAL was written. */
  #tableOf({ oid, name }: Relation): CentralTable | undefined {
    return this.#byOid.get(oid) ?? this.catalog.get(name);
  }

  #isOurs(name: string): boolean {
    return this.#binding.tables.has(name) || INTERNAL_TABLES.some((table) => table === name);
  }

  #isSent(name: string): boolean {
    const bound = this.#binding.tables.get(name);
    if (bound !== undefined) return bound.mapping.direction !== 'pull';
    return SENT_INTERNAL_TABLES.some((table) => table === name);
  }
}
