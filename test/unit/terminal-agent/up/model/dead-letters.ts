/** Inserts that the centre has not taken, and what it holds of their rows. */
import type { Cut } from '../../../../../services/terminal-agent/up/row-state.ts';
import type { Change } from './records.ts';

export type Insert = Change & { readonly cut: Cut & { op: 'c' } };

export interface Held {
  readonly incarnation: string;
  readonly change: Change;
}

export interface DeadLetter {
  readonly till: string;
  readonly incarnation: string;
  readonly insert: Insert;
  readonly held: Held[];
  /** Entries of what was held and is in the insert: in each that its till offers later, too. */
  readonly covered: readonly string[];
}

/**
 * Whether an insert that is offered again holds what was held before. One of the same incarnation was cut from a file
 * that had it; another may come from a restored file, which has what its entries say.
 */
export function isCovered(
  held: Held,
  by: { readonly incarnation: string; readonly insert: Insert },
): 'all' | 'part' | 'none' {
  const { entries } = held.change;
  const covered = entries.filter((entry) => by.insert.entries.includes(entry)).length;
  if (held.incarnation === by.incarnation && held.change.number < by.insert.number) return 'all';
  if (covered === 0) return 'none';
  return covered === entries.length ? 'all' : 'part';
}
