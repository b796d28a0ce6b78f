/**
 * What becomes of one value that a till sends for a column of a row that is there. Pure; deletes and marks of
 * soft deletes are decided in delete-verdict.ts, updates that only fill in fill.ts.
 *
 * By the column's policy:
 * - last-writer-wins: the later clock wins.
 * - central-wins: applied only where the till knew what stands there. terminal-wins: always applied.
 * - append-only: never changed after the insert.
 * - direction push, whatever the policy: only head office changes it; else put back.
 * - delta: what the till added or took away is always applied, so it is none of these.
 */
import { unreachable } from '../../shared/errors.ts';
import type { Policy } from '../../shared/mapping/mapping.ts';
import type { Discarded } from './change.ts';

export interface ColumnFacts {
  readonly policy: Exclude<Policy, 'delta'>;
  /** Only head office changes the column. */
  readonly isPushed: boolean;
  /** What the till sends stands there already. */
  readonly isThere: boolean;
  /** The till's before means what stands there. */
  readonly wasKnown: boolean;
  /** Somebody else put there what stands there, and the till did not know it. */
  readonly isForeign: boolean;
  /** The till's clock is the later. */
  readonly wins: boolean;
}

export interface ColumnVerdict {
  readonly written: boolean;
  readonly conflict: Discarded | null;
}

export const PUSH_ONLY: Discarded = { winner: 'central', rule: 'push-only' };

const SAME: ColumnVerdict = { written: false, conflict: null };

export function columnVerdict(facts: ColumnFacts): ColumnVerdict {
  const { policy, isPushed, isThere } = facts;
  if (isThere) return SAME;
  if (isPushed) return { written: false, conflict: PUSH_ONLY };
  if (!mayWrite(facts)) return { written: false, conflict: { winner: 'central', rule: policy } };
  return { written: true, conflict: facts.isForeign ? { winner: 'terminal', rule: policy } : null };
}

function mayWrite({ policy, wasKnown, wins }: ColumnFacts): boolean {
  switch (policy) {
    case 'last-writer-wins':
      return wins;
    case 'central-wins':
      return wasKnown;
    case 'append-only':
      return false;
    case 'terminal-wins':
      return true;
    default:
      return unreachable(policy);
  }
}
