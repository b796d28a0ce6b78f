/**
 * Which tables capture reads from the WAL, and how PostgreSQL must log them. Pure, apart from `readPublished`.
 */
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { LINK_TABLE, MAPPING_TABLE, PROGRESS_TABLE } from '../../shared/records/change-record.ts';
import { centralColumn, type Mapping, type TableMapping } from '../../shared/mapping/mapping.ts';

export const OUTCOME_TABLE = 'payflow_sync.outcome';
export const TERMINAL_TABLE = 'payflow_sync.terminal';
export const SEEDING_TABLE = 'payflow_sync.seeding';

/** Our own tables that travel down as ordinary rows. In the order in which they are seeded. */
export const SENT_INTERNAL_TABLES = [MAPPING_TABLE, LINK_TABLE, PROGRESS_TABLE] as const;

/** Our own tables that capture reads: what is sent, and what tells it how to send. */
export const INTERNAL_TABLES = [
  ...SENT_INTERNAL_TABLES,
  OUTCOME_TABLE,
  TERMINAL_TABLE,
  SEEDING_TABLE,
] as const;

/**
 * Central names of the mapped tables, parents first. Tables of direction `pull` are read too: they are not
 * sent, but they may be the parents by which another table's rows find their store.
 */
export function mappedTableNames(mapping: Mapping): string[] {
  return mapping.tables.map((table) => table.central);
}

/**
 * Whether the old row must be in the WAL. Without it, a delete would not say which store it concerns, a move
 * between stores would leave the row behind, and a column stored out of line would be missing from an update
 * that does not touch it.
 */
export function needsFullIdentity(table: CentralTable, mapping: TableMapping | undefined): boolean {
  if (mapping === undefined) return table.name === MAPPING_TABLE || table.name === PROGRESS_TABLE;
  return needsOldRows(mapping, {
    hasToastable: table.columns.some((column) => column.toastable),
    key: table.key,
  });
}

/** The same of what little of the table matters to it. */
export function needsOldRows(
  mapping: TableMapping,
  { hasToastable, key }: { readonly hasToastable: boolean; readonly key: readonly string[] },
): boolean {
  if (hasToastable) return true;
  if (mapping.scope.kind === 'global') return false;
  return !key.includes(centralColumn(mapping, mapping.scope.column));
}

/** Schema-qualified, quoted. */
export function quotedTable(table: Pick<CentralTable, 'schema' | 'table'>): string {
  return `${quoteIdent(table.schema)}.${quoteIdent(table.table)}`;
}

export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
