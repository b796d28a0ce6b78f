/**
 * The newest place in a stream, and what exactly stands there. After a crash the slot sends whole transactions
 * again; the tail says what of them need not be written a second time, record by record, so that it does not
 * matter where an append was cut.
 *
 *   a record resent            | is written
 *   ---------------------------+---------------------------------------------------------------------
 *   before the tail            | no
 *   at the tail's place        | unless a record of its key stands there (a tombstone is not its delete)
 *   behind it                  | yes
 *
 * A tail that an earlier version wrote counted an update once, so within its transaction places are compared by
 * that count. Whatever follows is numbered the new way and still stands behind it: no count gets smaller. Pure,
 * apart from `readTail`.
 */
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog, LogRecord, StoredRecord, StreamRef } from '../../shared/log/event-log.ts';
import { streamName } from '../../shared/log/topics.ts';
import {
  commitEndOf,
  comparePositions,
  decodePosition,
  decodePositionHeader,
  NUMBERING,
  numberingOf,
  ONE_EACH,
  POSITION_HEADER,
  ZERO_POSITION,
  type CommitEnd,
  type Position,
} from '../../shared/records/position.ts';
import { readRange } from './stream-range.ts';

export interface Tail {
  readonly position: Position;
  readonly numbering: number;
  /** Whether its transaction ended there, for this stream. */
  readonly isLast: boolean;
  /** Of its transaction, where it ended there and the version that wrote it said so. */
  readonly end: CommitEnd | undefined;
  /** The records at this very place. */
  readonly standing: readonly LogRecord[];
}

export const EMPTY_TAIL: Tail = {
  position: ZERO_POSITION,
  numbering: NUMBERING,
  isLast: true,
  end: undefined,
  standing: [],
};

const FIRST_LOOK_BACK = 8;
const LOOK_BACK_FACTOR = 16;

/**
 * Of the stream before the offset `end`. Compaction leaves gaps, so it looks back until the place is whole.
 * @throws PayflowError LOG_NEWER_VERSION
 */
export async function readTail(eventLog: EventLog, stream: StreamRef, end: number): Promise<Tail> {
  const { first } = await eventLog.offsets(stream);
  for (let back = FIRST_LOOK_BACK; ; back *= LOOK_BACK_FACTOR) {
    const from = Math.max(first, end - back);
    const records = await readRange(eventLog, stream, { from, to: end - 1 });
    const tail = tailOf(records);
    const isWhole = records.some((record) => comparePositions(placeOf(record), tail.position) < 0);
    if (from !== first && (tail.standing.length === 0 || !isWhole)) continue;
    if (tail.numbering <= NUMBERING) return tail;
    throw new PayflowError(
      'LOG_NEWER_VERSION',
      `${streamName(stream)} was written by a later version (numbering ${tail.numbering}, known ${NUMBERING})`,
    );
  }
}

export function tailOf(records: readonly StoredRecord[]): Tail {
  const newest = records.map(placeOf).reduce((a, b) => (comparePositions(a, b) >= 0 ? a : b), ZERO_POSITION);
  if (newest.lsn === ZERO_POSITION.lsn) return EMPTY_TAIL;
  const standing = records.filter((record) => comparePositions(placeOf(record), newest) === 0);
  const headers = standing.flatMap((record) => record.headers[POSITION_HEADER] ?? []);
  return {
    position: newest,
    numbering: Math.max(...headers.map(numberingOf)),
    isLast: headers.some((header) => decodePositionHeader(header).lastOfTransaction),
    end: headers.map(commitEndOf).find((end) => end !== undefined),
    standing,
  };
}

/**
 * Where this place is against the tail, as `comparePositions` says it.
 * @param oneEach its seq where every change counts one
 */
export function compareToTail(tail: Tail, position: Position, oneEach: number): number {
  const seq = tail.numbering === ONE_EACH && position.lsn === tail.position.lsn ? oneEach : position.seq;
  return comparePositions({ ...position, seq }, tail.position);
}

/** Whether this record, which belongs at the tail's place, stands there. */
export function standsAt(tail: Tail, { key, value }: Pick<LogRecord, 'key' | 'value'>): boolean {
  return tail.standing.some(
    (record) =>
      record.key !== null && key?.equals(record.key) === true && (record.value === null) === (value === null),
  );
}

/** Records without a place (a take-over, the stream's id) have that of the beginning. */
function placeOf({ headers }: StoredRecord): Position {
  const header = headers[POSITION_HEADER];
  return header === undefined ? ZERO_POSITION : decodePosition(header);
}
