/** Reading a piece of a stream that is known to exist. */
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog, StoredRecord, StreamRef } from '../../shared/log/event-log.ts';
import { streamName } from '../../shared/log/topics.ts';
import {
  comparePositions,
  decodePosition,
  POSITION_BYTES,
  POSITION_HEADER,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';

export interface StreamRange {
  /** First offset wanted. */
  readonly from: number;
  /** Last offset wanted; a record at or behind it must exist, or have existed. */
  readonly to: number;
  readonly signal?: AbortSignal;
}

/**
 * The records of [from, to], both included, in batches as they come.
 * @throws PayflowError LOG_UNREACHABLE when the signal cuts it short: half a range proves nothing
 */
export async function* recordBatches(
  eventLog: EventLog,
  stream: StreamRef,
  { from, to, signal }: StreamRange,
): AsyncGenerator<readonly StoredRecord[]> {
  if (from > to) return;
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
  try {
    for await (const batch of eventLog.read(stream, { from, signal: either })) {
      const last = batch.at(-1)?.offset ?? 0;
      yield last <= to ? batch : batch.filter((record) => record.offset <= to);
      if (last >= to) return;
    }
    throw new PayflowError('LOG_UNREACHABLE', `reading ${streamName(stream)} was cut short`);
  } finally {
    stop.abort();
  }
}

/** All of them at once: for few. */
export async function readRange(
  eventLog: EventLog,
  stream: StreamRef,
  range: StreamRange,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const batch of recordBatches(eventLog, stream, range)) records.push(...batch);
  return records;
}

const FIRST_LOOK_BACK = 4;
const LOOK_BACK_FACTOR = 16;

/** The newest position before the offset `end`. Compaction leaves gaps, so it looks back until one is found. */
export async function newestPosition(eventLog: EventLog, stream: StreamRef, end: number): Promise<Position> {
  const { first } = await eventLog.offsets(stream);
  let newest = ZERO_POSITION;
  for (let back = FIRST_LOOK_BACK; newest.lsn === ZERO_POSITION.lsn; back *= LOOK_BACK_FACTOR) {
    const from = Math.max(first, end - back);
    for (const record of await readRange(eventLog, stream, { from, to: end - 1 })) {
      const header = record.headers[POSITION_HEADER];
      const position =
        header === undefined ? ZERO_POSITION : decodePosition(header.subarray(0, POSITION_BYTES));
      if (comparePositions(position, newest) > 0) newest = position;
    }
    if (from === first) break;
  }
  return newest;
}
