/** Reading a piece of a stream that is known to exist. */
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog, StoredRecord, StreamRef } from '../../shared/log/event-log.ts';
import { streamName } from '../../shared/log/topics.ts';

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
