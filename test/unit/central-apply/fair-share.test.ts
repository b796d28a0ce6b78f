import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fairShare } from '../../../services/central-apply/fair-share.ts';

const PARTITIONS = Array.from({ length: 16 }, (_, index) => index);

/** Every process has its turn, and gets what it asks for unless somebody holds it. @returns whether any moved */
function round(holders: Map<number, number[]>): boolean {
  let moved = false;
  for (const [self, read] of holders) {
    const held = new Set([...holders.values()].flat());
    const view = { partitions: PARTITIONS, members: [...holders.keys()], self, read, held };
    const { give, take } = fairShare(view);
    holders.set(self, [...read.filter((partition) => !give.includes(partition)), ...take]);
    moved ||= give.length + take.length > 0;
  }
  return moved;
}

function settle(holders: Map<number, number[]>): number {
  let rounds = 0;
  while (round(holders)) rounds += 1;
  return rounds;
}

test('one process reads all, several an equal share, and more than there are partitions stand by', () => {
  for (const [processes, shares] of [
    [1, [16]],
    [3, [5, 5, 6]],
    [17, [0, ...PARTITIONS.map(() => 1)]],
  ] as const) {
    const holders = new Map(Array.from({ length: processes }, (_, index) => [index, [] as number[]]));
    settle(holders);
    expect([...holders.values()].map(({ length }) => length).sort()).toEqual([...shares].sort());
  }
});

test('whoever comes and goes, in a few turns all are read by one each, and then none moves any more', () => {
  const event = fc.record({ process: fc.integer({ min: 1, max: 9 }), comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const holders = new Map<number, number[]>([[100, []]]);
      for (const { process, comes } of events) {
        if (!comes) holders.delete(process);
        else if (!holders.has(process)) holders.set(process, []);
        expect(settle(holders)).toBeLessThanOrEqual(3);
        const shares = [...holders.values()];
        expect(shares.flat().sort((a, b) => a - b)).toEqual(PARTITIONS);
        const sizes = shares.map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
    }),
  );
});
