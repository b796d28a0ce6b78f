/**
 * What the folded rows of a group come to in the central tables, in an order that PostgreSQL takes: all together,
 * by kind and table, or in steps of which each is written before the next.
 */
import type { CentralId, Outcome } from '../../shared/records/change-record.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { leftByTriggers } from './after-triggers.ts';
import { centralRow, type Incoming } from './change.ts';
import type { FoldedRow } from './folded-row.ts';
import type { RowWrites } from './standing.ts';
import { removeVersions, writeVersions, type Conflict, type LinkRow, type VersionRow } from './evidence.ts';
import type { CentralModel, TableModel } from './model.ts';
import { parentsFirst } from './parents-first.ts';
import type { Session, Text } from './sql.ts';
import { writeRows, type RowOrder, type RowPlan } from './writer.ts';

/** Rows that are written together, in an order that suits them. */
export interface WriteStep {
  readonly changes: readonly UnitChange[];
  readonly order: RowOrder;
}

/** One order for all rows, or step by step; a row that several steps are about is written in the last of them. */
export type WriteOrder = RowOrder | readonly WriteStep[];

export interface Folded {
  /** In the order in which the group first touched them, by `centralRow`. */
  readonly rows: ReadonlyMap<string, FoldedRow>;
  readonly results: ReadonlyMap<Incoming, { readonly row: FoldedRow; readonly outcome: Outcome }>;
  readonly conflicts: readonly Conflict[];
  /** By till row, as the group leaves it; `id` null: the till deleted it. */
  readonly links: ReadonlyMap<string, Omit<LinkRow, 'id'> & { readonly id: CentralId | null }>;
}

export async function writeFoldedRows(
  session: Session,
  model: CentralModel,
  { rows, results }: Folded,
  order: WriteOrder,
): Promise<void> {
  const inserted = (table: TableModel, id: Text) =>
    (rows.get(centralRow(table, id as CentralId))?.writes?.insert ?? null) !== null;
  const plans = new Map<RowPlan, FoldedRow>();
  const before = new Set<string>();
  for (const row of rows.values()) {
    const { table, id, writes } = row;
    before.add(centralRow(table, id));
    if (writes === null) continue;
    const later = (parent: TableModel, to: Text) =>
      inserted(parent, to) && !(parent === table && before.has(centralRow(parent, to as CentralId)));
    plans.set({ table, id, writes: withForwardReferences(model, table, writes, later) }, row);
  }
  const all = [...plans.keys()];
  const written = new Map<RowPlan, string>();
  for (const step of typeof order === 'string' ? [{ plans: all, order }] : inSteps(order, plans, results)) {
    const ordered = step.order === 'original' ? parentsFirst(model, step.plans) : step.plans;
    for (const [plan, hash] of await writeRows(session, ordered, step.order)) written.set(plan, hash);
  }
  const touched = new Set(all.map(({ table }) => table));
  const left = await leftByTriggers(session, model.afterTriggers, written, touched);
  await removeVersions(
    session,
    all.filter(({ writes }) => writes.delete),
  );
  await writeVersions(session, [
    ...[...left].flatMap(([plan, hash]) => versionRow(plans.get(plan), hash)),
    ...[...rows.values()].flatMap((row) => (row.isWritten ? [] : versionRow(row, row.standing?.hash))),
  ]);
}

/** A stock that was moved is no other version, unless a trigger changed more of the row. */
function versionRow(row: FoldedRow | undefined, hash: string | undefined): VersionRow[] {
  if (row === undefined || hash === undefined || !row.exists) return [];
  const { table, id, version, standing, hasNewVersion } = row;
  const isOther = standing?.isOurs === true && standing.hash !== hash;
  return hasNewVersion || isOther ? [{ table, id, hash, ...version }] : [];
}

/**
 * In a cycle of references one table has to come first: what its new rows refer to in a later table, or later
 * in the same, is left empty in the insert and filled in by an update once the other rows are there.
 */
function withForwardReferences(
  model: CentralModel,
  table: TableModel,
  writes: RowWrites,
  inserted: (parent: TableModel, id: Text) => boolean,
): RowWrites {
  if (table.forward.length === 0 || writes.insert === null) return writes;
  const insert = new Map(writes.insert);
  const set = new Map<string, Text>();
  for (const { column, parent: local } of table.forward) {
    const parent = model.byLocal.get(local);
    const value = insert.get(column) ?? null;
    if (parent === undefined || value === null || !inserted(parent, value)) continue;
    insert.set(column, null);
    set.set(column, value);
  }
  return set.size === 0 ? writes : { ...writes, insert, update: { set, add: new Map() } };
}

function inSteps(
  steps: readonly WriteStep[],
  plans: ReadonlyMap<RowPlan, FoldedRow>,
  results: Folded['results'],
): { plans: RowPlan[]; order: RowOrder }[] {
  const stepOf = new Map(steps.flatMap(({ changes }, index) => changes.map((change) => [change, index])));
  const lastOf = new Map<FoldedRow, number>();
  for (const [{ change }, { row }] of results) {
    lastOf.set(row, Math.max(lastOf.get(row) ?? 0, stepOf.get(change) ?? 0));
  }
  const written = steps.map(({ order }) => ({ plans: [] as RowPlan[], order }));
  for (const [plan, row] of plans) written[lastOf.get(row) ?? 0]?.plans.push(plan);
  return written;
}
