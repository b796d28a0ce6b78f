/** For the app: its rows whose changes were cut are on their way. */
import type { Noted } from '../file/kept-keys.ts';
import type { AppTriggers } from '../rows/app-triggers.ts';
import type { TillTables } from '../rows/till-tables.ts';

export interface PendingParts {
  readonly tables: TillTables;
  readonly triggers: AppTriggers;
}

export function showPending({ tables, triggers }: PendingParts, noted: readonly Noted[]): void {
  for (const { table: cut, rowKey, operation } of noted) {
    // Its statements are those of this transaction's tables.
    const table = tables.byLocal(cut.name);
    if (table === undefined || table.bound.statusColumns.length === 0) continue;
    if (rowKey === null || !table.writer.exists(rowKey)) continue;
    triggers.suspend(table.name, 'update');
    table.writer.setPending(rowKey, operation);
  }
}
