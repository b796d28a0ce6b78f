import { describe, expect, it } from 'vitest';
import {
  judgeTails,
  ResendWatch,
  type StreamTail,
} from '../../../../services/central-capture/streams/tail-check.ts';
import { NUMBERING, type Lsn } from '../../../../services/shared/records/position.ts';

const lsn = (value: number) => BigInt(value) as Lsn;

interface TailSpec {
  readonly at: number;
  readonly epoch?: number;
  /** undefined: it breaks off; null: an earlier version's. */
  readonly end?: number | null | undefined;
  readonly timeUs?: bigint;
}

const tail = (topic: string, { at, epoch = 2, end, timeUs = 7n }: TailSpec): StreamTail => ({
  topic,
  tail: {
    position: { epoch, lsn: lsn(at), seq: 1 },
    numbering: NUMBERING,
    isLast: end !== undefined,
    end: typeof end === 'number' ? { endLsn: lsn(end), commitTimeUs: timeUs } : undefined,
    standing: [],
  },
});
const facts = (confirmed: number) => ({ epoch: 2, walEnd: lsn(1000), confirmed: lsn(confirmed) });

describe('where the streams end', () => {
  it.each<[what: string, tails: TailSpec[], confirmed: number, state: string, expected: number[]]>([
    ['a beginning', [], 500, 'beginning', []],
    ['of an earlier epoch only', [{ at: 400, epoch: 1, end: 410 }], 500, 'beginning', []],
    ['all confirmed', [{ at: 400, end: 410 }], 410, 'as left', []],
    [
      'one behind, as streams are',
      [
        { at: 100, end: 110 },
        { at: 400, end: 410 },
      ],
      410,
      'as left',
      [],
    ],
    [
      'not confirmed yet',
      [
        { at: 400, end: 410 },
        { at: 100, end: 110 },
      ],
      110,
      'as left',
      [400],
    ],
    [
      'confirmed beyond every tail',
      [
        { at: 100, end: 110 },
        { at: 400, end: 410 },
      ],
      411,
      'lost',
      [],
    ],
    ['breaks off, not confirmed', [{ at: 400 }, { at: 100, end: 110 }], 110, 'as left', [400]],
    ['breaks off where it was confirmed', [{ at: 300 }, { at: 400, end: 410 }], 410, 'lost', []],
    ['an earlier version wrote them', [{ at: 400, end: null }], 700, 'adopted', []],
    [
      'an earlier version wrote the newest',
      [
        { at: 100, end: 110 },
        { at: 400, end: null },
      ],
      700,
      'adopted',
      [],
    ],
    [
      'an earlier version wrote one',
      [
        { at: 100, end: null },
        { at: 400, end: 410 },
      ],
      410,
      'as left',
      [],
    ],
  ])('%s', (_, tails, confirmed, state, expected) => {
    const all = tails.map((one, n) => tail(`t${n}`, one));
    const verdict = judgeTails(all, facts(confirmed));
    expect(verdict.state).toBe(state);
    expect(verdict.expected.map((one) => Number(one.tail.position.lsn))).toEqual(expected);
  });

  it.each([
    { at: 1001, end: 1010 },
    { at: 5, epoch: 3, end: 6 },
  ])('ahead of the database: %j', (one) => {
    expect(() => judgeTails([tail('t', one)], facts(1))).toThrow('ahead of the database');
  });
});

describe('what comes again', () => {
  const end = (value: number, commitTimeUs = 7n) => ({ endLsn: lsn(value), commitTimeUs });

  it('is the same commit, at its place and with its end', () => {
    const watch = new ResendWatch();
    watch.expect([
      tail('a', { at: 200, end: 210 }),
      tail('b', { at: 200, end: 210 }),
      tail('c', { at: 300 }),
    ]);
    for (const [at, to] of [
      [150, 160],
      [200, 210],
      [250, 260],
      [300, 330],
      [400, 410],
    ] as const) {
      expect(watch.committed(lsn(at), end(to))).toBeUndefined();
    }
  });

  it.each<[string, number, number, bigint]>([
    ['passes its place', 201, 210, 7n],
    ['has another end', 200, 211, 7n],
    ['is of another time', 200, 210, 8n],
  ])('is another history when a commit %s', (_, at, to, timeUs) => {
    const watch = new ResendWatch();
    watch.expect([tail('a', { at: 200, end: 210 })]);
    expect(watch.committed(lsn(at), end(to, timeUs))?.code).toBe('SLOT_LOST');
  });

  it.each<[string, TailSpec, boolean]>([
    ['has a tail', { at: 200, end: 210 }, true],
    ['is ahead', { at: 2000, end: 2010 }, true],
    ['is empty', { at: 0, epoch: 0, end: null }, false],
    ['is of an earlier epoch', { at: 200, epoch: 1, end: 210 }, false],
    ['was not noted by an earlier version', { at: 200, end: null }, false],
  ])('a stream that nobody knew and that %s', (_, spec, isOther) => {
    expect(new ResendWatch().late(tail('new', spec), facts(100)) !== undefined).toBe(isOther);
  });
});
