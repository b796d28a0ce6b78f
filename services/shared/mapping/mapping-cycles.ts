/** Tables that refer to each other in a circle in which every column has to be filled: none of their rows could come first. */
import type { Catalogs, CheckFinding } from './mapping-check.ts';
import { hardCycles } from './mapping-order.ts';
import { centralColumn, type Mapping, type TableMapping } from './mapping.ts';

export function cycleFindings(mapping: Mapping, catalogs: Catalogs): CheckFinding[] {
  const mayBeNull = (table: TableMapping, column: string): boolean => {
    const central = catalogs.central
      ?.get(table.central)
      ?.columns.find(({ name }) => name === centralColumn(table, column));
    const local = catalogs.local?.get(table.local)?.columns.find(({ name }) => name === column);
    // Unknown on both sides: no reason to complain.
    return central?.notNull !== true && local?.notNull !== true;
  };
  return hardCycles(mapping.tables, mayBeNull).flatMap((cycle) => {
    const [first] = cycle;
    if (first === undefined) return [];
    const names = [...cycle.map(({ table }) => table.local), first.table.local];
    const columns = cycle.map(({ table, column }) => `${table.local}.${column}`);
    return [
      {
        code: 'cycle' as const,
        table: first.table.local,
        column: first.column,
        message: `${names.join(' → ')} is a cycle of which no column may be NULL, so no row could come first`,
        remedy: `let one of ${columns.join(', ')} be NULL`,
        path: ['tables', first.table.local, 'references', first.column],
      },
    ];
  });
}
