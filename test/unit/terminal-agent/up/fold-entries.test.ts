/** Which row each entry is of: every sequence that triggers are known to write. */
import { describe, expect, it } from 'vitest';
import {
  foldEntries,
  joinReturned,
  type TouchedRow,
} from '../../../../services/terminal-agent/up/fold-entries.ts';
import { entriesOf } from './sample-entries.ts';

interface Case {
  readonly of: string;
  readonly entries: readonly string[];
  /** Key and identity of rows that are kept. */
  readonly kept?: Readonly<Record<string, string>>;
  /** `identity at key: seqs`, with what is said of it. */
  readonly rows: readonly string[];
}

const A = { '1': 'A' };
const AB = { '1': 'A', '2': 'B' };

const CASES: readonly Case[] = [
  { of: 'c', entries: ['c 1'], rows: ['e1 at 1: 1 new'] },
  { of: 'c u', entries: ['c 1', 'u 1'], rows: ['e1 at 1: 1,2 new'] },
  { of: 'u', entries: ['u 1'], kept: A, rows: ['A at 1: 1'] },
  { of: 'd', entries: ['d 1'], kept: A, rows: ['A gone: 1'] },
  { of: 'c d', entries: ['c 1', 'd 1'], rows: ['e1 gone: 1,2 new'] },
  { of: 'd c', entries: ['d 1', 'c 1'], kept: A, rows: ['A gone: 1', 'e2 at 1: 2 new after A'] },
  { of: 'b c', entries: ['b 1<1', 'c 1'], kept: A, rows: ['A at 1: 1,2'] },
  { of: 'b c of a row that is new itself', entries: ['c 1', 'b 1<1', 'c 1'], rows: ['e1 at 1: 1,2,3 new'] },
  { of: 'b d c', entries: ['b 1<1', 'd 1', 'c 1'], kept: A, rows: ['A at 1: 1,2,3'] },
  {
    of: 'b d c with cascades',
    entries: ['b 1<1', 'd 2', 'd 1', 'c 1'],
    kept: AB,
    rows: ['A at 1: 1,3,4', 'B gone: 2'],
  },
  {
    of: 'b c with what triggers write between',
    entries: ['b 1<1', 'u 2', 'c 1'],
    kept: AB,
    rows: ['A at 1: 1,3', 'B at 2: 2'],
  },
  { of: 'b u c, the row itself', entries: ['b 1<1', 'u 1', 'c 1'], kept: A, rows: ['A at 1: 1,2,3'] },
  {
    of: 'b d u c, the row itself',
    entries: ['b 1<1', 'd 1', 'u 1', 'c 1'],
    kept: A,
    rows: ['A at 1: 1,2,3,4'],
  },
  {
    of: 'b … d c',
    entries: ['b 1<1', 'u 2', 'd 1', 'c 1'],
    kept: AB,
    rows: ['A gone: 1,3', 'B at 2: 2', 'e4 at 1: 4 new after A'],
  },
  { of: 'b c in other letters', entries: ['b ab<AB', 'c AB'], kept: { ab: 'A' }, rows: ['A at AB: 1,2'] },
  { of: 'b c of another key', entries: ['b 1<1', 'c 2'], kept: A, rows: ['A at 1: 1', 'e2 at 2: 2 new'] },
  {
    of: 'b, then k, and the key is taken again',
    entries: ['b 1<1', 'k 3<1', 'c 1'],
    kept: A,
    rows: ['A at 3: 1,2', 'e3 at 1: 3 new'],
  },
  {
    of: 'b c, and c where that row lives',
    entries: ['b 1<1', 'c 1', 'c 1'],
    kept: A,
    rows: ['A ousted by 3: 1,2', 'e3 at 1: 3 new'],
  },
  { of: 'b d k, the row itself', entries: ['b 1<1', 'd 1', 'k 2<1'], kept: A, rows: ['A at 2: 1,2,3'] },
  { of: 'b u', entries: ['b 1<1', 'u 1'], kept: A, rows: ['A at 1: 1,2'] },
  { of: 'b', entries: ['b 1<1'], kept: A, rows: ['A at 1: 1'] },
  { of: 'e c', entries: ['e 1<2', 'c 2'], kept: A, rows: ['A at 1: 1', 'e2 at 2: 2 new'] },
  {
    of: 'e c, and the key is taken again',
    entries: ['e 1<2', 'c 2', 'c 1'],
    kept: A,
    rows: ['A ousted by 3: 1', 'e2 at 2: 2 new', 'e3 at 1: 3 new'],
  },
  {
    of: 'b, then e c, and the key is taken again',
    entries: ['b 1<1', 'e 1<2', 'c 2', 'c 1'],
    kept: A,
    rows: ['A ousted by 4: 1,2', 'e3 at 2: 3 new', 'e4 at 1: 4 new'],
  },
  {
    of: 'the same with a key that SQLite gives',
    entries: ['b 1<1', 'e 1<n-1', 'c 2', 'c 1'],
    kept: A,
    rows: ['A ousted by 4: 1,2', 'e3 at 2: 3 new', 'e4 at 1: 4 new'],
  },
  { of: 'e u', entries: ['e 1<2', 'u 2'], kept: AB, rows: ['A at 1: 1', 'B at 2: 2'] },
  { of: 'e d u', entries: ['e 1<2', 'd 1', 'u 2'], kept: AB, rows: ['A gone: 1,2', 'B at 2: 3'] },
  { of: 'k', entries: ['k 2<1'], kept: A, rows: ['A at 2: 1'] },
  {
    of: 'k, and the key is taken again',
    entries: ['k 2<1', 'c 1'],
    kept: A,
    rows: ['A at 2: 1', 'e2 at 1: 2 new'],
  },
  { of: 'k there and back', entries: ['k 2<1', 'k 1<2'], kept: A, rows: ['A at 1: 1,2'] },
  {
    of: 'k k, places changed',
    entries: ['k 3<1', 'k 1<2', 'k 2<3'],
    kept: AB,
    rows: ['A at 2: 1,3', 'B at 1: 2'],
  },
  { of: 'e k', entries: ['e 1<1', 'k 1<2'], kept: AB, rows: ['A ousted by 2: 1', 'B at 1: 2'] },
  { of: 'c where a row lives', entries: ['c 1'], kept: A, rows: ['A ousted by 1:', 'e1 at 1: 1 new'] },
  { of: 'k where a row lives', entries: ['k 1<2'], kept: AB, rows: ['B at 1: 1', 'A ousted by 1:'] },
  { of: 'u of no row', entries: ['u 1'], rows: ['e1 at 1: 1 new earlier'] },
  { of: 'd of no row', entries: ['d 1'], rows: ['e1 gone: 1 new earlier'] },
  { of: 'k of no row', entries: ['k 2<1'], rows: ['e1 at 2: 1 new earlier'] },
  { of: 'r', entries: ['r 1'], rows: ['e1 at 1: 1 new earlier'] },
  {
    of: 'u c, a trigger that fires first',
    entries: ['u 1', 'c 1'],
    rows: ['e1 ousted by 2: 1 new earlier', 'e2 at 1: 2 new'],
  },
  { of: 'k from no key', entries: ['k 1<null'], rows: ['e1 at 1: 1 new'] },
  { of: 'k to no key', entries: ['k null<1'], kept: A, rows: ['A gone: 1'] },
  { of: 'c u d k of no key', entries: ['c null', 'u null', 'd null', 'k null<null'], rows: [] },
];

