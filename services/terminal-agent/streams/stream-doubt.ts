/** Whether what a till stored of a stream still holds; where it does not, the stream is read from its beginning. */
import type { Looked } from '../../shared/log/event-log.ts';
import { comparePositions, decodePositionHeader, POSITION_HEADER } from '../../shared/records/position.ts';
import type { StreamState } from './checkpoints.ts';

export interface Doubt {
  readonly reason: string;
  /** Whether the stream still holds all that was ever seeded into it, from its first offset on. */
  readonly whole: boolean;
  /** It is the stream that was read before, and nothing of it was lost. */
  readonly isSame: boolean;
}

/** Without an answer nothing can be said: whoever asks for a doubt has to ask the log again first. */
export type Answered = Exclude<Looked, { kind: 'unknown' }>;

/** The stream as it is now. */
export interface StreamNow {
  readonly streamId: string | undefined;
  /** Offset of its first record. Compaction never moves it: what stood before was deleted. */
  readonly first: number;
  /** Offset behind its last record. */
  readonly end: number;
  /** What stands in the place of the last record that was read; compaction may have taken it. */
  readonly lastRead: Answered;
  readonly nowMs: number;
  readonly horizonMs: number;
}

/** null: reading can go on where it ended. */
export function doubtOf(stored: StreamState, now: StreamNow): Doubt | null {
  if (stored.streamId !== null && now.streamId !== undefined && now.streamId !== stored.streamId) {
    return { reason: 'the stream was made anew', whole: true, isSame: false };
  }
  if (stored.nextOffset > now.end)
    return { reason: 'the stream ends before what was read', whole: false, isSame: false };
  // It had lost its end, and has grown past it since.
  if (isUnread(now.lastRead, stored))
    return { reason: 'the stream holds others than were read', whole: false, isSame: false };
  if (stored.nextOffset < now.first) {
    return {
      reason: 'records that this till has not read were deleted from the stream',
      whole: true,
      isSame: false,
    };
  }
  if (stored.newestRecordMs < now.nowMs - now.horizonMs) {
    return { reason: 'this till was away for longer than the horizon', whole: true, isSame: true };
  }
  return null;
}

/** What was read has no position beyond the highest one that was. */
function isUnread(looked: Answered, { position }: StreamState): boolean {
  const header = looked.kind === 'there' ? looked.record.headers[POSITION_HEADER] : undefined;
  return header !== undefined && comparePositions(decodePositionHeader(header).position, position) > 0;
}
