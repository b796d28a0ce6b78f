/** What entries of one row took off its delta columns. */
import { describe, expect, it } from 'vitest';
import { insertedWith, sumsOf } from '../../../../services/terminal-agent/up/entries.ts';
import { AMOUNT, entriesOf } from './sample-entries.ts';

interface Case {
  readonly of: string;
  readonly entries: readonly string[];
  readonly sum: string | undefined;
}

const CASES: readonly Case[] = [
  { of: 'updates', entries: ['u 1=50>47', 'u 1=47>45'], sum: '-5' },
  { of: 'an update of other columns', entries: ['u 1'], sum: undefined },
  { of: 'a key that changes, and its amount', entries: ['k 2<1=50>49'], sum: '-1' },
  { of: 'NULL, which counts as nothing', entries: ['u 1=>5', 'u 1=5>'], sum: '0' },
  { of: 'an insert, which is in its row', entries: ['c 1=>50'], sum: undefined },
  { of: 'sales after an insert', entries: ['c 1=>50', 'u 1=50>48'], sum: '-2' },
  { of: 'sales before a delete', entries: ['u 1=50>48', 'd 1=48>'], sum: '-2' },
  { of: 'a REPLACE', entries: ['b 1<1=50>', 'c 1=>48'], sum: '-2' },
  { of: 'a REPLACE with recursive_triggers', entries: ['b 1<1=50>', 'd 1=50>', 'c 1=>48'], sum: '-2' },
  { of: 'a REPLACE by another unique value, of the same row', entries: ['e 1<2=50>', 'c 2=>48'], sum: '-2' },
  { of: 'a DELETE and an INSERT of the same row', entries: ['d 1=50>', 'c 1=>48'], sum: '-2' },
  { of: 'an INSERT that was ignored', entries: ['b 1<1=50>'], sum: undefined },
  { of: 'a sale after it', entries: ['b 1<1=50>', 'u 1=50>49'], sum: '-1' },
  {
    of: 'a REPLACE after it',
    entries: ['b 1<1=50>', 'u 1=50>49', 'b 1<1=49>', 'c 1=>45'],
    sum: '-5',
  },
  // The app's BEFORE trigger adds one to the row that is to go.
  { of: 'a trigger before a REPLACE', entries: ['b 1<1=50>', 'u 1=50>51', 'c 1=>48'], sum: '-2' },
  // The app's AFTER trigger fires first, and takes one off the row that came with 48.
  { of: 'a trigger after a REPLACE', entries: ['b 1<1=50>', 'u 1=48>47', 'c 1=>47'], sum: '-3' },
  { of: 'the same where both held as much', entries: ['b 1<1=50>', 'u 1=50>49', 'c 1=>49'], sum: '-1' },
  {
    of: 'a trigger with recursive_triggers',
    entries: ['b 1<1=50>', 'd 1=50>', 'u 1=48>47', 'c 1=>47'],
    sum: '-3',
  },
  { of: 'a row that comes again after such a one', entries: ['e 1<2', 'c 2=>48'], sum: undefined },
  { of: 'a threat that says nothing of amounts', entries: ['e 1<2', 'u 1=50>49'], sum: '-1' },
];

describe('amounts of delta columns', () => {
  it.each(CASES)('are counted once: $of', ({ entries, sum }) => {
    expect(sumsOf(entriesOf(entries)).get(AMOUNT)).toBe(sum);
  });

  it('are those of the entries that count, read with all others', () => {
    const entries = entriesOf(['c 1=>50', 'u 1=50>48', 'b 1<1=48>', 'c 1=>45', 'u 1=45>44']);
    const of = (ids: readonly string[]) => sumsOf(entries, ({ id }) => ids.includes(id)).get(AMOUNT) ?? '0';
    expect([of(['e1', 'e2']), of(['e3', 'e4']), of(['e5'])]).toEqual(['-2', '-3', '-1']);
    expect(sumsOf(entries).get(AMOUNT)).toBe('-6');
  });

  it.each([
    [['c 1=>50', 'u 1=50>48'], '50'],
    [['c 1=>', 'u 1=>48'], '0'],
    [['c 1'], undefined],
    [['u 1=50>48'], undefined],
    [['r 1'], undefined],
  ])('say what a row was inserted with: %j', (entries, amount) => {
    expect(insertedWith(entriesOf(entries))?.get(AMOUNT)).toBe(amount);
  });
});
