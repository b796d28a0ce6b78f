/** Plays in which sales were once lost, doubled or left to an operator; `what` says by which fault. */
import type { RestoreCommand, Word } from './commands.ts';
import type { What } from './machine.ts';

export interface FoundPlay {
  readonly what: string;
  readonly mostDecided: number;
  readonly list: readonly RestoreCommand[];
}

const on = { at: 0, pick: 0 };
const does = (...words: readonly Word[]) => words.map((word) => ({ ...on, does: word }));
const apply = { ...on, does: 'apply', records: 100 } as const;
const read = (stream: 'catalog' | 'store') => ({ ...on, does: 'read', stream, records: 100 }) as const;
const put = (what: What, { sells = 0, isSwap = false } = {}) =>
  ({ ...on, does: isSwap ? 'take turns' : 'restore', way: 'while the agent is away', what, sells }) as const;

export const FOUND: readonly FoundPlay[] = [
  {
    what: 'rows without a UUID of their own, not cut when the file was kept, stood there twice',
    mostDecided: 0,
    list: [...does('sell', 'keep', 'cut', 'sell', 'cut'), put('payflow.db', { sells: 1 })],
  },
  {
    what: 'a file came back that knew nothing of the name that another one had got meanwhile: what was settled in it was counted off',
    mostDecided: 0,
    list: [
      ...does('sell', 'keep', 'cut', 'publish'),
      apply,
      ...does('sell'),
      read('catalog'),
      ...does('cut', 'sell', 'cut'),
      put('payflow.db', { sells: 1, isSwap: true }),
      read('store'),
      ...does('publish'),
      put('payflow.db', { sells: 1 }),
    ],
  },
  {
    what: 'two files that announced themselves in one batch: the second was forgotten',
    mostDecided: 1,
    list: [
      ...does('sell', 'cut', 'publish', 'keep', 'lose the agent file', 'publish'),
      put('payflow.db, and the agent file is lost', { isSwap: true }),
    ],
  },
  {
    what: 'units went up behind the announcement of a file that came back before it was heard',
    mostDecided: 0,
    list: [
      ...does('sell', 'keep', 'cut', 'sell', 'cut'),
      put('payflow.db', { isSwap: true }),
      read('store'),
      put('payflow.db', { isSwap: true }),
      read('store'),
      ...does('publish'),
      put('payflow.db', { isSwap: true }),
      read('store'),
      ...does('publish'),
    ],
  },
];
