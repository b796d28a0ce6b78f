import { afterEach, expect, it, vi } from 'vitest';
import { largestValue, StreamLimits } from '../../../../services/central-capture/streams/stream-limits.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import type { TopicDescription } from '../../../../services/shared/log/event-log.ts';

const MB = 1024 * 1024;
const kept = (bytes: number): TopicDescription => ({
  settings: new Map([['max.message.bytes', String(bytes)]]),
  replicas: 1,
});
const refusal = (details: Record<string, unknown>) =>
  new PayflowError('LOG_RECORD_TOO_LARGE', 'too large', { details });

afterEach(() => vi.useRealTimers());

const limits = () => new StreamLimits({ describeTopics: () => Promise.resolve(new Map()) });

it('goes by what the topic says, and by the usual where it says nothing', () => {
  const known = limits();
  expect(known.judged('a', kept(1_001_024))).toBe(1_000_000);
  expect(known.judged('a', kept(100 * MB))).toBe(16 * MB);
  expect(known.judged('a', new PayflowError('LOG_AUTH', 'no'))).toBe(16 * MB);
});

it('what was refused is remembered, however long nobody says anything', () => {
  vi.useFakeTimers();
  const known = limits();
  const error = known.learn(refusal({ topic: 'a', limit: 5000, isTold: false }));
  expect(error).toMatchObject({ code: 'LOG_LIMIT_LOWERED', retry: 'timed' });
  expect(known.judged('a', undefined)).toBe(5000);
  expect(known.judged('b', undefined)).toBe(16 * MB);
  vi.setSystemTime(Date.now() + 365 * 86_400_000);
  expect(known.judged('a', new PayflowError('LOG_AUTH', 'no'))).toBe(5000);
});

it('a refusal counts for more than what the topic said then, and for less than what it says since', () => {
  const known = limits();
  known.judged('a', kept(100 * MB));
  known.learn(refusal({ topic: 'a', limit: 5000, isTold: false }));
  expect(known.judged('a', kept(100 * MB))).toBe(5000);
  expect(known.judged('a', kept(1_001_024))).toBe(1_000_000);
  expect(known.judged('a', kept(100 * MB))).toBe(16 * MB);
});

it('what the first word of a topic says is newer than a refusal before it', () => {
  const known = limits();
  known.learn(refusal({ topic: 'a', limit: 5000, isTold: false }));
  expect(known.judged('a', kept(100 * MB))).toBe(16 * MB);
});

it('a topic that may not be asked any more is taken to be as it said last', () => {
  const known = limits();
  known.judged('a', kept(1_001_024));
  expect(known.judged('a', new PayflowError('LOG_AUTH', 'no'))).toBe(1_000_000);
});

it('what the topic says is asked again, not remembered', () => {
  const known = limits();
  expect(known.learn(refusal({ topic: 'a', limit: 5000, isTold: true })).retry).toBe('timed');
  expect(known.judged('a', kept(100 * MB))).toBe(16 * MB);
});

it('every other error stays what it is', () => {
  const known = limits();
  const other = new PayflowError('LOG_AUTH', 'no');
  expect(known.learn(other)).toBe(other);
});

it.each([
  [16 * MB, 16 * MB - 65_536],
  [160_000, 150_000],
  [50_000, 45_904],
  [1_000, 512],
])('a record of %d bytes holds a value of %d', (limit, value) => {
  expect(largestValue(limit)).toBe(value);
});
