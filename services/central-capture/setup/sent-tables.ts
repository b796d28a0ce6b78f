/** Which tables go down, and in which shape: a table whose shape changed has to be sent again. Pure. */
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { bindCentral } from '../../shared/catalog/table-binding.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { SENT_INTERNAL_TABLES } from './published-tables.ts';

export interface SentTable {
  readonly name: string;
  /** Key and columns with their types, as kept in payflow_sync.seeding. */
  readonly columns: string;
}

/** Ours first (links before the rows that they explain), then business tables, parents first. */
export function sentTables(mapping: Mapping, catalog: ReadonlyMap<string, CentralTable>): SentTable[] {
  const internal = SENT_INTERNAL_TABLES.map((name) => {
    const table = catalog.get(name);
    return { name, columns: shapeOf(table, table?.columns.map((column) => column.name) ?? []) };
  });
  const business = [...bindCentral(mapping, catalog).tables.values()]
    .filter((bound) => bound.mapping.direction !== 'pull')
    .map(({ central, columns }) => ({ name: central.name, columns: shapeOf(central, columns) }));
  return [...internal, ...business];
}

function shapeOf(table: CentralTable | undefined, sent: readonly string[]): string {
  const types = new Map(table?.columns.map(({ name, type }) => [name, withoutLength(type)]));
  const columns = [...sent].sort().map((name) => `${name} ${types.get(name) ?? ''}`);
  return JSON.stringify([`key ${table?.key.join(', ') ?? ''}`, ...columns]);
}

/** More room for a text changes no value of it; less room makes a new file. */
export function withoutLength(type: string): string {
  return type.replace(/^(character varying|bit varying)\(\d+\)/, '$1');
}
