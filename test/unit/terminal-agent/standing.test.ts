import { describe, expect, it } from 'vitest';
import { progressDoubt } from '../../../services/terminal-agent/settlement.ts';
import { nextStep, type StandingFacts } from '../../../services/terminal-agent/standing.ts';
import { positionAt } from '../../support/down-stream.ts';

const OK = { kind: 'ok' } as const;
const FENCED = { kind: 'fenced', why: 'a copy was seen' } as const;
const RETIRED = { kind: 'retired', why: 'out of service' } as const;
const waiting = { why: 'lost', predecessor: 'before' };
const facts = (more: Partial<StandingFacts>): StandingFacts => ({
  incarnation: 'mine',
  waiting: null,
  doubt: null,
  progress: null,
  isRead: true,
  ...more,
});

describe('what a file does next', () => {
  it.each([
    ['nothing is known', facts({}), { kind: 'stand', standing: OK }],
    [
      'it is the current one',
      facts({ progress: { incarnation: 'mine', standing: OK } }),
      { kind: 'stand', standing: OK },
    ],
    [
      'the till is fenced',
      facts({ progress: { incarnation: 'mine', standing: FENCED } }),
      { kind: 'renounce', why: FENCED.why },
    ],
    [
      'the till is fenced under another name',
      facts({ progress: { incarnation: 'x', standing: FENCED } }),
      { kind: 'renounce', why: FENCED.why },
    ],
    [
      'another one goes on',
      facts({ progress: { incarnation: 'x', standing: OK } }),
      { kind: 'renounce', why: 'another file of this till goes on, as x' },
    ],
    ['the file is in doubt', facts({ doubt: 'old' }), { kind: 'renounce', why: 'old' }],
    ['it waits', facts({ waiting }), { kind: 'stand', standing: { kind: 'announced', why: 'lost' } }],
    [
      'it waits and the one before it is in order',
      facts({ waiting, progress: { incarnation: 'before', standing: OK } }),
      { kind: 'stand', standing: { kind: 'announced', why: 'lost' } },
    ],
    [
      'it waits and the till is fenced',
      facts({ waiting, progress: { incarnation: 'mine', standing: FENCED } }),
      { kind: 'stand', standing: { kind: 'fenced', why: 'lost' } },
    ],
    [
      'it waits and another one goes on',
      facts({ waiting, progress: { incarnation: 'x', standing: OK } }),
      { kind: 'stand', standing: { kind: 'fenced', why: 'lost' } },
    ],
    [
      'it waits and its name goes on',
      facts({ waiting, progress: { incarnation: 'mine', standing: OK } }),
      { kind: 'go on' },
    ],
    [
      'it waits, its name goes on, and what the centre has answered is not read yet',
      facts({ waiting, progress: { incarnation: 'mine', standing: OK }, isRead: false }),
      { kind: 'stand', standing: { kind: 'announced', why: 'lost' } },
    ],
    [
      'the till is retired, whatever else',
      facts({ waiting, doubt: 'old', progress: { incarnation: 'x', standing: RETIRED } }),
      { kind: 'stand', standing: RETIRED },
    ],
  ] as const)('%s', (_, given, step) => {
    expect(nextStep(given)).toEqual(step);
  });
});

describe('what the centre counts', () => {
  const own = { lastNumber: 3, hashOf: (number: number) => (number === 1 ? undefined : `h${number}`) };
  const progress = (lastUnit: number, chainHash: string | null, incarnation = 'mine') => ({
    incarnation,
    lastUnit,
    chainHash,
    lastSeq: lastUnit,
    exceptions: [],
    catalog: positionAt(1),
    standing: OK,
    at: positionAt(1),
  });
  it.each([
    ['its own last unit', progress(3, 'h3'), null],
    ['one whose hash is no longer kept', progress(1, 'h1'), null],
    ['nothing yet', progress(0, '00'), null],
    ['what a centre of the version before says', progress(9, null), null],
    ['another incarnation’s', progress(9, 'x', 'other'), null],
    ['a copy’s unit under its number', progress(2, 'x'), 'another unit 2'],
    ['more than it ever made', progress(4, 'h4'), 'never made'],
  ])('%s', (_, given, doubt) => {
    const found = progressDoubt(given, { incarnation: 'mine' }, own);
    if (doubt === null) expect(found).toBeNull();
    else expect(found).toContain(doubt);
  });
});
