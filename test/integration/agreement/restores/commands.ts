/** What can happen to the files of a till, as plain data. */
import fc from 'fast-check';
import type { Way, What } from './machine.ts';

interface On {
  /** Of the machines that there are. */
  readonly at: number;
  readonly pick: number;
}

export type Word =
  | 'sell'
  | 'write a note'
  | 'cut'
  | 'publish'
  | 'publish again'
  | 'look through'
  | 'restart'
  | 'keep'
  | 'clone'
  | 'lose the agent file';

export type RestoreCommand = On &
  (
    | { readonly does: Word }
    | { readonly does: 'read'; readonly stream: 'catalog' | 'store'; readonly records: number }
    | { readonly does: 'apply'; readonly records: number }
    | { readonly does: 'die'; readonly commits: number }
    | {
        readonly does: 'restore' | 'take turns';
        readonly way: Way;
        readonly what: What;
        /** Before the agent looks. */
        readonly sells: number;
      }
  );

const on = { at: fc.nat(2), pick: fc.nat(999) };
const plain = (...does: readonly Word[]) => fc.record({ ...on, does: fc.constantFrom(...does) });
const ways = fc.constantFrom<Way>(
  'by a backup while the agent runs',
  'by a rename while the agent runs',
  'while the agent is away',
);
const records = fc.integer({ min: 1, max: 12 });
const restore = (...what: readonly What[]) =>
  fc.record({
    ...on,
    does: fc.constantFrom('restore', 'take turns'),
    way: ways,
    what: fc.constantFrom(...what),
    sells: fc.nat(2),
  } as const);

const stream = fc.constantFrom('catalog', 'store');
const ordinary = [
  { weight: 8, arbitrary: plain('sell', 'sell', 'sell', 'write a note') },
  { weight: 8, arbitrary: plain('cut', 'publish') },
  { weight: 2, arbitrary: plain('publish again', 'look through', 'restart') },
  { weight: 6, arbitrary: fc.record({ ...on, does: fc.constant('read'), stream, records } as const) },
  { weight: 4, arbitrary: fc.record({ ...on, does: fc.constant('apply'), records } as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...on,
      does: fc.constant('die'),
      commits: fc.integer({ min: 1, max: 8 }),
    } as const),
  },
  { weight: 3, arbitrary: plain('keep') },
];

/** One machine, whose agent file stays. */
export const oneFile: fc.Arbitrary<RestoreCommand[]> = fc.array(
  fc.oneof(...ordinary, { weight: 5, arbitrary: restore('payflow.db') }),
  { minLength: 20, maxLength: 70, size: 'max' },
);

/** Anything. */
export const anyFiles: fc.Arbitrary<RestoreCommand[]> = fc.array(
  fc.oneof(
    ...ordinary,
    { weight: 5, arbitrary: restore('payflow.db', 'both files', 'payflow.db, and the agent file is lost') },
    { weight: 1, arbitrary: plain('lose the agent file', 'clone') },
  ),
  { minLength: 20, maxLength: 70, size: 'max' },
);