function text({ identity, key, entries, ousted, isNew, isEarlier, follows }: TouchedRow): string {
  const where = key !== null ? `at ${key}` : ousted === null ? 'gone' : `ousted by ${ousted.seq}`;
  const said = [isNew ? 'new' : '', isEarlier ? 'earlier' : '', follows === null ? '' : `after ${follows}`];
  const seqs = entries.map(({ seq }) => seq).join(',');
  return [`${identity} ${where}:`, seqs, ...said].filter((part) => part !== '').join(' ');
}

describe('entries of one table', () => {
  it.each(CASES)('belong to the row they are of: $of', ({ entries, kept, rows }) => {
    const folded = foldEntries(entriesOf(entries), (key) => kept?.[key]);
    expect(folded.map(text)).toEqual(rows);
  });
});

describe('a rebuilt table', () => {
  const kept = (key: string) => (key === '1' ? 'A' : undefined);
  const folded = (entries: readonly string[], rebuiltAfter: number) =>
    foldEntries(entriesOf(entries), kept, { rebuiltAfter }).map(text);

  it('is filled with the rows that it had, and gives them back the keys that they had', () => {
    expect(folded(['c 1', 'u 1'], 0)).toEqual(['A at 1: 1,2']);
    expect(folded(['u 5', 'k 1<5', 'u 1'], 0)).toEqual(['A at 1: 1,2,3']);
  });

  it('takes another row where the insert says so', () => {
    const isAnother = (identity: string) => identity === 'A';
    const rows = foldEntries(entriesOf(['c 1', 'c 1']), kept, { rebuiltAfter: 0, isAnother });
    expect(rows.map(text)).toEqual(['A ousted by 1:', 'e1 at 1: 1,2 new']);
  });

  it('may take any other row until then', () => {
    expect(folded(['c 1'], 1)).toEqual(['A ousted by 1:', 'e1 at 1: 1 new']);
  });
});

