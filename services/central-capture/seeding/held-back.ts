/**
 * Which tables' changes in the WAL are not sent for a while. Pure.
 *
 * Where the WAL has a gap (a slot that was moved or made anew, a new epoch, a publication without links), links of tills'
 * rows may be in no stream. Until they are seeded again,
 *
 *   sent now         | would make a till
 *   -----------------|----------------------------------------------------------------
 *   progress         | settle its own insert without ever linking it
 *   a row of a till  | insert its own row a second time
 *
 * and whatever is left out of a table whose own seeding has not begun comes with that seeding, which does not begin
 * before the links' ends. Deletes are sent all the same: of a row that was made, and deleted or moved, while its table
 * was held back the stream has no key that a sweep could find, and the till that made it has it.
 */
import { LINK_TABLE, MAPPING_TABLE } from '../../shared/records/change-record.ts';

/** As payflow_sync.seeding has it, of a seeding that is not done. */
export interface OpenSeeding {
  readonly table: string;
  readonly hasBegun: boolean;
}

export function heldBack(open: readonly OpenSeeding[]): ReadonlySet<string> {
  if (!open.some(({ table }) => table === LINK_TABLE)) return NONE;
  const waiting = open.filter(({ hasBegun }) => !hasBegun).map(({ table }) => table);
  // Nobody waits for these two.
  return new Set(waiting.filter((table) => table !== LINK_TABLE && table !== MAPPING_TABLE));
}

const NONE: ReadonlySet<string> = new Set();
