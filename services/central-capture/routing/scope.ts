/**
 * Which store a row belongs to: from its own column, or through its parent (order_items by order_id), to any
 * depth. Parents' stores are kept in a cache that follows the WAL; what is not in it is read from the database,
 * which may be ahead of the WAL, or behind it: `parent-rule.ts` says what such a reading is worth.
 */
import type { ClientBase, Pool } from 'pg';
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { LINK_TABLE, PROGRESS_TABLE } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import { mappedScope, type MappedScope } from '../../shared/mapping/mapped-scope.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { readError } from '../seeding/read-error.ts';
import { quotedTable, quoteIdent, TERMINAL_TABLE } from '../setup/published-tables.ts';
import { isInvisible, parseSnapshot, type Snapshot } from '../seeding/watermarks.ts';

/** In central names. `every`: goes to each stream there is. */
export type TableScope = MappedScope | { readonly kind: 'every' };

/** null: the row has no store, or one that cannot be. */
export type StoreId = string | null;

const STORE_ID_FORM = /^[A-Za-z0-9._-]{1,64}$/;
const ROWS_KEPT_PER_PARENT = 50_000;
const SNAPSHOT_FORM = /^\d+:\d+:[\d,]*$/;

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

/**
 * What is known of a parent row. `sure`: as the WAL has it at this point; `ahead`: read from the database, where it
 * may have changed since; `gone`: deleted, and its children were sent to this store.
 */
export interface KnownParent {
  readonly store: StoreId;
  readonly state: 'sure' | 'ahead' | 'gone';
}

/** A parent row in one snapshot. */
export interface ReadParent {
  readonly store: StoreId;
  /** Whether what was read has come out of the WAL already. */
  readonly isDecoded: boolean;
  /** The row of an ancestor that should be there and is not. */
  readonly missing: { readonly table: string; readonly id: string } | undefined;
}

export interface ParentReading {
  readonly parent: string;
  readonly snapshot: Snapshot;
  /** Rows asked for. */
  readonly ids: readonly string[];
  readonly found: ReadonlyMap<string, ReadParent>;
}

interface ReadRow {
  readonly id: string;
  readonly store: string | null;
  readonly xids: string[];
  readonly missing: string[];
}

/** Of one parent table: how a row's store is found. */
interface StoreSql {
  readonly store: string;
  readonly joins: string;
  /** Row versions that the store was made of. */
  readonly xids: readonly string[];
  /** By level: the key of a row that is not there; else NULL. */
  readonly missing: readonly string[];
  readonly ancestors: readonly string[];
}

export class ScopeCache {
  readonly #pool: Pool;
  readonly #catalog: ReadonlyMap<string, CentralTable>;
  readonly #scopes: ReadonlyMap<string, TableScope>;
  readonly #parents = new Map<string, Map<string, KnownParent>>();
  readonly #kept: number;
  /** All that this snapshot sees has been decoded. */
  #decoded: Snapshot | null = null;
  #seen = '';

  constructor(options: {
    pool: Pool;
    catalog: ReadonlyMap<string, CentralTable>;
    scopes: ReadonlyMap<string, TableScope>;
    kept?: number | undefined;
  }) {
    this.#pool = options.pool;
    this.#catalog = options.catalog;
    this.#scopes = options.scopes;
    this.#kept = options.kept ?? ROWS_KEPT_PER_PARENT;
    for (const scope of options.scopes.values()) {
      if (scope.kind === 'via') this.#parents.set(scope.parent, new Map());
    }
    // Also without any link yet, a till's store is asked for by its name.
    this.#parents.set(TERMINAL_TABLE, new Map());
  }

  isParent(table: string): boolean {
    return this.#parents.has(table);
  }

  get(parent: string, id: string): KnownParent | undefined {
    return this.#parents.get(parent)?.get(id);
  }

