/** Cuts what was read into groups, each one transaction. Pure. */
import type { StoredRecord } from '../shared/log/event-log.ts';
import type { AcceptedRecord } from './held.ts';
import { isAnnouncement } from '../shared/records/unit-record.ts';
import type { Taken } from './intake.ts';
import type { RefusedRecord } from './progress.ts';

/** A group ends with the record that reaches one of these, and with a file that announces itself. */
export const GROUP_CHANGES = 2_000;
export const GROUP_BYTES = 4 * 1024 * 1024;

export interface Slice {
  readonly accepted: AcceptedRecord[];
  readonly refused: RefusedRecord[];
  lastOffset: number;
}

/** @param taken what the intake said of each of `records` */
export function splitIntoGroups(records: readonly StoredRecord[], taken: readonly Taken[]): Slice[] {
  const slices: Slice[] = [];
  let current: Slice | null = null;
  let changes = 0;
  let bytes = 0;
  records.forEach((record, index) => {
    if (current === null || changes >= GROUP_CHANGES || bytes >= GROUP_BYTES) {
      current = { accepted: [], refused: [], lastOffset: record.offset };
      slices.push(current);
      changes = 0;
      bytes = 0;
    }
    current.lastOffset = record.offset;
    const verdict = taken[index];
    if (verdict?.kind === 'refused') current.refused.push(verdict.refused);
    if (verdict?.kind !== 'accepted') return;
    current.accepted.push(verdict.accepted);
    bytes += verdict.accepted.bytes.length;
    for (const unit of verdict.accepted.record.units) changes += unit.changes.length;
    // What comes behind it is judged by where its terminal stands then.
    if (isAnnouncement(verdict.accepted.record)) current = null;
  });
  return slices;
}
