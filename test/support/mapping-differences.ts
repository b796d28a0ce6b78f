/** In what two mappings differ, for the tables and columns of one till. */
import type { LocalTable } from '../../services/shared/catalog/local-catalog.ts';
import { isCarried } from '../../services/shared/catalog/table-binding.ts';
import type { Mapping, TableMapping } from '../../services/shared/mapping/mapping.ts';

export interface MappingDifference {
  readonly table: string;
  /** `direction`, or `columns price` where one entry of an option differs. */
  readonly option: string;
  readonly name?: string | undefined;
  readonly first: unknown;
  readonly second: unknown;
}

/** @param local the till's catalog: columns that it lacks make no difference */
export function mappingDifferences(
  first: Mapping,
  second: Mapping,
  local: ReadonlyMap<string, LocalTable>,
): MappingDifference[] {
  const names = new Set([...first.tables, ...second.tables].map((table) => table.local));
  const of = (mapping: Mapping, name: string) => mapping.tables.find((table) => table.local === name);
  return [...names].sort().flatMap((table): MappingDifference[] => {
    const [a, b] = [of(first, table), of(second, table)];
    if (a === undefined || b === undefined)
      return [{ table, option: 'tables', first: a?.central, second: b?.central }];
    return tableDifferences(a, b, local.get(table)).map((found) => ({ table, ...found }));
  });
}

function tableDifferences(
  a: TableMapping,
  b: TableMapping,
  local: LocalTable | undefined,
): Omit<MappingDifference, 'table'>[] {
  const columns = (local?.columns ?? []).map(({ name }) => name);
  const has = (name: string) => columns.includes(name);
  const plain = (table: TableMapping) => ({
    central: table.central,
    scope: table.scope,
    direction: table.direction,
    delete: table.delete,
    policy: table.policy,
    granularity: table.granularity,
    identity: has(table.identity) ? table.identity : null,
    link: has(table.link) ? table.link : null,
    timestamp: has(table.timestamp) ? table.timestamp : null,
    naturalKey: table.naturalKey,
    appTriggers: table.appTriggers,
  });
  const entries = (table: TableMapping) => ({
    exclude: columns.filter((name) => !isCarried(table, name)).map((name) => [name, true] as const),
    rename: [...table.rename],
    columns: [...table.columns],
    set: [...table.set],
    references: [...table.references],
    sensitive: [...table.sensitive].map((name) => [name, true] as const),
  });
  const [plainA, plainB] = [plain(a), plain(b)] as Record<string, unknown>[];
  const [entriesA, entriesB] = [entries(a), entries(b)] as Record<string, (readonly [string, unknown])[]>[];
  return [
    ...differing(plainA ?? {}, plainB ?? {}).map(([option, first, second]) => ({ option, first, second })),
    ...Object.keys(entriesA ?? {}).flatMap((option) =>
      differing(
        Object.fromEntries(entriesA?.[option] ?? []),
        Object.fromEntries(entriesB?.[option] ?? []),
      ).map(([name, first, second]) => ({ option, name, first, second })),
    ),
  ];
}

function differing(a: Record<string, unknown>, b: Record<string, unknown>): [string, unknown, unknown][] {
  const text = (value: unknown) => JSON.stringify(value);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => text(a[name]) !== text(b[name]))
    .map((name) => [name, a[name], b[name]]);
}
