/** What becomes of refused numbers in a till's progress when somebody decides about them. */
import { describe, expect, it, test } from 'vitest';
import {
  addDiscarded,
  addRejected,
  decideRejected,
  hasRejected,
  isRefusedTooMuch,
  refusalReason,
} from '../../../services/central-apply/exceptions.ts';

const refused = (seqs: readonly number[], reason: string | null = null) =>
  seqs.map((seq) => ({ seq, reason }));

const BEFORE = '[[5,8,"rejected"],[10,10,"discarded"],[12,12,"rejected"],[20,30,"held"]]';

describe('numbers that were refused', () => {
  it('leave the exceptions once they are applied, from anywhere in a range', () => {
    expect(decideRejected(BEFORE, [5, 6, 7, 8], null)).toBe(
      '[[10,10,"discarded"],[12,12,"rejected"],[20,30,"held"]]',
    );
    expect(decideRejected('[[5,8,"rejected"]]', [6], null)).toBe('[[5,5,"rejected"],[7,8,"rejected"]]');
    expect(decideRejected('[[5,8,"rejected"]]', [8, 5], null)).toBe('[[6,7,"rejected"]]');
  });

  it('become discarded, joined with their neighbours', () => {
    expect(decideRejected('[[5,8,"rejected"],[9,9,"discarded"]]', [8, 7], { why: null })).toBe(
      '[[5,6,"rejected"],[7,9,"discarded"]]',
    );
  });

  it('keep the reason why they were given up, and no other one takes it', () => {
    const first = decideRejected('[[5,8,"rejected"]]', [5, 6], { why: 'a test' });
    expect(first).toBe('[[5,6,"discarded","a test"],[7,8,"rejected"]]');
    expect(decideRejected(first, [7, 8], { why: 'paid in cash' })).toBe(
      '[[5,6,"discarded","a test"],[7,8,"discarded","paid in cash"]]',
    );
    expect(addRejected(first, refused([9]))).toBe('[[5,6,"discarded","a test"],[7,9,"rejected"]]');
  });

  it('carry the reason for which they were refused, and keep it where only some of them are decided', () => {
    const before = addRejected('[]', refused([5, 6, 7, 8], '23505 orders_number_key'));
    expect(before).toBe('[[5,8,"rejected","23505 orders_number_key"]]');
    expect(addRejected(before, refused([9], '23503'))).toBe(
      '[[5,8,"rejected","23505 orders_number_key"],[9,9,"rejected","23503"]]',
    );
    expect(decideRejected(before, [6, 7], null)).toBe(
      '[[5,5,"rejected","23505 orders_number_key"],[8,8,"rejected","23505 orders_number_key"]]',
    );
    expect(addRejected('[]', refused([1], 'x'.repeat(500))).length).toBeLessThan(150);
  });

  it('stay as they are when they are refused again, so that ranges stay disjoint', () => {
    const before = '[[5,8,"rejected","23505 orders_number_key"],[10,10,"discarded"]]';
    expect(addRejected(before, refused([5, 7, 10]))).toBe(before);
    expect(addRejected(before, refused([8, 9], '23503'))).toBe(
      '[[5,8,"rejected","23505 orders_number_key"],[9,9,"rejected","23503"],[10,10,"discarded"]]',
    );
  });

  it('are ascending and disjoint, neighbours of a kind joined', () => {
    expect(addRejected('[]', [])).toBe('[]');
    expect(addRejected('[]', refused([7, 5, 6]))).toBe('[[5,7,"rejected"]]');
    expect(addRejected('[[1,2,"held"],[8,9,"rejected"]]', refused([3, 7]))).toBe(
      '[[1,2,"held"],[3,3,"rejected"],[7,9,"rejected"]]',
    );
  });

  it('are the only ones that are decided: others stay as they are', () => {
    expect(decideRejected(BEFORE, [10, 25, 99], null)).toBe(BEFORE);
    expect(decideRejected('[]', [1], { why: null })).toBe('[]');
  });

  it('are known from those that are held or given up', () => {
    expect([BEFORE, '[]', '[[1,2,"held"],[3,4,"discarded"]]'].map(hasRejected)).toEqual([true, false, false]);
  });
});

describe('numbers that never came', () => {
  it('are discarded in their place', () => {
    expect(addDiscarded('[[2,3,"rejected"]]', { firstSeq: 5, lastSeq: 8 }, null)).toBe(
      '[[2,3,"rejected"],[5,8,"discarded"]]',
    );
    expect(addDiscarded('[[2,4,"discarded"]]', { firstSeq: 5, lastSeq: 8 }, null)).toBe(
      '[[2,8,"discarded"]]',
    );
  });

  it('are none where the gap held no change', () => {
    expect(addDiscarded('[]', { firstSeq: 5, lastSeq: 4 }, 'x')).toBe('[]');
  });
});

describe('what of one till may be refused and undecided', () => {
  it('ends at 20,000 changes, however few ranges they are', () => {
    expect(isRefusedTooMuch('[[1,20000,"rejected","23505 x"]]')).toBe(false);
    expect(isRefusedTooMuch('[[1,20001,"rejected","23505 x"]]')).toBe(true);
  });

  it('ends at 256 KB of ranges, however few changes they are', () => {
    const scattered = (count: number) =>
      addRejected(
        '[]',
        refused(
          Array.from({ length: count }, (_, index) => 2 * index),
          `23505 ${'k'.repeat(60)}`,
        ),
      );
    expect(isRefusedTooMuch(scattered(1_000))).toBe(false);
    expect(isRefusedTooMuch(scattered(4_000))).toBe(true);
  });

  it('does not count what was decided or what waits', () => {
    expect(isRefusedTooMuch('[[1,90000,"discarded"],[90001,190000,"held"]]')).toBe(false);
    expect(isRefusedTooMuch('[]')).toBe(false);
  });
});

test('the reason names code and constraint and what it means, and never what the server said', () => {
  expect(refusalReason('23505', 'orders_number_key')).toBe(
    '23505 orders_number_key: another row has this value already',
  );
  expect(refusalReason('MY001', null)).toBe('MY001');
  expect(refusalReason('CHANGE_NOT_ALLOWED', '')).toBe('CHANGE_NOT_ALLOWED');
});