  set(parent: string, id: string, known: KnownParent): void {
    const rows = this.#parents.get(parent);
    if (rows === undefined) return;
    rows.delete(id);
    rows.set(id, known);
    if (rows.size <= this.#kept) return;
    const oldest = rows.keys().next();
    if (oldest.done !== true) rows.delete(oldest.value);
  }

  /** The table was emptied: what its rows said is true of none that come later. */
  clear(parent: string): void {
    this.#parents.get(parent)?.clear();
  }

  /** Whatever a reader with this snapshot sees has come out of the WAL. Earlier versions did not say. */
  decodedUpTo(snapshot: string): void {
    if (!SNAPSHOT_FORM.test(snapshot)) return;
    this.#seen = snapshot;
    this.#decoded = parseSnapshot(snapshot);
  }

  /** The newest of these, as it was told; empty before the first. */
  get seen(): string {
    return this.#seen;
  }

  /** The tables that this one's rows find their store through, nearest first. */
  ancestors(table: string): string[] {
    const scope = this.#scopes.get(table);
    return scope?.kind === 'via' ? [scope.parent, ...this.ancestors(scope.parent)] : [];
  }

  /** As SQL names them. */
  ancestorTables(table: string): string[] {
    return this.ancestors(table).flatMap((name) => {
      const known = this.#catalog.get(name);
      return known === undefined ? [] : [quotedTable(known)];
    });
  }

  /** Of a till. @returns null for one that is not there (yet) */
  async storeOfTerminal(terminal: string): Promise<StoreId> {
    const known = this.get(TERMINAL_TABLE, terminal);
    if (known !== undefined) return known.state === 'gone' ? null : known.store;
    const { found } = await this.read(TERMINAL_TABLE, [terminal]);
    const read = found.get(terminal);
    if (read === undefined) return null;
    this.set(TERMINAL_TABLE, terminal, { store: read.store, state: read.isDecoded ? 'sure' : 'ahead' });
    return read.store;
  }

  /** Reads these parent rows as they are now, or in the transaction of `client`. */
  async read(parent: string, ids: readonly string[], client?: ClientBase): Promise<ParentReading> {
    const table = this.#catalog.get(parent);
    const key = table?.key.length === 1 ? table.key[0] : undefined;
    if (table === undefined || key === undefined) {
      throw new PayflowError(
        'MAPPING_INVALID',
        `${parent} cannot give its rows' children a store: no single key`,
      );
    }
    const sql = this.#storeSql(parent, 't0', 1);
    const type = table.columns.find((column) => column.name === key)?.type ?? 'text';
    const text = `SELECT pg_current_snapshot()::text AS snapshot, coalesce((SELECT json_agg(row) FROM (
        SELECT t0.${quoteIdent(key)}::text AS id, ${sql.store}::text AS store,
               ARRAY[${sql.xids.join(', ')}]::text[] AS xids, ARRAY[${sql.missing.join(', ')}]::text[] AS missing
        FROM ${quotedTable(table)} t0 ${sql.joins} WHERE t0.${quoteIdent(key)} = ANY ($1::${type}[])
      ) AS row), '[]') AS rows`;
    try {
      const result = await (client ?? this.#pool).query<{ snapshot: string; rows: ReadRow[] }>(text, [ids]);
      const { snapshot = '0:0:', rows = [] } = result.rows[0] ?? {};
      const found = new Map(rows.map((row) => [row.id, this.#readParent(row, sql.ancestors)]));
      return { parent, ids, found, snapshot: parseSnapshot(snapshot) };
    } catch (error) {
      throw readError(error, parent);
    }
  }

  #readParent({ store, xids, missing }: ReadRow, ancestors: readonly string[]): ReadParent {
    const level = missing.findIndex((id) => (id as string | null) !== null);
    const decoded = this.#decoded;
    return {
      store: checkedStore(store),
      isDecoded: decoded !== null && xids.every((xid) => !isInvisible(decoded, Number(xid))),
      missing: level === -1 ? undefined : { table: ancestors[level] ?? '', id: missing[level] ?? '' },
    };
  }

  #storeSql(name: string, alias: string, depth: number): StoreSql {
    const none = { joins: '', xids: [`${alias}.xmin`], missing: [], ancestors: [] };
    const scope = this.#scopes.get(name);
    if (scope?.kind === 'column') return { ...none, store: `${alias}.${quoteIdent(scope.column)}` };
    const parent = scope?.kind === 'via' ? this.#catalog.get(scope.parent) : undefined;
    const key = parent?.key[0];
    if (scope?.kind !== 'via' || parent === undefined || key === undefined) return { ...none, store: 'NULL' };
    const next = `t${depth}`;
    const [child, above] = [`${alias}.${quoteIdent(scope.column)}`, `${next}.${quoteIdent(key)}`];
    const rest = this.#storeSql(scope.parent, next, depth + 1);
    return {
      store: rest.store,
      joins: `LEFT JOIN ${quotedTable(parent)} ${next} ON ${above} = ${child} ${rest.joins}`,
      xids: [`${alias}.xmin`, `coalesce(${next}.xmin, ${alias}.xmin)`, ...rest.xids.slice(1)],
      missing: [`CASE WHEN ${above} IS NULL THEN ${child}::text END`, ...rest.missing],
      ancestors: [scope.parent, ...rest.ancestors],
    };
  }
}
