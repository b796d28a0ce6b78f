/** Parents before children, and the cycles that can't be put in order. */
import type { TableMapping } from './mapping.ts';

/** Whether the reference column may be NULL, so that a row can come before the one it points to. */
export type MayBeNull = (table: TableMapping, column: string) => boolean;

/**
 * @returns the tables so that each comes after all it references, keeping the given order where free. In a
 * cycle the nullable references give way; where there is none the given order decides.
 */
export function parentsFirst(
  tables: readonly TableMapping[],
  mayBeNull: MayBeNull = () => false,
): TableMapping[] {
  const waiting = [...tables];
  const ordered: TableMapping[] = [];
  const every = () => true;
  const hard = (table: TableMapping, column: string) => !mayBeNull(table, column);
  while (waiting.length > 0) {
    const names = new Set(waiting.map(({ local }) => local));
    const free = (counts: MayBeNull) => waiting.findIndex((table) => !waits(table, names, counts));
    const withoutParents = free(every);
    const withoutHardParents = withoutParents === -1 ? free(hard) : withoutParents;
    ordered.push(...waiting.splice(Math.max(0, withoutHardParents), 1));
  }
  return ordered;
}

function waits(table: TableMapping, waiting: ReadonlySet<string>, counts: MayBeNull): boolean {
  for (const [column, { table: parent }] of table.references)
    if (parent !== table.local && waiting.has(parent) && counts(table, column)) return true;
  return false;
}

/** One reference of a cycle. */
export interface CycleStep {
  readonly table: TableMapping;
  readonly column: string;
}

/** @returns each cycle of references of which none may be NULL, once; also a table that needs itself. */
export function hardCycles(tables: readonly TableMapping[], mayBeNull: MayBeNull): CycleStep[][] {
  const byName = new Map(tables.map((table) => [table.local, table]));
  const cycles: CycleStep[][] = [];
  const done = new Set<string>();
  const visit = (table: TableMapping, path: readonly CycleStep[]): void => {
    const start = path.findIndex((step) => step.table === table);
    if (start !== -1) {
      cycles.push(path.slice(start));
      return;
    }
    if (done.has(table.local)) return;
    for (const [column, { table: parentName }] of table.references) {
      const parent = byName.get(parentName);
      if (parent !== undefined && !mayBeNull(table, column)) visit(parent, [...path, { table, column }]);
    }
    done.add(table.local);
  };
  for (const table of tables) visit(table, []);
  return cycles;
}
