/** Which tables are watched, and what the mapping wants of each. Pure. */
import { LINK_TABLE, MAPPING_TABLE, PROGRESS_TABLE } from '../../shared/records/change-record.ts';
import { isCarried, localColumn } from '../../shared/catalog/table-binding.ts';
import { centralColumn, type Mapping, type TableMapping } from '../../shared/mapping/mapping.ts';
import { tableScopes } from '../routing/scope.ts';
import {
  INTERNAL_TABLES,
  needsOldRows,
  OUTCOME_TABLE,
  SENT_INTERNAL_TABLES,
  SEEDING_TABLE,
} from '../setup/published-tables.ts';
import type { TableRules } from './differences.ts';

export interface WatchedTable extends TableRules {
  /** It has a seeding of its own. */
  readonly isSeeded: boolean;
  /** What has to be seeded with it: itself, and whatever finds its store through it, to any depth. */
  readonly seededWith: readonly string[];
}

export function watchedTables(mapping: Mapping): Map<string, WatchedTable> {
  const sent = mapping.tables.filter(({ direction }) => direction !== 'pull').map(({ central }) => central);
  const seeded = new Set<string>([...SENT_INTERNAL_TABLES, ...sent]);
  const children = childrenByParent(mapping);
  const below = (name: string): string[] =>
    (children.get(name) ?? []).flatMap((child) => [child, ...below(child)]);
  const tables = new Map<string, WatchedTable>();
  const add = (rules: TableRules, family = [rules.name, ...below(rules.name)]) => {
    const seededWith = [...new Set(family)].filter((name) => seeded.has(name));
    tables.set(rules.name, { ...rules, isSeeded: seeded.has(rules.name), seededWith });
  };
  for (const name of INTERNAL_TABLES) {
    if (name === SEEDING_TABLE) add(internalRules(name), []);
    // Answers to tills travel with it alone.
    else if (name === OUTCOME_TABLE) add(internalRules(name), sent);
    // What tills settle by comes behind what they link by.
    else if (name === LINK_TABLE) add(internalRules(name), [name, PROGRESS_TABLE]);
    else add(internalRules(name));
  }
  for (const table of mapping.tables) add(mappedRules(table));
  return tables;
}

function internalRules(name: string): TableRules {
  const isWhole = name === MAPPING_TABLE || name === PROGRESS_TABLE;
  return { name, isSent: () => true, needsFull: () => isWhole };
}

function mappedRules(mapping: TableMapping): TableRules {
  const scopeColumn = mapping.scope.kind === 'global' ? null : centralColumn(mapping, mapping.scope.column);
  return {
    name: mapping.central,
    isSent: (column) => {
      if (column === scopeColumn) return true;
      const local = localColumn(mapping, column);
      return local !== null && isCarried(mapping, local);
    },
    needsFull: (table) => needsOldRows(mapping, table),
  };
}

function childrenByParent(mapping: Mapping): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const [name, scope] of tableScopes(mapping, MAPPING_TABLE)) {
    // A table may find its store through its own rows.
    if (scope.kind !== 'via' || scope.parent === name) continue;
    children.set(scope.parent, [...(children.get(scope.parent) ?? []), name]);
  }
  return children;
}
