/** Findings about how tables hang together: stores, parents and natural keys. Pure. */
import type { CentralTable } from './central-catalog.ts';
import type { LocalTable } from './local-catalog.ts';
import { centralColumn, type Mapping, type TableMapping } from '../mapping/mapping.ts';
import type { ParityFinding } from './parity-finding.ts';

export interface RelationContext {
  readonly mapping: Mapping;
  readonly centralTable: CentralTable;
  readonly localTable: LocalTable;
  readonly local: ReadonlyMap<string, LocalTable>;
}

export function relationFindings(table: TableMapping, context: RelationContext): ParityFinding[] {
  return [
    ...scopeFindings(table, context.localTable),
    ...parentFindings(table, context),
    ...naturalKeyFindings(table, context.centralTable),
  ];
}

/** A row of a till without a store would reach no till again, not even its own. */
function scopeFindings(table: TableMapping, local: LocalTable): ParityFinding[] {
  const { scope } = table;
  if (scope.kind !== 'column' || table.direction === 'push') return [];
  const onTill = local.columns.some(({ name }) => name === scope.column);
  const central = centralColumn(table, scope.column);
  if ((onTill && !table.exclude.has(scope.column)) || table.set.has(central)) return [];
  return [
    {
      kind: 'mismatch',
      table: table.local,
      column: scope.column,
      code: 'store_not_filled',
      message: `rows from the till bring no store: ${table.local} has no ${scope.column} there`,
      remedy: `say set: {${central}: $store}`,
    },
  ];
}

/** Children whose parents never reach the till wait there for ever. */
function parentFindings(table: TableMapping, { mapping, local }: RelationContext): ParityFinding[] {
  if (table.direction === 'pull') return [];
  const findings: ParityFinding[] = [];
  for (const [column, { table: parentName }] of table.references) {
    const parent = mapping.tables.find((candidate) => candidate.local === parentName);
    if (parent === undefined) continue;
    const warn = (code: string, message: string, remedy: string) =>
      findings.push({ kind: 'warning', table: table.local, column, code, message, remedy });
    const name = `${table.local}.${column}`;
    if (!local.has(parentName))
      warn(
        'parent_table_missing',
        `${name} references ${parentName}, which this till does not have`,
        `create ${parentName} on the till, or exclude ${column}`,
      );
    if (parent.direction === 'pull')
      warn(
        'parent_not_pushed',
        `${name} references ${parentName}, whose rows never come down`,
        `let ${parentName} go both ways, or exclude ${column}`,
      );
    if (table.scope.kind === 'global' && parent.scope.kind !== 'global')
      warn(
        'parent_of_one_store',
        `every till has ${table.local}, but ${parentName} only those of one store: rows wait for their ${column}`,
        `make ${parentName} global, ${table.local} belong to a store, or exclude ${column}`,
      );
  }
  return findings;
}

/** Two tills may bring the same thing at once; only a unique key makes it certainly one row. */
function naturalKeyFindings(table: TableMapping, central: CentralTable): ParityFinding[] {
  if (table.naturalKey.length === 0) return [];
  const wanted = new Set(table.naturalKey.map((column) => centralColumn(table, column)));
  const constants = new Set(table.set.keys());
  const covers = (unique: readonly string[]) =>
    unique.every((column) => wanted.has(column) || constants.has(column));
  if ([central.key, ...central.uniques].some((unique) => unique.length > 0 && covers(unique))) return [];
  return [
    {
      kind: 'warning',
      table: table.local,
      code: 'natural_key_not_unique',
      message: `nothing at the centre keeps ${[...wanted].join(', ')} of ${table.central} unique`,
      remedy: 'add a unique constraint, or take natural_key out',
    },
  ];
}
