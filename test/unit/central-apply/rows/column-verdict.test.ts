import { describe, expect, test } from 'vitest';
import {
  columnVerdict,
  type ColumnFacts,
  type Saw,
} from '../../../../services/central-apply/rows/column-verdict.ts';

type Case = [saw: Saw, doubt: boolean, policy: ColumnFacts['policy'], later: string, earlier: string];

/** What becomes of it where the till's clock is the later, and where it is the earlier of the two. */
const CASES: readonly Case[] = [
  ['standing', false, 'last-writer-wins', 'written', 'written'],
  ['standing', false, 'central-wins', 'written', 'written'],
  ['standing', false, 'terminal-wins', 'written', 'written'],
  ['standing', false, 'append-only', 'given up', 'given up'],
  ['standing', true, 'last-writer-wins', 'won', 'given up'],
  ['standing', true, 'central-wins', 'won', 'given up'],
  ['standing', true, 'terminal-wins', 'won', 'won'],
  ['standing', true, 'append-only', 'given up', 'given up'],
  ['another', false, 'last-writer-wins', 'won', 'given up'],
  ['another', false, 'central-wins', 'given up', 'given up'],
  ['another', false, 'terminal-wins', 'won', 'won'],
  ['another', false, 'append-only', 'given up', 'given up'],
  ['unknown', false, 'last-writer-wins', 'written', 'given up'],
  ['unknown', false, 'central-wins', 'given up', 'given up'],
  ['unknown', false, 'terminal-wins', 'written', 'written'],
  ['unknown', false, 'append-only', 'given up', 'given up'],
  ['nothing', false, 'last-writer-wins', 'written', 'given up'],
  ['nothing', false, 'central-wins', 'written', 'written'],
  ['nothing', false, 'terminal-wins', 'written', 'written'],
  ['nothing', false, 'append-only', 'given up', 'given up'],
];

function decided(facts: Partial<ColumnFacts>): string {
  const { written, conflict } = columnVerdict({
    policy: 'last-writer-wins',
    isPushed: false,
    isThere: false,
    saw: 'another',
    isDoubtful: false,
    isOwn: false,
    wins: true,
    ...facts,
  });
  if (conflict === null) return written ? 'written' : 'there';
  expect(conflict.winner).toBe(written ? 'terminal' : 'central');
  if (conflict.rule === 'push-only') return 'put back';
  expect(conflict.rule).toBe(facts.policy ?? 'last-writer-wins');
  return written ? 'won' : 'given up';
}

test.each(CASES)('the till saw %s, in doubt: %s, %s: later %s, earlier %s', (...row) => {
  const [saw, isDoubtful, policy, later, earlier] = row;
  expect(decided({ saw, isDoubtful, policy, wins: true })).toBe(later);
  expect(decided({ saw, isDoubtful, policy, wins: false })).toBe(earlier);
});

describe('before any of that', () => {
  const every = CASES.flatMap(([saw, isDoubtful, policy]) =>
    [true, false].map((wins) => ({ saw, isDoubtful, policy, wins })),
  );

  test('what stands there already is no conflict, also in a column that only head office changes', () => {
    for (const facts of every) {
      expect(decided({ ...facts, isThere: true })).toBe('there');
      expect(decided({ ...facts, isThere: true, isPushed: true })).toBe('there');
    }
  });

  test('another value in a column that only head office changes is put back', () => {
    for (const facts of every) expect(decided({ ...facts, isPushed: true, isOwn: true })).toBe('put back');
  });

  test('a till never loses against its own last write, but where a row stays as it was made', () => {
    for (const facts of every) {
      const wanted = facts.policy === 'append-only' ? 'given up' : 'written';
      expect(decided({ ...facts, isOwn: true })).toBe(wanted);
    }
  });
});
