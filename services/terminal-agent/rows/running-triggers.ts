/** Which triggers of the app run on rows from the centre, by the mapping's `app_triggers`. Pure. */
import type { AppTrigger } from '../../shared/catalog/local-catalog.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { AppTriggerMode } from '../../shared/mapping/mapping.ts';

/**
 *   app_triggers | writes virtual tables only | writes anything else, or nothing
 *   -------------+----------------------------+----------------------------------
 *   (auto)       | runs                       | suspended: it would count twice
 *   keep         | runs                       | runs
 *   suspend      | suspended                  | suspended
 */
export function runsOnCentralRows(
  { fillsIndex }: Pick<AppTrigger, 'fillsIndex'>,
  mode: AppTriggerMode,
): boolean {
  return mode === 'keep' || (mode === 'auto' && fillsIndex);
}

export function appTriggersThatRun({ mapping, local }: BoundTable): readonly AppTrigger[] {
  return local.appTriggers.filter((trigger) => runsOnCentralRows(trigger, mapping.appTriggers));
}
