/** Which records a replay takes. */
import { describe, expect, it } from 'vitest';
import type { StoredRecord } from '../../../../services/shared/log/event-log.ts';
import {
  encodePositionHeader,
  parseLsn,
  POSITION_HEADER,
} from '../../../../services/shared/records/position.ts';
import { isWithin, type ReplayRange } from '../../../../services/terminal-agent/streams/replay-range.ts';

function record(timestampMs: number, lsn: string | null): StoredRecord {
  const position = lsn === null ? null : { epoch: 1, lsn: parseLsn(lsn), seq: 3 };
  const headers = position === null ? {} : { [POSITION_HEADER]: encodePositionHeader(position, true) };
  return { offset: 7, timestampMs, key: Buffer.from('k'), value: null, headers };
}

describe('a record is in a range', () => {
  it.each<[string, ReplayRange, boolean]>([
    ['without bounds', {}, true],
    ['from its own time', { fromMs: 1_000 }, true],
    ['from later', { fromMs: 1_001 }, false],
    ['to its own time', { toMs: 1_000 }, true],
    ['to before', { fromMs: 0, toMs: 999 }, false],
    ['from its own commit', { fromLsn: parseLsn('1/A3F0') }, true],
    ['from a later commit', { fromLsn: parseLsn('1/A3F1') }, false],
    ['from a commit that text would sort behind', { fromLsn: parseLsn('0/F0000000') }, true],
    ['to its own commit', { toLsn: parseLsn('1/A3F0') }, true],
    ['to an earlier commit', { toLsn: parseLsn('1/A3EF') }, false],
    ['by both', { fromMs: 1_000, toLsn: parseLsn('1/A3EF') }, false],
  ])('%s: %o is %s', (_what, range, expected) => {
    expect(isWithin(record(1_000, '1/A3F0'), range)).toBe(expected);
  });

  it('of positions only where it has one', () => {
    expect(isWithin(record(1_000, null), { fromLsn: parseLsn('0/1') })).toBe(false);
    expect(isWithin(record(1_000, null), { fromMs: 1_000 })).toBe(true);
  });
});
