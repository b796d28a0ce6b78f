/** What becomes of refused numbers in a till's progress when somebody decides about them. */
import { describe, expect, it } from 'vitest';
import { addRejected } from '../../../services/central-apply/admission.ts';
import { addDiscarded, decideRejected, hasRejected } from '../../../services/central-apply/exceptions.ts';

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
    expect(addRejected(first, [9])).toBe('[[5,6,"discarded","a test"],[7,9,"rejected"]]');
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
