/**
 * What becomes of one value that a till sends for a column of a row that is there: there is a conflict only where the
 * centre holds another value than the till saw. Pure; deletes and marks of soft deletes are decided in
 * delete-verdict.ts, updates that only fill in fill.ts, and what is added to a delta column always counts.
 *
 * The first line that fits:
 *
 *   the till saw        | besides                | policy        | what becomes of its value, and why
 *   --------------------+------------------------+---------------+--------------------------------------------------------
 *   anything            | what it sends stands   | any           | there already; the later of both clocks counts
 *   anything            | column is pushed       | any           | put back: only head office changes it
 *   anything            |                        | append-only   | given up: a row is as it was made
 *   anything            | its own last write     | any           | written: it knew that when it made this one
 *   what stands         | nothing in doubt       | any           | written whatever the clocks say: it conflicts with nothing
 *   what stands         | in doubt               | terminal-wins | written, as a conflict
 *   what stands         | in doubt               | another       | clocks: else the order of arrival would decide
 *   another value       |                        | last-writer   | clocks
 *   another value       |                        | central-wins  | given up
 *   another value       |                        | terminal-wins | written, as a conflict
 *   nobody can say      |                        | last-writer   | clocks, and no conflict where it is written
 *   nobody can say      |                        | central-wins  | given up: unknown is never equal
 *   nobody can say      |                        | terminal-wins | written
 *   nothing (an insert  | NULL stands            | last-writer   | clocks, and no conflict where it is written
 *   that met a row)     |                        | another       | written: nothing of anybody's is lost
 */
import { unreachable } from '../../shared/errors.ts';
import type { Policy } from '../../shared/mapping/mapping.ts';
import type { Discarded } from './change.ts';

export type Saw = 'standing' | 'another' | 'unknown' | 'nothing';

export interface ColumnFacts {
  readonly policy: Exclude<Policy, 'delta'>;
  /** Only head office changes the column. */
  readonly isPushed: boolean;
  /** What the till sends stands there already. */
  readonly isThere: boolean;
  readonly saw: Saw;
  /** Another till wrote the column after the image that the till saw, or the image is beyond the horizon. */
  readonly isDoubtful: boolean;
  /** The till itself wrote last what stands there. */
  readonly isOwn: boolean;
  /** The till's clock is the later. */
  readonly wins: boolean;
}

export interface ColumnVerdict {
  readonly written: boolean;
  readonly conflict: Discarded | null;
}

export const PUSH_ONLY: Discarded = { winner: 'central', rule: 'push-only' };

const NOTHING: ColumnVerdict = { written: false, conflict: null };
const WRITTEN: ColumnVerdict = { written: true, conflict: null };

export function columnVerdict(facts: ColumnFacts): ColumnVerdict {
  const { policy, isPushed, isThere, saw, isDoubtful, isOwn, wins } = facts;
  if (isThere) return NOTHING;
  if (isPushed) return { written: false, conflict: PUSH_ONLY };
  const givenUp: ColumnVerdict = { written: false, conflict: { winner: 'central', rule: policy } };
  if (policy === 'append-only') return givenUp;
  if (isOwn || (saw === 'standing' && !isDoubtful)) return WRITTEN;
  const isKnown = saw === 'standing' || saw === 'another';
  const won: ColumnVerdict = isKnown
    ? { written: true, conflict: { winner: 'terminal', rule: policy } }
    : WRITTEN;
  switch (policy) {
    case 'terminal-wins':
      return won;
    case 'last-writer-wins':
      return wins ? won : givenUp;
    case 'central-wins':
      if (saw === 'nothing') return WRITTEN;
      return saw === 'standing' && wins ? won : givenUp;
    default:
      return unreachable(policy);
  }
}
