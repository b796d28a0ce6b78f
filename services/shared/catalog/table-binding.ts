/**
 * The mapping joined with a catalog: what a till, and what the centre, does with each table. Pure.
 *
 * Key rule: a single-column local key with INTEGER affinity is a number of the till's own (`surrogateKey`); it
 * never leaves the till, and the central id is made by the centre. Any other local key column is carried
 * like an ordinary column. (A surrogate key that `rename` or `references` names is carried too.)
 *
 * Columns that payflow-sync keeps itself (link, sync_status and so on) are never carried, whatever the exclude
 * list says. An identity column is data unless it is excluded, as local_id is by default.
 */
import type { CentralTable } from './central-catalog.ts';
import type { Affinity, LocalTable } from './local-catalog.ts';
import { inOneCase, NOTHING_RECORDED, type RecordedNames } from './local-names.ts';
import { parentsFirst } from '../mapping/mapping-order.ts';
import {
  centralColumn,
  STATUS_COLUMNS,
  type ColumnOptions,
  type Mapping,
  type Policy,
  type Reference,
  type TableMapping,
} from '../mapping/mapping.ts';

/** Central names of the column that marks a soft delete, best first. */
const SOFT_DELETE_COLUMNS = ['deleted_at', 'is_deleted'] as const;

export interface BoundColumn {
  readonly local: string;
  readonly central: string;
  readonly affinity: Affinity;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly policy: Policy;
  readonly options: ColumnOptions;
  readonly reference: Reference | null;
}

/** Old and new value of each column stand in one table of ours, and SQLite's tables have 2,000 columns at most. */
export const MAX_COLUMNS = 998;

/** A mapped table on a till. */
export interface BoundTable {
  readonly mapping: TableMapping;
  readonly local: LocalTable;
  /** Mapped columns that exist locally, are not excluded, not the surrogate key and not generated. */
  readonly columns: readonly BoundColumn[];
  readonly surrogateKey: boolean;
  /** Local columns that exist, else null: where local_id, server_id, the timestamp are kept. */
  readonly identityColumn: string | null;
  readonly linkColumn: string | null;
  readonly timestampColumn: string | null;
  readonly statusColumns: readonly string[];
  /** Local column that marks a soft delete (`deleted_at` or `is_deleted`, or what is renamed to it), else null. */
  readonly softDeleteColumn: string | null;
}

export interface LocalBinding {
  /** Parents first, by local name. */
  readonly tables: ReadonlyMap<string, BoundTable>;
  readonly byCentral: ReadonlyMap<string, BoundTable>;
  /** Mapped tables that this till lacks, or has a view or a virtual table in the place of. */
  readonly missing: readonly TableMapping[];
  /** Bound, were it not that this file can't capture them: by local name. Their rows and references are left alone. */
  readonly uninstallable?: ReadonlyMap<string, UninstallableTable> | undefined;
}

export interface UninstallableTable {
  readonly bound: BoundTable;
  readonly why: string;
}

/** The same without tables that could not be installed. */
export function withoutTables(binding: LocalBinding, failed: ReadonlyMap<string, string>): LocalBinding {
  const left = (tables: ReadonlyMap<string, BoundTable>) =>
    new Map([...tables].filter(([, { local }]) => !failed.has(local.name)));
  const uninstallable = [...binding.tables.values()].flatMap((bound) => {
    const why = failed.get(bound.local.name);
    return why === undefined ? [] : [[bound.local.name, { bound, why }] as const];
  });
  return {
    ...binding,
    tables: left(binding.tables),
    byCentral: left(binding.byCentral),
    uninstallable: new Map(uninstallable),
  };
}

export function bindLocal(
  given: Mapping,
  file: ReadonlyMap<string, LocalTable>,
  recorded: RecordedNames = NOTHING_RECORDED,
): LocalBinding {
  const { mapping, catalog } = inOneCase(given, file, recorded);
  const mayBeNull = (table: TableMapping, column: string) =>
    catalog.get(table.local)?.columns.find(({ name }) => name === column)?.notNull !== true;
  const bound: BoundTable[] = [];
  const missing: TableMapping[] = [];
  for (const table of parentsFirst(mapping.tables, mayBeNull)) {
    const local = catalog.get(table.local);
    if (local === undefined || local.notATable !== undefined) missing.push(table);
    else bound.push(bindLocalTable(table, local));
  }
  return {
    tables: new Map(bound.map((table) => [table.mapping.local, table])),
    byCentral: new Map(bound.map((table) => [table.mapping.central, table])),
    missing,
  };
}

