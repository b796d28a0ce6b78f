import { describe, expect, it } from 'vitest';
import {
  commitEndOf,
  decodePosition,
  decodePositionHeader,
  encodePositionHeader,
  endedHeader,
  NUMBERING,
  numberingOf,
  ONE_EACH,
  type Lsn,
} from '../../../../services/shared/records/position.ts';

const position = { epoch: 3, lsn: 0x16_b374_d848n as Lsn, seq: 70_000 };
const end = { endLsn: 0x16_b374_d878n as Lsn, commitTimeUs: 1_795_000_000_123_456n };

describe("a record's place", () => {
  it('names the numbering of its seq, and says nothing of an end before that is known', () => {
    const header = encodePositionHeader(position, false);
    expect(decodePositionHeader(header)).toEqual({ position, lastOfTransaction: false });
    expect([numberingOf(header), commitEndOf(header)]).toEqual([NUMBERING, undefined]);
  });

  it('of the last of its transaction tells which commit that was', () => {
    const header = endedHeader(encodePositionHeader(position, false), end);
    expect(decodePositionHeader(header)).toEqual({ position, lastOfTransaction: true });
    expect([numberingOf(header), commitEndOf(header)]).toEqual([NUMBERING, end]);
    expect(decodePosition(header)).toEqual(position);
  });

  it('is read as an earlier version wrote it, and by one', () => {
    const old = Buffer.concat([encodePositionHeader(position, false).subarray(0, 16), Buffer.from([1])]);
    expect(decodePositionHeader(old)).toEqual({ position, lastOfTransaction: true });
    expect([numberingOf(old), commitEndOf(old)]).toEqual([ONE_EACH, undefined]);
    // Which looked at the first 17 bytes, and at the lowest bit of the last of them.
    expect((endedHeader(encodePositionHeader(position, false), end)[16] ?? 0) & 1).toBe(1);
  });
});
