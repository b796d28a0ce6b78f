/** When a change was made; ms since 1970. Pure. */
import { FILLS_AT_MS, type UnitChange } from '../../shared/records/unit-record.ts';
import { isSameName } from '../../shared/catalog/same-name.ts';
import { timestampMs } from '../../shared/values/values.ts';
import type { TableModel } from './model.ts';

/** Nobody has agreed on what it says yet: it fills what is NULL, and takes no part in any conflict. */
export function isFill({ op, capturedAtMs }: UnitChange): boolean {
  return op === 'u' && capturedAtMs === FILLS_AT_MS;
}

/**
 * The row's own timestamp where the change set it, else the till's clock at capture; never later than the log
 * received it, or a till whose clock runs ahead would win every conflict to come.
 */
export function changeClockMs(table: TableModel, change: UnitChange, receivedAtMs: number): number {
  if (isFill(change)) return FILLS_AT_MS;
  return Math.min(ownTimestampMs(table, change) ?? change.capturedAtMs, receivedAtMs);
}

function ownTimestampMs(table: TableModel, change: UnitChange): number | null {
  if (change.op === 'd' || table.timestampColumn === null) return null;
  const model = table.byCentral.get(table.timestampColumn);
  const column = model && change.columns.find(({ name }) => isSameName(name, model.local));
  if (model === undefined || column === undefined) return null;
  if (change.op === 'u' && column.new === column.old) return null;
  return timestampMs(column.new, model.options);
}
