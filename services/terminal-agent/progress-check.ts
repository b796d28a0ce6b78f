/** Looks for a progress record among records that are about to be applied, and whether it fits this file's units. */
import type { Logger } from 'pino';
import { CATALOG_POSITION_HEADER } from '../shared/records/envelope.ts';
import { PROGRESS_TABLE } from '../shared/records/change-record.ts';
import {
  newerProgress,
  progressDoubt,
  readProgress,
  type Me,
  type OwnUnits,
  type Progress,
} from './settlement.ts';
import { readChange, type Incoming } from './streams/incoming.ts';

export interface ProgressCheck {
  readonly me: { readonly terminalId: string } & Pick<Me, 'incarnation'>;
  readonly known: Progress | null;
  readonly ownUnits: OwnUnits;
  readonly log: Logger;
}

/** @returns what is wrong with this file; null: nothing */
export function doubtIn(
  items: readonly Incoming[],
  { me, known, ownUnits, log }: ProgressCheck,
): string | null {
  for (const { content, record } of items) {
    if (content.kind !== 'row' || content.frame.table !== PROGRESS_TABLE) continue;
    const change = readChange(record, content.frame, log);
    const progress =
      'kind' in change ? null : readProgress(change, record.headers[CATALOG_POSITION_HEADER], me.terminalId);
    // One that is read again is of a time before.
    if (progress === null || newerProgress(known, progress) !== progress) continue;
    const doubt = progressDoubt(progress, me, ownUnits);
    if (doubt !== null) return doubt;
  }
  return null;
}
