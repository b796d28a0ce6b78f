/**
 * What of a unit stands or falls together. Pure.
 *
 * A unit seldom holds more than one sale, but what a till wrote while its agent was away is one unit too. When
 * one change of it is refused, only what hangs on that change may go down with it: other changes of the same
 * row, and rows that refer to a row *inserted* in this unit. A reference to a row that is only updated here
 * (the product every sale takes its stock from) connects nothing, or one bad sale would take all others along.
 */
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { nameKey } from '../../shared/catalog/same-name.ts';
import { rowName } from './change.ts';

/** @returns local name of the parent table of a reference column, null when it is none */
export type ParentOf = (localTable: string, localColumn: string) => string | null;

/** The parts, each in order of seq, ordered by their first seq. Together they are all of `changes`. */
export function connectedParts(changes: readonly UnitChange[], parentOf: ParentOf): UnitChange[][] {
  const sets = new DisjointSets(changes.length);
  const ownerOfRow = new Map<string, number>();
  const inserted = new Map<string, number>();
  changes.forEach((change, index) => {
    const row = `${nameKey(change.table)}\0${rowName(change.row)}`;
    const owner = ownerOfRow.get(row);
    if (owner === undefined) ownerOfRow.set(row, index);
    else sets.join(owner, index);
    if (change.op === 'c' || change.op === 'r') inserted.set(row, index);
  });
  changes.forEach((change, index) => {
    for (const { column, target } of change.references) {
      const parent = target === null ? null : parentOf(change.table, column);
      if (target === null || parent === null) continue;
      const insertion = inserted.get(`${nameKey(parent)}\0${rowName(target)}`);
      if (insertion !== undefined) sets.join(insertion, index);
    }
  });
  const parts = new Map<number, UnitChange[]>();
  changes.forEach((change, index) => {
    const root = sets.find(index);
    const part = parts.get(root);
    if (part === undefined) parts.set(root, [change]);
    else part.push(change);
  });
  return [...parts.values()];
}

/** Union-find with path halving. */
class DisjointSets {
  readonly #parent: number[];

  constructor(size: number) {
    this.#parent = Array.from({ length: size }, (_, index) => index);
  }

  find(index: number): number {
    let at = index;
    for (;;) {
      const parent = this.#parent[at] ?? at;
      if (parent === at) return at;
      const grandparent = this.#parent[parent] ?? parent;
      this.#parent[at] = grandparent;
      at = grandparent;
    }
  }

  join(a: number, b: number): void {
    this.#parent[this.find(b)] = this.find(a);
  }
}
