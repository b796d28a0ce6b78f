/**
 * Which store a row belongs to: from its own column, or through its parent (order_items by order_id), to any
 * depth. Parents' stores are kept in a cache that follows the WAL; what is not in it is read from the database,
 * which may be ahead of the WAL: then the parent's move is still to come and brings its children along.
 */
import type { Pool } from 'pg';
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { LINK_TABLE, PROGRESS_TABLE } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import { mappedScope, type MappedScope } from '../../shared/mapping/mapped-scope.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { readError } from '../seeding/read-error.ts';
import { quotedTable, quoteIdent, TERMINAL_TABLE } from '../setup/published-tables.ts';

/** In central names. `every`: goes to each stream there is. */
export type TableScope = MappedScope | { readonly kind: 'every' };

/** null: the row has no store, or one that cannot be. */
export type StoreId = string | null;

const STORE_ID_FORM = /^[A-Za-z0-9._-]{1,64}$/;
const ROWS_KEPT_PER_PARENT = 50_000;

/** The scopes of all mapped and internal tables, by central name. */
export function tableScopes(mapping: Mapping, mappingTable: string): Map<string, TableScope> {
  const terminal: TableScope = { kind: 'via', column: 'terminal_id', parent: TERMINAL_TABLE };
  const scopes = new Map<string, TableScope>([
    [mappingTable, { kind: 'every' }],
    [TERMINAL_TABLE, { kind: 'column', column: 'store_id' }],
    [LINK_TABLE, terminal],
    [PROGRESS_TABLE, terminal],
  ]);
  const byLocal = new Map(mapping.tables.map((table) => [table.local, table]));
  for (const table of mapping.tables) scopes.set(table.central, mappedScope(table, byLocal));
  return scopes;
}

/** Text of a store column as store id. */
export function checkedStore(text: string | null): StoreId {
  return text !== null && STORE_ID_FORM.test(text) ? text : null;
}

export class ScopeCache {
  readonly #pool: Pool;
  readonly #catalog: ReadonlyMap<string, CentralTable>;
  readonly #scopes: ReadonlyMap<string, TableScope>;
  readonly #parents = new Map<string, Map<string, StoreId>>();

  constructor(options: {
    pool: Pool;
    catalog: ReadonlyMap<string, CentralTable>;
    scopes: ReadonlyMap<string, TableScope>;
  }) {
    this.#pool = options.pool;
    this.#catalog = options.catalog;
    this.#scopes = options.scopes;
    for (const scope of options.scopes.values()) {
      if (scope.kind === 'via') this.#parents.set(scope.parent, new Map());
    }
    // Also without any link yet, a till's store is asked for by its name.
    this.#parents.set(TERMINAL_TABLE, new Map());
  }

  isParent(table: string): boolean {
    return this.#parents.has(table);
  }

  /** @returns undefined when it has to be loaded first */
  get(parent: string, id: string): StoreId | undefined {
    return this.#parents.get(parent)?.get(id);
  }

  set(parent: string, id: string, store: StoreId): void {
    const rows = this.#parents.get(parent);
    if (rows === undefined) return;
    rows.delete(id);
    rows.set(id, store);
    if (rows.size <= ROWS_KEPT_PER_PARENT) return;
    const oldest = rows.keys().next();
    if (oldest.done !== true) rows.delete(oldest.value);
  }

  /** The table was emptied: what its rows said is true of none that come later. */
  clear(parent: string): void {
    this.#parents.get(parent)?.clear();
  }

  /** Reads the stores of these parent rows; afterwards `get` knows each of them. */
  async load(parent: string, ids: readonly string[]): Promise<void> {
    const table = this.#catalog.get(parent);
    const key = table?.key.length === 1 ? table.key[0] : undefined;
    if (table === undefined || key === undefined) {
      throw new PayflowError(
        'MAPPING_INVALID',
        `${parent} cannot give its rows' children a store: no single key`,
      );
    }
    const { store, joins } = this.#storeSql(parent, 't0', 1);
    const type = table.columns.find((column) => column.name === key)?.type ?? 'text';
    const sql = `SELECT t0.${quoteIdent(key)}::text AS id, ${store}::text AS store
      FROM ${quotedTable(table)} t0 ${joins} WHERE t0.${quoteIdent(key)} = ANY ($1::${type}[])`;
    for (const id of ids) this.set(parent, id, null);
    try {
      const { rows } = await this.#pool.query<{ id: string; store: string | null }>(sql, [ids]);
      for (const row of rows) this.set(parent, row.id, checkedStore(row.store));
    } catch (error) {
      throw readError(error, parent);
    }
  }

  /** The expression that gives a row's store, and the joins that it needs. */
  #storeSql(name: string, alias: string, depth: number): { store: string; joins: string } {
    const scope = this.#scopes.get(name);
    if (scope?.kind === 'column') return { store: `${alias}.${quoteIdent(scope.column)}`, joins: '' };
    if (scope?.kind !== 'via') return { store: 'NULL', joins: '' };
    const parent = this.#catalog.get(scope.parent);
    const key = parent?.key[0];
    if (parent === undefined || key === undefined) return { store: 'NULL', joins: '' };
    const next = `t${depth}`;
    const join = `LEFT JOIN ${quotedTable(parent)} ${next}
      ON ${next}.${quoteIdent(key)} = ${alias}.${quoteIdent(scope.column)}`;
    const above = this.#storeSql(scope.parent, next, depth + 1);
    return { store: above.store, joins: `${join} ${above.joins}` };
  }
}
