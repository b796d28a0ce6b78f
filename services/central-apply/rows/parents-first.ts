/**
 * Rows in the order in which the till made them, but none before a row that it refers to and that is inserted
 * with it: an app that checks foreign keys late, or never, writes a sale's lines before the sale. Pure.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import { centralRow } from './change.ts';
import type { CentralModel } from './model.ts';
import type { Text } from './sql.ts';
import type { RowPlan } from './writer.ts';

export function parentsFirst(model: CentralModel, plans: readonly RowPlan[]): RowPlan[] {
  const inserts = new Map(
    plans
      .filter(({ writes }) => writes.insert !== null)
      .map((plan) => [centralRow(plan.table, plan.id), plan]),
  );
  const met = new Set<RowPlan>();
  const ordered: RowPlan[] = [];
  const place = (plan: RowPlan): void => {
    // Also where rows refer to each other in a circle: one of them has to be the first.
    if (met.has(plan)) return;
    met.add(plan);
    for (const { central, parent } of plan.table.byLocal.values()) {
      const table = parent === null ? undefined : model.byLocal.get(parent);
      const id = valueOf(plan, central.name);
      if (table === undefined || id === null) continue;
      const referred = inserts.get(centralRow(table, id as CentralId));
      if (referred !== undefined) place(referred);
    }
    ordered.push(plan);
  };
  for (const plan of plans) place(plan);
  return ordered;
}

function valueOf({ writes: { insert, update } }: RowPlan, column: string): Text {
  return insert?.get(column) ?? update?.set.get(column) ?? null;
}
