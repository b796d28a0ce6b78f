/**
 * A first mapping, from both catalogs and rows of each table: facts → what it says, and why. Pure; `read-facts.ts`
 * reads, `draft-yaml.ts` writes.
 */
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { DraftFacts, TablePair } from './facts.ts';
import { pairColumns } from './pair-columns.ts';
import { pairTables } from './pair-tables.ts';
import { alikeMoments } from './alike-moments.ts';
import { Parents } from './parents.ts';
import { withRowsByParents } from './rows-by-parents.ts';
import { referenceOf } from './relations.ts';
import { Scopes, storeTable } from './scopes.ts';
import { bookkeepingOf, type Bookkeeping } from './bookkeeping.ts';
import { draftTable, type TableDraft, type TableParts } from './draft-table.ts';

export interface Draft {
  readonly bookkeeping: Bookkeeping;
  readonly tables: readonly TableDraft[];
  readonly left: readonly LeftTable[];
}

/** A table that the draft does not map. */
export interface LeftTable {
  readonly side: 'till' | 'centre';
  readonly table: string;
  readonly why: string;
}

export function draftMapping(facts: DraftFacts): Draft {
  const usable = usableFacts(facts);
  const pairs = withRowsByParents(pairTables(usable.facts));
  const bookkeeping = bookkeepingOf(pairs);
  const parents = new Parents(pairs);
  const parts = alikeMoments(pairs.map((pair) => tableParts(pair, { parents, pairs, bookkeeping })));
  const stores = storeTable(usable.facts.central, parts);
  const scopes = new Scopes(parts, stores);
  return {
    bookkeeping,
    tables: parts.map((table) =>
      draftTable(table, {
        scope: scopes.of(table.pair.local.name),
        stores,
        bookkeeping,
        triggers: triggersOf(facts),
      }),
    ),
    left: [...usable.left, ...unpaired(usable.facts, pairs)],
  };
}

interface Whole {
  readonly parents: Parents;
  readonly pairs: readonly TablePair[];
  readonly bookkeeping: Bookkeeping;
}

function tableParts(pair: TablePair, { parents, pairs, bookkeeping }: Whole): TableParts {
  const columns = pairColumns(pair, parents, bookkeeping).filter(
    ({ local }) => parents.notMapped(pair, local.name) === null,
  );
  const references = columns.flatMap((column) => {
    const found = referenceOf(pair, column, { parents, pairs });
    return found === null ? [] : [[column.local.name, found] as const];
  });
  const nowhere = pair.local.columns.flatMap(({ name }): [string, string][] => {
    const parent = parents.notMapped(pair, name);
    return parent === null ? [] : [[name, parent]];
  });
  return { pair, columns, references: new Map(references), nowhere: new Map(nowhere) };
}

function triggersOf({ local }: DraftFacts): readonly string[] {
  return [...local.values()].flatMap(({ appTriggers }) => appTriggers.map(({ sql }) => sql));
}

/** Tables that can be mapped at all. */
function usableFacts(facts: DraftFacts): { facts: DraftFacts; left: LeftTable[] } {
  const left: LeftTable[] = [];
  const keep = <Table>(
    tables: ReadonlyMap<string, Table>,
    side: LeftTable['side'],
    fault: (table: Table, name: string) => string | null,
  ) =>
    new Map(
      [...tables].filter(([name, table]) => {
        const why = fault(table, name);
        if (why !== null) left.push({ side, table: name, why });
        return why === null;
      }),
    );
  const local = keep(facts.local, 'till', localFault);
  const central = keep(facts.central, 'centre', centralFault);
  return { facts: { ...facts, local, central }, left };
}

function localFault({ notATable, key }: LocalTable): string | null {
  if (notATable !== undefined) return `a ${notATable}`;
  return key.length === 0 ? 'it has no primary key' : null;
}

function centralFault({ key, heirs = [], unlogged }: CentralTable, name: string): string | null {
  if (!/^[^~.:][^.:]*(\.[^.:]+)?$/.test(name)) return 'its name can not be mapped';
  if (heirs.length > 0) return 'tables inherit from it';
  if (unlogged === true) return 'it is unlogged';
  return key.length === 0 ? 'it has no primary key' : null;
}

function unpaired({ local, central }: DraftFacts, pairs: readonly TablePair[]): LeftTable[] {
  const [here, there] = [
    new Set(pairs.map((pair) => pair.local.name)),
    new Set(pairs.map((pair) => pair.central.name)),
  ];
  const why = 'no table like it on the other side';
  return [
    ...[...local.keys()]
      .filter((name) => !here.has(name))
      .map((table) => ({ side: 'till' as const, table, why })),
    ...[...central.keys()]
      .filter((name) => !there.has(name))
      .map((table) => ({ side: 'centre' as const, table, why })),
  ];
}