function bindLocalTable(mapping: TableMapping, local: LocalTable): BoundTable {
  const surrogateKey = hasSurrogateKey(local);
  const existing = (name: string) => (local.columns.some((column) => column.name === name) ? name : null);
  const columns = local.columns
    .filter(({ name, generated }) => !generated && isCarried(mapping, name))
    .filter(({ name }) => !surrogateKey || name !== local.key[0] || namesColumn(mapping, name))
    .map((column): BoundColumn => {
      const options = mapping.columns.get(column.name) ?? {};
      return {
        local: column.name,
        central: centralColumn(mapping, column.name),
        affinity: column.affinity,
        notNull: column.notNull,
        hasDefault: column.hasDefault,
        policy: options.policy ?? mapping.policy,
        options,
        reference: mapping.references.get(column.name) ?? null,
      };
    });
  return {
    mapping,
    local,
    columns,
    surrogateKey,
    identityColumn: existing(mapping.identity),
    linkColumn: existing(mapping.link),
    timestampColumn: existing(mapping.timestamp),
    statusColumns: STATUS_COLUMNS.filter((name) => existing(name) !== null),
    softDeleteColumn:
      SOFT_DELETE_COLUMNS.map((central) => columns.find((column) => column.central === central)?.local).find(
        (name) => name !== undefined,
      ) ?? null,
  };
}

/** See the key rule at the head of this file. */
export function hasSurrogateKey(local: LocalTable): boolean {
  const [name, ...others] = local.key;
  const column = local.columns.find((candidate) => candidate.name === name);
  return others.length === 0 && column?.affinity === 'INTEGER';
}

/** Named on purpose, so that it is data even if it numbers the till's rows. */
function namesColumn(mapping: TableMapping, local: string): boolean {
  return mapping.rename.has(local) || mapping.references.has(local);
}

/** @returns whether a local column's values leave the till at all (generated ones and surrogate keys aside). */
export function isCarried(mapping: TableMapping, local: string): boolean {
  if (mapping.exclude.has(local) || local === mapping.link) return false;
  return !(STATUS_COLUMNS as readonly string[]).includes(local);
}

/** A mapped table at the centre. */
export interface BoundCentralTable {
  readonly mapping: TableMapping;
  readonly central: CentralTable;
  /** Central columns that tills get and send: existing, not excluded (under their local name), not generated. */
  readonly columns: readonly string[];
  readonly timestampColumn: string | null;
  readonly softDeleteColumn: string | null;
  /** Effective delete mode, `auto` resolved. */
  readonly delete: 'soft' | 'hard' | 'deny' | 'ignore';
}

export interface CentralBinding {
  /** Parents first, by central name. */
  readonly tables: ReadonlyMap<string, BoundCentralTable>;
  readonly byLocal: ReadonlyMap<string, BoundCentralTable>;
  /** Mapped tables that the centre lacks. */
  readonly missing: readonly TableMapping[];
}

export function bindCentral(mapping: Mapping, catalog: ReadonlyMap<string, CentralTable>): CentralBinding {
  const mayBeNull = (table: TableMapping, column: string) =>
    catalog.get(table.central)?.columns.find(({ name }) => name === centralColumn(table, column))?.notNull !==
    true;
  const bound: BoundCentralTable[] = [];
  const missing: TableMapping[] = [];
  for (const table of parentsFirst(mapping.tables, mayBeNull)) {
    const central = catalog.get(table.central);
    if (central === undefined) missing.push(table);
    else bound.push(bindCentralTable(table, central));
  }
  return {
    tables: new Map(bound.map((table) => [table.mapping.central, table])),
    byLocal: new Map(bound.map((table) => [table.mapping.local, table])),
    missing,
  };
}

function bindCentralTable(mapping: TableMapping, central: CentralTable): BoundCentralTable {
  const columns = central.columns
    .filter(({ name, generated }) => !generated && isCentralCarried(mapping, central, name))
    .map(({ name }) => name);
  const timestamp = centralColumn(mapping, mapping.timestamp);
  const softDeleteColumn = SOFT_DELETE_COLUMNS.find((name) => columns.includes(name)) ?? null;
  return {
    mapping,
    central,
    columns,
    timestampColumn: central.columns.some(({ name }) => name === timestamp) ? timestamp : null,
    softDeleteColumn,
    delete: mapping.delete !== 'auto' ? mapping.delete : softDeleteColumn === null ? 'hard' : 'soft',
  };
}

/** Key columns always are: they name the row. */
function isCentralCarried(mapping: TableMapping, central: CentralTable, name: string): boolean {
  if (central.key.includes(name)) return true;
  const local = localColumn(mapping, name);
  return local !== null && isCarried(mapping, local);
}

/** @returns the local name of a central column; null where the column of that name goes elsewhere. */
export function localColumn(mapping: TableMapping, central: string): string | null {
  for (const [local, renamed] of mapping.rename) if (renamed === central) return local;
  return mapping.rename.has(central) ? null : central;
}
