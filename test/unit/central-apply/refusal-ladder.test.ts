import { describe, expect, test } from 'vitest';
import {
  gradeOf,
  judge,
  nextForGroup,
  PASSING_TRIES,
  retryAfterMs,
  ROW_TRIES,
  type Facts,
  type Failure,
  type Grade,
  type Verdict,
} from '../../../services/central-apply/refusal-ladder.ts';

const failure = (code: string, options: Partial<Failure> = {}): Failure => ({
  table: 'orders',
  kind: 'insert',
  code,
  constraint: '',
  message: '',
  schema: null,
  column: null,
  isCentres: false,
  ...options,
});

describe('a failure is graded by what it can mean', () => {
  const grades: readonly [string, Partial<Failure>, Grade][] = [
    ['23514', {}, 'row'],
    ['22001', {}, 'row'],
    ['P0001', {}, 'row'],
    ['54000', {}, 'row'],
    ['MY001', {}, 'row'],
    ['45000', {}, 'row'],
    ['20000', {}, 'row'],
    ['0A000', {}, 'row'],
    ['55000', {}, 'row'],
    ['58P01', {}, 'row'],
    ['08001', {}, 'row'],
    ['SUPPRESSED', {}, 'row'],
    ['KEY_CHANGED', {}, 'row'],
    ['INTERNAL', {}, 'row'],
    ['ZZ999', {}, 'row'],
    ['23502', { isCentres: true }, 'centre'],
    ['42501', { isCentres: true }, 'centre'],
    ['42501', {}, 'passing'],
    ['42703', {}, 'centre'],
    ['42P01', {}, 'centre'],
    ['3F000', {}, 'centre'],
    ['42804', {}, 'passing'],
    ['40001', {}, 'passing'],
    ['40P01', {}, 'passing'],
    ['53100', {}, 'passing'],
    ['57014', {}, 'passing'],
    ['25006', {}, 'passing'],
    ['XX000', {}, 'passing'],
    ['55P03', {}, 'lock'],
    ['23505', { schema: 'payflow_sync' }, 'own'],
  ];
  test.each(grades)('%s %o is %s', (code, options, grade) => {
    expect(gradeOf(failure(code, options))).toBe(grade);
  });
});

describe('what becomes of a part that failed alone', () => {
  const facts = (tries: number, othersFail: boolean, passesSince: boolean): Facts => ({
    tries,
    othersFail,
    passesSince,
  });
  const table: readonly [Grade, Facts, Verdict][] = [
    ['own', facts(99, false, true), 'centre'],
    ['centre', facts(99, false, true), 'centre'],
    ['lock', facts(99, false, true), 'centre'],
    ['passing', facts(1, false, false), 'waiting'],
    ['passing', facts(999, false, false), 'waiting'],
    ['passing', facts(PASSING_TRIES - 1, false, true), 'waiting'],
    ['passing', facts(PASSING_TRIES, false, true), 'refuse'],
    ['passing', facts(999, true, true), 'centre'],
    ['row', facts(1, false, false), 'trying'],
    ['row', facts(1, false, true), 'refuse'],
    ['row', facts(ROW_TRIES - 1, false, false), 'trying'],
    ['row', facts(ROW_TRIES, false, false), 'refuse'],
    ['row', facts(999, true, false), 'centre'],
  ];
  test.each(table)('%s with %o: %s', (grade, given, verdict) => {
    expect(judge(grade, given)).toBe(verdict);
  });
});

test('a group is tried again as a whole only where that may help, and not for ever', () => {
  for (const code of ['40001', '40P01', '53300', '57P01', '25006', 'XX000', '08006']) {
    expect(nextForGroup(code, 1)).toBe('again');
    expect(nextForGroup(code, 5)).toBe('unit by unit');
  }
  for (const code of ['23514', '54000', 'MY001', '57014', '55P03', '42501', 'INTERNAL']) {
    expect(nextForGroup(code, 1)).toBe('unit by unit');
  }
});

test('a till that waits is tried soon, then ever less often, but always again', () => {
  expect(retryAfterMs('trying', 1)).toBeLessThan(retryAfterMs('trying', 2));
  expect(retryAfterMs('centre', 1)).toBeGreaterThan(retryAfterMs('trying', 1));
  expect(retryAfterMs('centre', 10_000)).toBe(retryAfterMs('waiting', 100));
  expect(retryAfterMs('centre', 10_000)).toBeLessThanOrEqual(15_000);
});
