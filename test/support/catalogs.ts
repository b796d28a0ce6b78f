/** Tables of both catalogs for tests of parity, written shortly. */
import { affinityOf, type LocalTable } from '../../services/shared/catalog/local-catalog.ts';
import type {
  CentralColumn,
  CentralKind,
  CentralTable,
} from '../../services/shared/catalog/central-catalog.ts';
import { parity } from '../../services/shared/catalog/parity.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';

/** `name type` with `!` for NOT NULL, `=` for a default and `~` for generated. */
export type ColumnText = string;

const KINDS: Record<string, CentralKind> = {
  boolean: 'boolean',
  integer: 'int',
  bigint: 'bigint',
  real: 'double',
  bytea: 'bytes',
};

export function centralTable(name: string, columns: readonly ColumnText[], key = ['id']): CentralTable {
  return {
    name,
    schema: 'public',
    table: name,
    oid: 1,
    partitioned: false,
    columns: columns.map((text): CentralColumn => {
      const [columnName = '', ...type] = text.replace(/[!=~]/g, '').split(' ');
      return {
        name: columnName,
        kind: KINDS[type.join(' ')] ?? 'text',
        type: type.join(' '),
        typeOid: 0,
        isArray: false,
        notNull: text.includes('!'),
        defaultSql: text.includes('=') ? '0' : null,
        identity: null,
        generated: text.includes('~'),
        toastable: false,
      };
    }),
    key,
    uniques: [],
    foreignKeys: [],
    replicaIdentity: 'default',
  };
}

export function localTable(name: string, columns: readonly ColumnText[], key = ['id']): LocalTable {
  return {
    name,
    columns: columns.map((text) => {
      const [columnName = '', ...type] = text.replace(/[!=~]/g, '').split(' ');
      const declaredType = type.join(' ');
      return {
        name: columnName,
        declaredType,
        affinity: affinityOf(declaredType),
        notNull: text.includes('!'),
        hasDefault: text.includes('='),
        generated: text.includes('~'),
      };
    }),
    key,
    keyIsRowid: true,
    withoutRowid: false,
    uniques: [],
    foreignKeys: [],
    appTriggers: [],
  };
}

export const CENTRAL = ['id bigint!=', 'sku text!', 'updated_at timestamp with time zone'];
export const LOCAL = ['id INTEGER', 'sku TEXT!', 'updated_at TEXT', 'server_id INTEGER', 'local_id TEXT'];

export interface Sides {
  readonly options?: string;
  readonly central?: readonly ColumnText[];
  readonly local?: readonly ColumnText[];
  readonly centralKey?: string[];
  readonly localKey?: string[];
}

/** Findings for one table `products` as `kind code column`. */
export function found({ options = '', central = [], local = [], centralKey, localKey }: Sides): string[] {
  const mapping = parseMapping(`version: 1\ntables:\n  products: {scope: global${options}}\n`);
  const centre = centralTable('products', [...CENTRAL, ...central], centralKey);
  const till = localTable('products', [...LOCAL, ...local], localKey);
  return parity(mapping, new Map([['products', centre]]), new Map([['products', till]])).map(
    ({ kind, code, column }) => `${kind} ${code}${column === undefined ? '' : ` ${column}`}`,
  );
}
