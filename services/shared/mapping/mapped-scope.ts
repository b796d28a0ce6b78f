/** Whose rows a mapped table holds, in central names: what capture routes by and central-apply guards by. Pure. */
import { PayflowError } from '../errors.ts';
import { centralColumn, type TableMapping } from './mapping.ts';

export type MappedScope =
  | { readonly kind: 'global' }
  | { readonly kind: 'column'; readonly column: string }
  | { readonly kind: 'via'; readonly column: string; readonly parent: string };

const GLOBAL: MappedScope = { kind: 'global' };

/** @param byLocal all tables of the mapping by their local names */
export function mappedScope(table: TableMapping, byLocal: ReadonlyMap<string, TableMapping>): MappedScope {
  const { scope } = table;
  if (scope.kind === 'global') return GLOBAL;
  const column = centralColumn(table, scope.column);
  if (scope.kind === 'column') return { kind: 'column', column };
  const parent = byLocal.get(table.references.get(scope.column)?.table ?? '');
  if (parent === undefined) {
    throw new PayflowError('MAPPING_INVALID', `${table.local}: scope via ${scope.column} names no parent`);
  }
  return { kind: 'via', column, parent: parent.central };
}
