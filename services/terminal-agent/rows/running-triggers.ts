/** Which triggers of the app run on rows from the centre, by the mapping's `app_triggers`. Pure. */
import type { AppTrigger, LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { AppTriggerMode } from '../../shared/mapping/mapping.ts';

/**
 *   app_triggers | writes virtual tables only | writes anything else, or nothing
 *   -------------+----------------------------+----------------------------------
 *   (auto)       | runs                       | suspended: it would count twice
 *   keep         | runs                       | runs
 *   suspend      | suspended                  | suspended
 *
 * A clause of our own statement would hold in the trigger too. So where both the trigger and its table have conflict
 * clauses the trigger is suspended: without a clause of ours that of the table would evict, or drop, rows in silence.
 */
export function runsOnCentralRows(
  { fillsIndex, conflictClause }: Pick<AppTrigger, 'fillsIndex' | 'conflictClause'>,
  mode: AppTriggerMode,
  table: Pick<LocalTable, 'conflictClause'> | undefined,
): boolean {
  if (conflictClause === true && table?.conflictClause === true) return false;
  return mode === 'keep' || (mode === 'auto' && fillsIndex);
}

export function appTriggersThatRun({ mapping, local }: BoundTable): readonly AppTrigger[] {
  return local.appTriggers.filter((trigger) => runsOnCentralRows(trigger, mapping.appTriggers, local));
}
