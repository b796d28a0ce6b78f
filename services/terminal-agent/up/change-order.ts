/** The order of changes in a unit: as the app wrote them, but a new row before whatever refers to it. Pure. */
import type { CutRow } from './look.ts';
import { handleIn } from './row-values.ts';

export function inOrder(rows: readonly CutRow[]): CutRow[] {
  const written = [...rows].sort((a, b) => placeOf(a) - placeOf(b));
  const made = new Map(written.filter(isMade).map((row) => [nameOf(row.table.name, row.handle), row]));
  const ordered = new Set<CutRow>();
  const under = new Set<CutRow>();
  const put = (row: CutRow): void => {
    // A circle of new rows: the centre breaks it where it can.
    if (ordered.has(row) || under.has(row)) return;
    under.add(row);
    for (const [table, handle] of row.op === 'd' ? [] : parentsOf(row)) {
      const parent = made.get(nameOf(table, handle));
      if (parent !== undefined) put(parent);
    }
    under.delete(row);
    ordered.add(row);
  };
  for (const row of written) put(row);
  return [...ordered];
}

/** Where a row was made; else where it was last written. */
function placeOf({ op, span }: CutRow): number {
  return op === 'c' || op === 'r' ? span.first : span.last;
}

function isMade({ op }: CutRow): boolean {
  return op === 'c' || op === 'r';
}

function nameOf(table: string, handle: string): string {
  return `${table}\u0000${handle}`;
}

/** Handles of the rows that a row refers to. */
function parentsOf({ table, values }: Pick<CutRow, 'table' | 'values'>): [table: string, handle: string][] {
  return table.bound.columns.flatMap(({ local, reference }): [string, string][] => {
    const handle = reference === null ? undefined : handleIn(values.get(local) ?? null);
    return reference === null || handle === undefined ? [] : [[reference.table, handle]];
  });
}
