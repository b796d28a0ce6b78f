/**
 * What an update that only fills may write: a till has a column that was in none of its images, so nobody knows what the
 * other side had in it. Clocks decide nothing here. Pure.
 *
 *   the centre has         | the column is              | what the till has
 *   -----------------------+----------------------------+----------------------------------------
 *   NULL                   | anything but the below     | is taken
 *   NULL                   | delta, append-only         | is listed: an amount that nobody counted, a row that is as made
 *   the same               | any                        | is there already
 *   another value          | any                        | is listed
 *   any                    | direction push             | is listed
 */
import type { Policy } from '../../shared/mapping/mapping.ts';
import type { Verdict } from './change.ts';
import type { Text } from './sql.ts';

/** The rule by which the centre's value stays. */
const FILLS = 'fills';

export interface FilledColumn {
  readonly current: Text;
  readonly policy: Policy;
  readonly isPushed: boolean;
  readonly same: (a: Text, b: Text) => boolean;
}

export interface Filling {
  readonly set: ReadonlyMap<string, Text>;
  readonly verdict: Verdict;
}

export function fillingOf(
  next: ReadonlyMap<string, Text>,
  columnOf: (column: string) => FilledColumn,
): Filling {
  const set = new Map<string, Text>();
  let rule: string | null = null;
  for (const [column, value] of next) {
    const { current, policy, isPushed, same } = columnOf(column);
    if (value === null || same(current, value)) continue;
    if (isPushed) rule = 'push-only';
    else if (current !== null || policy === 'delta' || policy === 'append-only') rule = FILLS;
    else set.set(column, value);
  }
  if (rule === null) return { set, verdict: { outcome: 'applied', discarded: null } };
  const outcome = set.size > 0 ? 'merged' : 'lost';
  return { set, verdict: { outcome, discarded: { winner: 'central', rule } } };
}
