import { describe, expect, it } from 'vitest';
import { Acker } from '../../../../services/central-capture/wal/acker.ts';
import type { Lsn } from '../../../../services/shared/records/position.ts';

const lsn = (value: number) => BigInt(value) as Lsn;

type Step =
  | ['written', stream: string, records: number]
  | ['commit', endLsn: number]
  | ['durable', stream: string, records: number]
  | ['oblige', name: string]
  | ['done', name: string];

interface Case {
  readonly rule: string;
  /** Each step with what may be acknowledged after it. */
  readonly steps: readonly (readonly [Step, ack: number])[];
}

const CASES: readonly Case[] = [
  {
    rule: 'a commit is durable before it is acknowledged, and its end is what is said',
    steps: [
      [['written', 'catalog', 2], 0],
      [['commit', 100], 0],
      [['durable', 'catalog', 1], 0],
      [['durable', 'catalog', 1], 100],
    ],
  },
  {
    rule: 'every stream that the transaction wrote counts',
    steps: [
      [['written', 'catalog', 1], 0],
      [['written', 'store', 1], 0],
      [['commit', 100], 0],
      [['durable', 'store', 1], 0],
      [['durable', 'catalog', 1], 100],
    ],
  },
  {
    rule: 'a later transaction that is durable first waits for the earlier one',
    steps: [
      [['written', 'catalog', 1], 0],
      [['commit', 100], 0],
      [['written', 'store', 1], 0],
      [['commit', 200], 0],
      [['durable', 'store', 1], 0],
      [['durable', 'catalog', 1], 200],
    ],
  },
  {
    rule: 'records of an unfinished transaction that are durable early acknowledge nothing',
    steps: [
      [['written', 'catalog', 3], 0],
      [['durable', 'catalog', 3], 0],
      [['commit', 100], 100],
    ],
  },
  {
    rule: 'a transaction that led to no record is acknowledged with the next one that did',
    steps: [
      [['written', 'catalog', 1], 0],
      [['commit', 100], 0],
      [['commit', 200], 0],
      [['durable', 'catalog', 1], 100],
      [['commit', 300], 100],
      [['written', 'catalog', 1], 100],
      [['commit', 400], 100],
      [['durable', 'catalog', 1], 400],
    ],
  },
  {
    rule: 'work that a transaction obliges holds back its acknowledgement and every later one',
    steps: [
      [['written', 'catalog', 4], 0],
      [['durable', 'catalog', 4], 0],
      [['commit', 100], 100],
      [['written', 'store', 1], 100],
      [['durable', 'store', 1], 100],
      [['oblige', 'children'], 100],
      [['commit', 200], 100],
      [['written', 'catalog', 1], 100],
      [['commit', 300], 100],
      [['durable', 'catalog', 1], 100],
      [['done', 'children'], 300],
    ],
  },
  {
    rule: 'of two obligations the older one counts',
    steps: [
      [['durable', 'catalog', 2], 0],
      [['oblige', 'a'], 0],
      [['written', 'catalog', 1], 0],
      [['commit', 100], 0],
      [['oblige', 'b'], 0],
      [['oblige', 'c'], 0],
      [['written', 'catalog', 1], 0],
      [['commit', 200], 0],
      [['done', 'b'], 0],
      [['done', 'a'], 100],
      [['done', 'a'], 100],
      [['done', 'c'], 200],
    ],
  },
];

describe('acknowledgement', () => {
  it.each(CASES)('$rule', ({ steps }) => {
    const acker = new Acker();
    const obligations = new Map<string, () => void>();
    const take = (step: Step): void => {
      switch (step[0]) {
        case 'written':
          return acker.written(step[1], step[2]);
        case 'commit':
          return acker.commit(lsn(step[1]));
        case 'durable':
          return acker.durable(step[1], step[2]);
        case 'oblige':
          return void obligations.set(step[1], acker.oblige());
        case 'done':
          return obligations.get(step[1])?.();
      }
    };
    for (const [step, ack] of steps) {
      take(step);
      expect([step, acker.ackLsn]).toEqual([step, lsn(ack)]);
    }
  });

  it('knows what is durable although an obligation keeps it from being acknowledged', () => {
    const acker = new Acker();
    acker.oblige();
    acker.commit(lsn(100));
    expect([acker.durableLsn, acker.ackLsn]).toEqual([lsn(100), lsn(0)]);
  });

  it('stays exact over a million transactions without keeping them', () => {
    const acker = new Acker();
    for (let number = 1; number <= 1_000_000; number += 1) {
      acker.written('catalog', 1);
      acker.commit(lsn(number));
      if (number % 7 === 0) acker.durable('catalog', 7);
    }
    expect(acker.ackLsn).toBe(lsn(999_999));
  });
});
