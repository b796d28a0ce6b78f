/** The centre keeps the parts of a unit until it has all of them, and no more of a till than it has room for. */
import { expect, it } from 'vitest';
import { FIRST_PREVIOUS_HASH } from '../../../../services/shared/records/unit-record.ts';
import { cutUnits } from '../../../../services/terminal-agent/up/cut-units.ts';
import type { CutChange } from '../../../../services/terminal-agent/up/unit-changes.ts';

/** Sales of an order with one line; `bytes` is what each of both holds. */
function sales(count: number, bytes: number): CutChange[] {
  return Array.from({ length: 2 * count }, (_, at): CutChange => {
    const seq = at + 1;
    const order = `orders\0${Math.floor(at / 2)}`;
    const isLine = at % 2 === 1;
    const own = isLine ? `items\0${at}` : order;
    const named = { table: isLine ? 'items' : 'orders', op: 'c' as const };
    return {
      change: {
        ...named,
        seq,
        entry: String(seq),
        capturedAtMs: 1,
        row: { identity: own, centralId: null },
        columns: [{ name: 'note', old: null, new: 'x'.repeat(bytes) }],
        references: [],
      },
      kept: {
        ...named,
        number: seq,
        handle: own,
        identity: own,
        rowEntry: null,
        rowKey: BigInt(seq),
        entries: [seq],
        atMs: 1,
        cutText: '{}',
      },
      names: { seq, inserts: own, names: isLine ? [own, order] : [own] },
    };
  });
}

const facts = {
  chain: { number: 0, lastSeq: 0, hash: FIRST_PREVIOUS_HASH },
  registration: 1,
  mappingVersion: 1,
  cutAtMs: 1,
};
const ends = (changes: CutChange[], maxUnitBytes: number) =>
  [...cutUnits(changes, { ...facts, maxUnitBytes })].map(({ lastSeq }) => lastSeq);

it('one transaction of many bytes is several units, none of them through a sale', () => {
  expect(ends(sales(6, 1_000), 100_000)).toEqual([12]);
  expect(ends(sales(6, 1_000), 5_500)).toEqual([4, 8, 12]);
  expect(ends(sales(2, 1_000), 3_200)).toEqual([2, 4]);
});

it('a change that is larger than a unit is one by itself', () => {
  expect(ends(sales(2, 1_000), 10)).toEqual([1, 2, 3, 4]);
});
