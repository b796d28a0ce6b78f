/** Which central table is a local one: by their names, their columns' names and the values that both have. Pure. */
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import { commonRows, tellingCentral, tellingLocal } from './common-rows.ts';
import type { CommonRows, DraftFacts, TablePair } from './facts.ts';
import { isSpeltAlike, nameLikeness, wordsOf } from './name-likeness.ts';
import { isBookkeeping } from './sync-columns.ts';

const BY_NAME = 0.5;
const BY_COLUMNS = 0.35;
const BY_VALUES = 0.5;
/** Of two columns that are counted as one. */
const ALIKE = 0.75;
/** Two tables below it are not taken for one. */
const ENOUGH = 0.42;

interface Candidate {
  readonly local: LocalTable;
  readonly central: CentralTable;
  readonly common: CommonRows;
  readonly score: number;
}

/** @returns pairs in the order of the local tables; a table is in one pair at most */
export function pairTables(facts: DraftFacts): TablePair[] {
  const candidates = candidatesOf(facts).sort((a, b) => b.score - a.score);
  const pairs = new Map<string, TablePair>();
  const central = new Set<string>();
  for (const found of candidates) {
    if (pairs.has(found.local.name) || central.has(found.central.name)) continue;
    pairs.set(found.local.name, tablePair(found, facts));
    central.add(found.central.name);
  }
  for (
    let more = referredTo(facts, pairs, central);
    more !== null;
    more = referredTo(facts, pairs, central)
  ) {
    pairs.set(more.local.name, more);
    central.add(more.central.name);
  }
  return [...facts.local.keys()].flatMap((name) => pairs.get(name) ?? []);
}

/** Two tables that are left over, and that columns of one name refer to. */
function referredTo(
  facts: DraftFacts,
  pairs: ReadonlyMap<string, TablePair>,
  taken: ReadonlySet<string>,
): TablePair | null {
  for (const { local, central } of pairs.values())
    for (const here of local.foreignKeys)
      for (const there of central.foreignKeys) {
        const [column, name] = [here.columns[0] ?? '', there.columns[0] ?? ''];
        const areOne = here.columns.length === 1 && there.columns.length === 1;
        const parent = facts.local.get(here.parent);
        const target = facts.central.get(there.parent);
        if (!areOne || nameLikeness(column, name, ['id']) < ALIKE_NAME) continue;
        if (parent === undefined || target === undefined) continue;
        if (pairs.has(parent.name) || taken.has(target.name)) continue;
        const common = commonRows(
          tellingLocal(parent, facts.localRows.get(parent.name) ?? []),
          tellingCentral(target, facts.centralRows.get(target.name) ?? []),
        );
        const found = tablePair({ local: parent, central: target, common, score: 0 }, facts);
        return {
          ...found,
          why: `${local.name}.${column} refers to the one, ${central.name}.${name} to the other`,
        };
      }
  return null;
}

const ALIKE_NAME = 0.9;

function candidatesOf({ local, localRows, central, centralRows }: DraftFacts): Candidate[] {
  const here = [...local.values()].map((table) => ({
    table,
    words: columnNames(table.columns.map(({ name }) => name)),
    telling: tellingLocal(table, localRows.get(table.name) ?? []),
  }));
  const there = [...central.values()].map((table) => ({
    table,
    words: columnNames(table.columns.map(({ name }) => name)),
    telling: tellingCentral(table, centralRows.get(table.name) ?? []),
  }));
  const likeness = new Likeness();
  return here.flatMap((a) =>
    there.flatMap((b) => {
      const common = commonRows(a.telling, b.telling);
      const score =
        BY_NAME * likeness.of(a.table.name, b.table.table, CONTEXT) +
        BY_COLUMNS * alikeColumns(a.words, b.words, likeness) +
        BY_VALUES * common.share * Math.min(1, common.rows.length / 3);
      return score < ENOUGH ? [] : [{ local: a.table, central: b.table, common, score }];
    }),
  );
}

/** What apps put before every table's name. */
const CONTEXT: readonly string[] = ['tbl', 'tab', 'table', 't'];

function columnNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => !isBookkeeping(name));
}

/** How much of both tables' columns have their like in the other, 0 … 1. */
function alikeColumns(a: readonly string[], b: readonly string[], likeness: Likeness): number {
  if (a.length + b.length === 0) return 0;
  const free = new Set(b);
  let alike = 0;
  for (const name of a) {
    const found = [...free].find((other) => likeness.of(name, other) >= ALIKE);
    if (found === undefined) continue;
    free.delete(found);
    alike += 1;
  }
  return (2 * alike) / (a.length + b.length);
}

/** The same few names stand in every table. */
class Likeness {
  readonly #known = new Map<string, number>();

  of(a: string, b: string, context: readonly string[] = []): number {
    const pair = `${a}\n${b}`;
    let likeness = this.#known.get(pair);
    if (likeness === undefined) {
      likeness = nameLikeness(a, b, context);
      this.#known.set(pair, likeness);
    }
    return likeness;
  }
}

function tablePair({ local, central, common }: Candidate, facts: DraftFacts): TablePair {
  const known = isSpeltAlike(local.name, central.table);
  return {
    local,
    central,
    localRows: facts.localRows.get(local.name) ?? [],
    centralRows: facts.centralRows.get(central.name) ?? [],
    common,
    why: known ? '' : whyPaired(local, central, common),
  };
}

function whyPaired(local: LocalTable, central: CentralTable, { rows, by }: CommonRows): string {
  if (by !== null)
    return `${rows.length} sampled rows have their ${by.local} in ${central.name}.${by.central}`;
  const own = new Set(wordsOf(central.table));
  const same = wordsOf(local.name).some((word) => own.has(word));
  return same ? 'by its name and columns' : 'by what its name and columns mean';
}