describe('a row that comes again under a name of its own', () => {
  const join = (
    entries: readonly string[],
    names: Readonly<Record<string, string>>,
    here: readonly string[],
    cutUpTo = 0,
  ) =>
    joinReturned(
      foldEntries(entriesOf(entries), (key) => (key === '1' ? 'A' : undefined)),
      {
        nameOf: ({ identity }) => names[identity],
        isHere: ({ key }) => key !== null && here.includes(key),
        cutUpTo,
      },
    ).map(text);

  it.each([
    {
      of: 'under its key',
      entries: ['d 1', 'c 1'],
      names: { A: 'x', e2: 'x' },
      here: ['1'],
      rows: ['A at 1: 1,2'],
    },
    {
      of: 'under another key',
      entries: ['d 1', 'c 2'],
      names: { A: 'x', e2: 'x' },
      here: ['2'],
      rows: ['A at 2: 1,2'],
    },
    {
      of: 'put in the place of itself',
      entries: ['e 1<2', 'c 2'],
      names: { A: 'x', e2: 'x' },
      here: ['2'],
      rows: ['A at 2: 1,2'],
    },
    {
      of: 'kept before its insert was cut',
      entries: ['c 1', 'u 1'],
      names: { A: 'x', e1: 'x' },
      here: ['1'],
      rows: ['A at 1: 1,2'],
    },
    {
      of: 'more than once',
      entries: ['d 1', 'c 2', 'd 2', 'c 3'],
      names: { A: 'x', e2: 'x', e4: 'x' },
      here: ['3'],
      rows: ['A at 3: 1,2,3,4'],
    },
  ])('is that row: $of', ({ entries, names, here, rows }) => {
    expect(join(entries, names, here)).toEqual(rows);
  });

  it.each([
    { of: 'another name', entries: ['d 1', 'c 1'], names: { A: 'x', e2: 'y' }, here: ['1'] },
    { of: 'one that was there before', entries: ['d 1', 'u 2'], names: { A: 'x', e2: 'x' }, here: ['2'] },
    { of: 'no name', entries: ['d 1', 'c 1'], names: {}, here: ['1'] },
    {
      of: 'a copy of one that is still here',
      entries: ['u 1', 'c 2'],
      names: { A: 'x', e2: 'x' },
      here: ['1', '2'],
    },
    {
      of: 'a copy of one that goes later',
      entries: ['u 1', 'c 2', 'd 1'],
      names: { A: 'x', e2: 'x' },
      here: ['2'],
    },
    {
      of: 'its end has gone up',
      entries: ['d 1', 'c 1'],
      names: { A: 'x', e2: 'x' },
      here: ['1'],
      cutUpTo: 1,
    },
  ])('is another: $of', ({ entries, names, here, cutUpTo }) => {
    expect(join(entries, names, here, cutUpTo)).toHaveLength(2);
  });
});
