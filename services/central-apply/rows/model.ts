/**
 * What central-apply knows of the centre: the published mapping joined with the catalog, in the form that
 * the stages need. Loaded once, and again when another mapping version is published or a statement no
 * longer fits the schema.
 */
import type { Pool, PoolClient } from 'pg';
import { readCentralCatalog, type CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { ByLocalName } from '../../shared/catalog/same-name.ts';
import { PayflowError } from '../../shared/errors.ts';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { Masking } from '../../shared/mapping/masking.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import {
  centralColumn,
  type ColumnOptions,
  type Direction,
  type Policy,
  type TableMapping,
} from '../../shared/mapping/mapping.ts';
import { mappedScope, type MappedScope } from '../../shared/mapping/mapped-scope.ts';
import { bindCentral, localColumn, type BoundCentralTable } from '../../shared/catalog/table-binding.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { centralConverter, type CentralConverter } from '../../shared/values/central-text.ts';
import type { SqliteValue, Unit } from '../../shared/records/unit-record.ts';
import { readAfterTriggers, type AfterTriggers } from './after-triggers.ts';
import type { Converted } from './change.ts';
import { castType, quoteName } from './sql.ts';

export interface ColumnModel {
  readonly local: string;
  readonly central: CentralColumn;
  readonly options: ColumnOptions;
  /** A stored value as PostgreSQL reads (and prints) it. */
  readonly convert: CentralConverter;
  readonly policy: Policy;
  /** Local name of the parent table of a reference. */
  readonly parent: string | null;
  /** A till may not set it to a row of another store. */
  readonly withinStore: boolean;
}

export interface SoftDelete {
  readonly column: string;
  readonly isMarked: (text: string | null) => boolean;
  readonly mark: (clockMs: number) => string;
  readonly unmarked: string | null;
}

export interface TableModel {
  /** Central name as in the mapping. */
  readonly name: string;
  readonly local: string;
  /** Parents first. */
  readonly order: number;
  /** References into tables that come later, which only a cycle has, and into the table itself. */
  readonly forward: readonly { readonly column: string; readonly parent: string }[];
  /** Whose its rows are. */
  readonly scope: MappedScope;
  /** How many tables its store comes through; 0 where a column of its own says it, and for everyone's tables. */
  readonly depth: number;
  readonly direction: Direction;
  readonly delete: BoundCentralTable['delete'];
  readonly policy: Policy;
  readonly granularity: 'row' | 'column';
  readonly key: readonly string[];
  /** Mapped columns and the key: what is locked, compared, hashed and sent as an image. */
  readonly columns: readonly string[];
  readonly central: ReadonlyMap<string, CentralColumn>;
  /** Writable mapped columns by local name. */
  readonly byLocal: ByLocalName<ColumnModel>;
  readonly byCentral: ReadonlyMap<string, ColumnModel>;
  /** Central column → constant. */
  readonly set: BoundCentralTable['mapping']['set'];
  readonly timestampColumn: string | null;
  readonly soft: SoftDelete | null;
  /** Central columns. */
  readonly naturalKey: readonly string[];
  /** Quoted, with schema. */
  readonly sql: string;
  /** SQL of the hash of all but amounts and timestamp; `alias` names the row. The same over SELECT and RETURNING. */
  readonly hashSql: (alias: string) => string;
}

export interface CentralModel {
  readonly databaseId: string;
  readonly mappingVersion: number;
  readonly horizonDays: number;
  /** Parents first, by central name. */
  readonly tables: ReadonlyMap<string, TableModel>;
  readonly byLocal: ByLocalName<TableModel>;
  /** In which rows are locked: children before the parents that give them their store, then by name. */
  readonly lockOrder: readonly TableModel[];
  readonly afterTriggers: AfterTriggers;
  /** For texts that leave this process. */
  readonly masking: Masking;
  /** What convert.ts has made of units under this mapping. */
  readonly converted: WeakMap<Unit, readonly Converted[]>;
}

/** @throws PayflowError DB_NOT_SET_UP while no mapping is published */
export async function loadModel(client: Pool | PoolClient): Promise<CentralModel> {
  const facts = await client
    .query<{
      database_id: string | null;
      version: number | null;
      source: string | null;
      horizon_days: number | null;
    }>(
      `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'database_id') AS database_id,
              (SELECT version FROM payflow_sync.mapping) AS version,
              (SELECT source FROM payflow_sync.mapping) AS source,
              (SELECT horizon_days FROM payflow_sync.mapping) AS horizon_days`,
    )
    .catch((error: unknown) => {
      throw notSetUp(error);
    });
  const { database_id: databaseId, version, source, horizon_days: horizonDays } = facts.rows[0] ?? {};
  if (!databaseId || version === undefined || version === null || !source) {
    throw new PayflowError('DB_NOT_SET_UP', 'The centre has no published mapping');
  }
  const mapping = parseMapping(source, version);
  const names = mapping.tables.map((table) => table.central);
  const catalog = await readCentralCatalog(client, names).catch((error: unknown) => {
    throw wrapPostgresError(error);
  });
  const binding = bindCentral(mapping, catalog);
  const mapped = new Map(mapping.tables.map((table) => [table.local, table]));
  const tables = new Map<string, TableModel>();
  const seen: BoundCentralTable[] = [];
  for (const bound of binding.tables.values()) {
    const earlier = new Set(seen.map(({ mapping: { local } }) => local));
    const scopes = scopeChain(bound.mapping, mapped);
    tables.set(bound.central.name, tableModel(bound, { order: tables.size, earlier, scopes }));
    seen.push(bound);
  }
  const byLocal = new ByLocalName([...tables.values()].map((table) => [table.local, table]));
  const lockOrder = [...tables.values()].sort((a, b) => b.depth - a.depth || (a.name < b.name ? -1 : 1));
  return {
    databaseId,
    mappingVersion: version,
    horizonDays: horizonDays ?? DEFAULT_HORIZON_DAYS,
    tables,
    byLocal,
    lockOrder,
    afterTriggers: await readAfterTriggers(client, tables.values()),
    masking: new Masking(mapping),
    converted: new WeakMap(),
  };
}

