import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addRejected, admit, type TerminalState } from '../../../services/central-apply/admission.ts';
import {
  FIRST_PREVIOUS_HASH,
  type Unit,
  type UnitRecord,
} from '../../../services/shared/records/unit-record.ts';

const hashOf = (number: number, salt = '') => createHash('sha256').update(`${number}${salt}`).digest();

function unit(number: number, salt = ''): Unit {
  return {
    number,
    firstSeq: number * 10 - 9,
    lastSeq: number * 10,
    hash: hashOf(number, salt),
    previousHash: number === 1 ? FIRST_PREVIOUS_HASH : hashOf(number - 1),
    changes: [],
  };
}

const record = (numbers: readonly number[], options: Partial<UnitRecord> = {}): UnitRecord => ({
  protocol: 1,
  terminal: 'T1',
  incarnation: 'i',
  databaseId: 'd',
  mappingVersion: 1,
  keyVersion: 1,
  part: 1,
  parts: 1,
  units: numbers.map((number) => unit(number)),
  ...options,
});

const state = (): TerminalState => ({
  terminal: 'T1',
  storeId: 'S1',
  status: 'enrolled',
  incarnation: 'i',
  lastUnit: 0,
  lastSeq: 0,
  chainHash: FIRST_PREVIOUS_HASH,
  hashes: new Map(),
  exceptions: '[]',
  knownSeq: 0,
  retireOffset: null,
  others: new Map(),
});

const numbers = (units: readonly Unit[]) => units.map(({ number }) => number);

test('whatever comes, in whatever order, every unit is admitted once and in order', () => {
  const deliveries = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(deliveries, (records) => {
      const at = state();
      const applied: number[] = [];
      for (const [first, length] of records) {
        const wanted = Array.from({ length }, (_, index) => first + index);
        const { apply, fence } = admit(at, record(wanted));
        expect(fence).toBeNull();
        applied.push(...numbers(apply));
      }
      expect(applied).toEqual(applied.map((_, index) => index + 1));
      expect(at.lastUnit).toBe(applied.length);
      expect(at.lastSeq).toBe(applied.length * 10);
    }),
  );
});

describe('a terminal is fenced', () => {
  test('by the same number with other contents', () => {
    const at = state();
    admit(at, record([1, 2]));
    const { hold, fence } = admit(at, { ...record([]), units: [unit(2, 'other')] });
    expect(hold).toBe('fenced');
    expect(fence).toContain('unit 2');
    expect(admit(at, record([3]))).toMatchObject({ apply: [], hold: 'fenced', fence: null });
  });

  test('also where that number is not the last one', () => {
    const at = state();
    admit(at, record([1, 2, 3]));
    expect(admit(at, record([1, 2]))).toMatchObject({ duplicates: 2, fence: null });
    const { apply, hold, fence } = admit(at, { ...record([]), units: [unit(2, 'other')] });
    expect({ apply, hold }).toEqual({ apply: [], hold: 'fenced' });
    expect(fence).toContain('unit 2');
  });

  test('by a unit that does not follow', () => {
    const at = state();
    admit(at, { ...record([]), units: [unit(1, 'other')] });
    expect(admit(at, record([2]))).toMatchObject({ apply: [], hold: 'fenced' });
    expect(at.lastUnit).toBe(1);
  });

  test('by another incarnation', () => {
    const at = state();
    expect(admit(at, record([1], { incarnation: 'other' }))).toMatchObject({ apply: [], hold: 'fenced' });
  });
});

test('a gap and a part are held, and nothing moves', () => {
  const at = state();
  expect(admit(at, record([2]))).toMatchObject({ apply: [], hold: 'gap' });
  expect(admit(at, record([1], { part: 1, parts: 2 }))).toMatchObject({ apply: [], hold: 'part' });
  expect(at.lastUnit).toBe(0);
  admit(at, record([1]));
  expect(admit(at, record([1], { part: 2, parts: 2 }))).toMatchObject({ duplicates: 1, hold: null });
});

test('exceptions stay ascending and disjoint, neighbours of a kind joined', () => {
  expect(addRejected('[]', [])).toBe('[]');
  expect(addRejected('[]', [7, 5, 6])).toBe('[[5,7,"rejected"]]');
  expect(addRejected('[[1,2,"held"],[8,9,"rejected"]]', [3, 7])).toBe(
    '[[1,2,"held"],[3,3,"rejected"],[7,9,"rejected"]]',
  );
});
