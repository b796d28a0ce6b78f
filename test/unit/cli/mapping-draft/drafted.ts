/** Drafts of a few tables, for tests of single rules. */
import { draftMapping } from '../../../../services/cli/mapping-draft/draft.ts';
import type { TableDraft } from '../../../../services/cli/mapping-draft/draft-table.ts';
import type { CentralRow } from '../../../../services/cli/mapping-draft/facts.ts';
import type { CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../../../services/shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../../../services/shared/catalog/parity-values.ts';
import { centralTable } from '../../../support/catalogs.ts';

export interface Side<Table, Row> {
  readonly table: Table;
  readonly rows?: readonly Row[];
}

/** The draft of these tables, by local name. */
export function draftOf(
  local: readonly Side<LocalTable, SampleRow>[],
  central: readonly Side<CentralTable, CentralRow>[],
): Map<string, TableDraft> {
  const { tables } = draftMapping({
    local: new Map(local.map(({ table }) => [table.name, table])),
    localRows: new Map(local.map(({ table, rows = [] }) => [table.name, rows])),
    central: new Map(central.map(({ table }) => [table.name, table])),
    centralRows: new Map(central.map(({ table, rows = [] }) => [table.name, rows])),
  });
  return new Map(tables.map((table) => [table.local, table]));
}

/** Enough rows for a rule to show. */
export const many = <Row>(row: (n: number) => Row): Row[] => Array.from({ length: 40 }, (_, n) => row(n));
export const STORES = centralTable('stores', ['id bigint!=', 'name text']);
export const refersTo = (table: CentralTable, column: string, parent: string): CentralTable => ({
  ...table,
  foreignKeys: [...table.foreignKeys, { columns: [column], parent, parentColumns: ['id'] }],
});
