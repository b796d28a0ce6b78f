/** A look that fails, or that nobody answers, is a finding of its own and stops no other. */
import { describe, expect, it } from 'vitest';
import { asked, findingsOf, inTime, reachedBy, type Asked } from '../../../../services/cli/doctor/finding.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';

const known: Asked<number> = { kind: 'known', value: 1 };
const away = (code: 'DB_UNREACHABLE' | 'DB_SCHEMA'): Asked<never> => ({
  kind: 'failed',
  error: new PayflowError(code, 'it is so'),
});

describe('what is asked', () => {
  it('and fails in a way that nobody foresaw is told as a defect', async () => {
    const answer = await asked(() => Promise.reject(new TypeError('x is not a function')));
    expect(findingsOf('log', 'the log', { answer, judge: () => [] })).toMatchObject([
      { level: 'error', code: 'INTERNAL', message: 'the log: x is not a function' },
    ]);
  });

  it('of what did not answer is not asked again; what only refused is', () => {
    expect(reachedBy(known, away('DB_UNREACHABLE'), 'PostgreSQL')).toMatchObject({ kind: 'unasked' });
    expect(reachedBy(away('DB_UNREACHABLE'), away('DB_UNREACHABLE'), 'PostgreSQL').kind).toBe('unasked');
    expect(reachedBy(known, away('DB_SCHEMA'), 'PostgreSQL')).toBe(known);
    expect(reachedBy(known, known, 'PostgreSQL')).toBe(known);
  });

  it('and answers in time is not given up, nor is a failure hidden by the time', async () => {
    const late = () => new PayflowError('LOG_UNREACHABLE', 'late');
    const limit = { timeoutMs: 60_000, late };
    expect(await inTime(() => Promise.resolve(7), limit)).toBe(7);
    await expect(inTime(() => Promise.reject(new Error('own')), limit)).rejects.toThrow('own');
  });

  it('and never answers ends with the time, also where it fails behind it', async () => {
    const late = () => new PayflowError('LOG_UNREACHABLE', 'late');
    let fail = (_error: Error): void => undefined;
    const never = () => new Promise<never>((_resolve, reject) => (fail = reject));
    await expect(inTime(never, { timeoutMs: 1, late })).rejects.toThrow('late');
    fail(new Error('nobody listens'));
  });
});
