/**
 * What becomes of a till's delete of a row that is there, and of a row with a mark when a till updates it. Pure.
 *
 *   the table deletes | the row         | policy        | clock      | what becomes of the delete
 *   ------------------+-----------------+---------------+------------+----------------------------------------
 *   ignore            | any             | any           | any        | nothing, and it counts as applied
 *   soft              | marked already  | any           | any        | nothing, and it counts as applied
 *   soft, hard        | there           | append-only   | any        | refused: the row stays
 *   soft, hard        | there           | terminal-wins | any        | done
 *   soft, hard        | there           | another       | wins       | done
 *   soft, hard        | there           | another       | loses      | refused: a later update keeps the row
 *
 * `deny` never comes here: resolve.ts refuses it by name. An update that wins brings a marked row back.
 */
import type { Policy } from '../../shared/mapping/mapping.ts';
import type { Discarded } from './change.ts';
import type { TableModel } from './model.ts';

export interface DeleteFacts {
  readonly mode: TableModel['delete'];
  readonly policy: Policy;
  /** It bears the mark of a soft delete. */
  readonly isMarked: boolean;
  /** The till's clock is the later of the two. */
  readonly wins: boolean;
  /** Somebody else put values there that the till did not know. */
  readonly isForeign: boolean;
}

export interface DeleteVerdict {
  readonly done: 'nothing' | 'refused' | 'deleted';
  readonly conflict: Discarded | null;
}

const RULE = 'delete-against-update';

export function deleteVerdict({ mode, policy, isMarked, wins, isForeign }: DeleteFacts): DeleteVerdict {
  if (mode === 'ignore' || isMarked) return { done: 'nothing', conflict: null };
  if (policy === 'append-only') return { done: 'refused', conflict: { winner: 'central', rule: policy } };
  if (policy !== 'terminal-wins' && !wins) {
    return { done: 'refused', conflict: { winner: 'central', rule: RULE } };
  }
  return { done: 'deleted', conflict: isForeign ? { winner: 'terminal', rule: RULE } : null };
}

export interface MarkedRowFacts {
  readonly policy: Policy;
  readonly isMarked: boolean;
  /** The update says something of the mark itself. */
  readonly namesMark: boolean;
  /** The till marked it itself. */
  readonly isOwn: boolean;
  /** The till's clock is the later of the two. */
  readonly wins: boolean;
}

/** Whether an update takes away the mark that somebody else has set. */
export function bringsBack({ policy, isMarked, namesMark, isOwn, wins }: MarkedRowFacts): boolean {
  return policy !== 'append-only' && isMarked && !namesMark && !isOwn && wins;
}

/** What an update that brought a row back leaves in the list of conflicts. */
export const BROUGHT_BACK: Discarded = { winner: 'terminal', rule: RULE };