/** The table's scope, and those of the tables that it gets its store through. */
function scopeChain(table: TableMapping, mapped: ReadonlyMap<string, TableMapping>): MappedScope[] {
  const scopes = [mappedScope(table, mapped)];
  for (let at: TableMapping | undefined = table; at?.scope.kind === 'via';) {
    at = mapped.get(at.references.get(at.scope.column)?.table ?? '');
    if (at !== undefined) scopes.push(mappedScope(at, mapped));
  }
  return scopes;
}

function notSetUp(error: unknown): PayflowError {
  const wrapped = wrapPostgresError(error);
  if (wrapped.code !== 'DB_SCHEMA') return wrapped;
  return new PayflowError('DB_NOT_SET_UP', 'The schema payflow_sync is missing or older', { cause: error });
}

interface TablePlace {
  /** Parents first. */
  readonly order: number;
  /** Local names of the tables before it. */
  readonly earlier: ReadonlySet<string>;
  /** Its own scope and those that it comes through. */
  readonly scopes: readonly MappedScope[];
}

function tableModel(bound: BoundCentralTable, { order, earlier, scopes }: TablePlace): TableModel {
  const { mapping, central } = bound;
  const byName = new Map(central.columns.map((column) => [column.name, column]));
  const models = bound.columns.flatMap((name): ColumnModel[] => {
    const column = byName.get(name);
    const local = localColumn(mapping, name);
    if (column === undefined || local === null || column.generated) return [];
    const options = mapping.columns.get(local) ?? {};
    const policy = options.policy ?? mapping.policy;
    const convert = rememberingLast(centralConverter(column.type, options));
    const reference = mapping.references.get(local);
    const parent = reference?.table ?? null;
    const withinStore = reference?.withinStore ?? false;
    return [{ local, central: column, options, convert, policy, parent, withinStore }];
  });
  const columns = [...new Set([...central.key, ...bound.columns])];
  const amounts = new Set(
    models.filter(({ policy }) => policy === 'delta').map((model) => model.central.name),
  );
  const compared = columns.filter((column) => column !== bound.timestampColumn && !amounts.has(column));
  return {
    name: central.name,
    local: mapping.local,
    order,
    forward: models.flatMap(({ central: { name }, parent }) =>
      parent === null || earlier.has(parent) ? [] : [{ column: name, parent }],
    ),
    scope: scopes[0] ?? { kind: 'global' },
    depth: scopes.length - 1,
    direction: mapping.direction,
    delete: bound.delete,
    policy: mapping.policy,
    granularity: mapping.granularity,
    key: central.key,
    columns,
    central: byName,
    byLocal: new ByLocalName(models.map((column) => [column.local, column])),
    byCentral: new Map(models.map((column) => [column.central.name, column])),
    set: mapping.set,
    timestampColumn: bound.timestampColumn,
    soft: softDelete(bound, byName),
    naturalKey: mapping.naturalKey.map((local) => centralColumn(mapping, local)),
    sql: `${quoteName(central.schema)}.${quoteName(central.table)}`,
    hashSql: (alias) => {
      const values = compared.map((column) => `${alias}.${quoteName(column)}`).join(', ');
      return `encode(substr(sha256(convert_to(ROW(${values})::text, 'UTF8')), 1, 16), 'hex')`;
    },
  };
}

/** Neighbouring rows share much: a sale's lines their times, most rows the usual amounts. */
function rememberingLast(convert: CentralConverter): CentralConverter {
  let value: SqliteValue = null;
  let text: string | null = null;
  return (next) => {
    if (next !== value) {
      text = convert(next);
      value = next;
    }
    return text;
  };
}

function softDelete(
  { softDeleteColumn, delete: mode }: BoundCentralTable,
  columns: ReadonlyMap<string, CentralColumn>,
): SoftDelete | null {
  if (mode !== 'soft' || softDeleteColumn === null) return null;
  const column = softDeleteColumn;
  const kind = columns.get(column)?.kind;
  if (kind === 'boolean') {
    return { column, isMarked: (text) => text === 't' || text === 'true', mark: () => 't', unmarked: 'f' };
  }
  if (kind === 'int' || kind === 'bigint') {
    return { column, isMarked: (text) => text !== null && text !== '0', mark: () => '1', unmarked: '0' };
  }
  const mark = (clockMs: number) => new Date(clockMs).toISOString();
  return { column, isMarked: (text) => text !== null, mark, unmarked: null };
}

/** The column's type for casts of a parameter. */
export function typeOf(table: TableModel, column: string): string {
  const found = table.central.get(column);
  if (found === undefined) throw new PayflowError('INTERNAL', `no column ${column} in ${table.name}`);
  return castType(found);
}
