/** Which columns an app keeps for sync, in all of its tables: what the draft's `defaults` say. Pure. */
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import { STATUS_COLUMNS } from '../../shared/mapping/mapping.ts';
import type { TablePair } from './facts.ts';
import { isSpeltAlike, wordsOf } from './name-likeness.ts';
import { isIdentityName, isLinkName, isSyncState } from './sync-columns.ts';

export interface Bookkeeping {
  readonly identity: string;
  readonly link: string;
  readonly timestamp: string;
  /** Columns that stay on the till in every table. */
  readonly exclude: readonly string[];
}

const CHANGED: readonly string[] = [
  'updated',
  'update',
  'modified',
  'changed',
  'change',
  'geaendert',
  'aenderung',
  'aend',
  'mod',
  'edited',
];

export function bookkeepingOf(pairs: readonly TablePair[]): Bookkeeping {
  const tables = pairs.map(({ local }) => local);
  const identity =
    commonest(tables, (name, table) => isIdentityName(name) && !table.key.includes(name)) ?? 'local_id';
  const link = commonest(tables, isLinkName) ?? 'server_id';
  const states = namesOf(tables, isSyncState).filter(
    (name) => !(STATUS_COLUMNS as readonly string[]).includes(name),
  );
  return {
    identity,
    link,
    timestamp: commonest(tables, isChangeTime) ?? 'updated_at',
    exclude: [...new Set([identity, link, ...STATUS_COLUMNS, ...states])],
  };
}

/** Says when a row was changed. */
export function isChangeTime(name: string): boolean {
  return (
    wordsOf(name).some((word) => CHANGED.includes(word)) &&
    !isSyncState(name) &&
    !isSpeltAlike(name, 'updated_by')
  );
}

function namesOf(
  tables: readonly LocalTable[],
  test: (name: string, table: LocalTable) => boolean,
): string[] {
  return tables.flatMap((table) =>
    table.columns.filter(({ name }) => test(name, table)).map(({ name }) => name),
  );
}

function commonest(
  tables: readonly LocalTable[],
  test: (name: string, table: LocalTable) => boolean,
): string | undefined {
  const counts = new Map<string, number>();
  for (const name of namesOf(tables, test)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
