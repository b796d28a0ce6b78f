/**
 * Makes every decision about a group, in the order of its changes: may the till, and who wins. Pure: all rows have
 * been read and locked, and nothing is written yet. A refusal takes others along, so whoever calls this begins
 * again without them; what was folded until then is thrown away.
 */
import type { CentralId, Outcome } from '../../shared/records/change-record.ts';
import { centralRow, type Incoming, type Rejections, type ResolvedChange } from './change.ts';
import { FoldedRow } from './folded-row.ts';
import type { Conflict, LinkRow } from './evidence.ts';
import type { Folded } from './folded-rows.ts';
import { Guard, type ForeignReference } from './guard.ts';
import type { CentralModel } from './model.ts';
import { Places } from './places.ts';
import type { LockedRows } from './reader.ts';

export interface FoldedGroup extends Folded {
  readonly places: Places;
  readonly foreignReferences: readonly ForeignReference[];
}

/** @param rejections gets what the till may not do */
export function foldAll(
  model: CentralModel,
  resolved: readonly ResolvedChange[],
  { standing, scopes, now }: LockedRows,
  rejections: Rejections,
): FoldedGroup {
  const rows = new Map<string, FoldedRow>();
  const results = new Map<Incoming, { row: FoldedRow; outcome: Outcome }>();
  const conflicts: Conflict[] = [];
  const links = new Map<string, Omit<LinkRow, 'id'> & { id: CentralId | null }>();
  const places = new Places({ model, folded: rows, standing, scopes, made: insertsByRow(resolved) });
  const guard = new Guard(places);
  for (const change of resolved) {
    const { incoming, table, id, kind, terminal } = change;
    const name = centralRow(table, id);
    const row = rows.get(name) ?? new FoldedRow(table, id, standing.get(name) ?? null, now);
    rows.set(name, row);
    const rejection = guard.judge(change, row);
    if (rejection !== null) {
      rejections.set(incoming, rejection);
      continue;
    }
    const { outcome, discarded } = row.fold(change);
    results.set(incoming, { row, outcome });
    if (discarded !== null) {
      const centralRow = row.standing?.values ?? null;
      conflicts.push({ incoming, row, table, id, centralRow, terminalRow: change.next, ...discarded });
    }
    const { identity } = incoming.change.row;
    const link = { terminal, table, identity };
    if (identity === '') continue;
    if (kind === 'insert' || kind === 'offer') links.set(incoming.tillRow, { ...link, id });
    else if (kind === 'delete' && outcome !== 'lost') links.set(incoming.tillRow, { ...link, id: null });
  }
  return { rows, results, conflicts, links, places, foreignReferences: guard.foreignReferences };
}

/** The first insert of each row: that is the one which makes it, if it is not there. */
function insertsByRow(resolved: readonly ResolvedChange[]): Map<string, ResolvedChange> {
  const inserts = new Map<string, ResolvedChange>();
  for (const change of resolved) {
    if (change.kind !== 'insert' && change.kind !== 'offer') continue;
    const name = centralRow(change.table, change.id);
    if (!inserts.has(name)) inserts.set(name, change);
  }
  return inserts;
}
