import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketCountFor,
  bucketOf,
  Buckets,
  digestText,
  rowDigest,
} from '../../../../services/shared/verify/row-digest.ts';

describe('sums of rows by bucket', () => {
  const rows = fc.uniqueArray(fc.tuple(fc.string(), fc.array(fc.option(fc.string()))), {
    selector: ([id]) => id,
    maxLength: 40,
  });
  const summed = (count: number, given: readonly [string, (string | null)[]][]) => {
    const buckets = new Buckets(count);
    for (const [id, texts] of given) buckets.add(bucketOf(id, count), rowDigest(id, texts));
    return buckets;
  };

  it('are the same in whatever order the rows come, and after they have travelled', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(1, 8, 64), (given, count) => {
        const there = summed(count, given);
        const back = Buckets.decode(there.encode(), count);
        expect(back?.rows).toBe(given.length);
        expect(back?.differing(summed(count, [...given].reverse()))).toEqual([]);
      }),
    );
  });

  it('differ in the bucket of a row that is changed, missing or extra, and nowhere else', () => {
    fc.assert(
      fc.property(rows, fc.nat(), fc.constantFrom('changed', 'missing'), (given, choice, what) => {
        const at = choice % Math.max(1, given.length);
        const [id, texts] = given[at] ?? [];
        if (id === undefined || texts === undefined) return;
        const others = given.filter((_, index) => index !== at);
        const other = what === 'missing' ? others : [...others, [id, [...texts, 'x']] as [string, string[]]];
        expect(summed(64, given).differing(summed(64, other))).toEqual([bucketOf(id, 64)]);
        expect(summed(64, other).differing(summed(64, given))).toEqual([bucketOf(id, 64)]);
      }),
    );
  });

  it('are folded to those of fewer buckets', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(1, 4, 64), (given, count) => {
        const folded = summed(64, given).folded(count);
        expect(folded.encode()).toBe(summed(count, given).encode());
        expect(folded.rows).toBe(given.length);
      }),
    );
  });

  it('take what PostgreSQL has summed for the sum of its rows', () => {
    const digest = rowDigest('7', ['a', null]);
    const own = new Buckets(1);
    own.add(0, digest);
    const theirs = new Buckets(1);
    theirs.addSum(0, 1, [digest.readBigInt64BE(0), digest.readBigInt64BE(8)]);
    expect(theirs.differing(own)).toEqual([]);
  });

  it('of another size are not taken', () => {
    expect(Buckets.decode(new Buckets(2).encode(), 4)).toBeUndefined();
  });
});

describe('a row’s digest', () => {
  it('tells apart what is written in a row', () => {
    const digests = [
      rowDigest('1', ['a', 'b']),
      rowDigest('1', ['ab', '']),
      rowDigest('1', ['a', null]),
      rowDigest('1', ['a', 'null']),
      rowDigest('1\n["a"', ['b']),
      rowDigest('1', ['a","b']),
    ];
    expect(new Set(digests.map((each) => each.toString('hex'))).size).toBe(digests.length);
  });

  it.each([
    ['numeric', '1.500', '1.5'],
    ['numeric(12,2)', '12.00', '12'],
    ['numeric', 'NaN', 'NaN'],
    ['numeric', '100', '100'],
    ['character(6)', 'ab    ', 'ab'],
    ['text', 'ab  ', 'ab  '],
  ])('has %s %s as %s', (type, text, expected) => {
    expect(digestText(type)(text)).toBe(expected);
  });
});

it('a table has about 64 rows in a bucket, and 65536 buckets at most', () => {
  expect([0, 64, 65, 1_000_000, 1e9].map(bucketCountFor)).toEqual([1, 1, 2, 16_384, 65_536]);
});
