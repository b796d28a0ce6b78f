/** Which records of a stream a replay takes, and of each key the newest of them. */
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog, StoredRecord, StreamRef } from '../../shared/log/event-log.ts';
import { streamName } from '../../shared/log/topics.ts';
import { decodePositionHeader, POSITION_HEADER, type Lsn } from '../../shared/records/position.ts';
import { bytesOf } from './incoming.ts';

/** Each bound is included; one that is not given is the stream's own. */
export interface ReplayRange {
  readonly fromOffset?: number | undefined;
  readonly toOffset?: number | undefined;
  /** When the log received them, ms since 1970. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Of the commit at the centre. */
  readonly fromLsn?: Lsn | undefined;
  readonly toLsn?: Lsn | undefined;
}

export interface Replayed {
  readonly read: number;
  readonly newest: readonly StoredRecord[];
}

/** So much of a replay is held at a time. */
const HELD_BYTES = 8 << 20;

/**
 * In offset order; of a long range piece by piece, so that a key may come again, newer.
 * @throws PayflowError LOG_UNREACHABLE where the range could not be read to its end
 */
export async function* newestOfRange(
  eventLog: EventLog,
  stream: StreamRef,
  range: ReplayRange,
): AsyncGenerator<Replayed> {
  const { first, end } = await eventLog.offsets(stream);
  const from = Math.max(first, range.fromOffset ?? 0);
  const last = Math.min(range.toOffset ?? Infinity, end - 1);
  if (from > last) return;
  const stop = new AbortController();
  let newest = new Map<string, StoredRecord>();
  let read = 0;
  let bytes = 0;
  let isWhole = false;
  try {
    for await (const batch of eventLog.read(stream, { from, signal: stop.signal })) {
      for (const record of batch) {
        if (record.offset > last) break;
        if (!isWithin(record, range)) continue;
        read += 1;
        // A delete comes as an event and a tombstone; the event says more.
        const key = record.key?.toString('base64') ?? '';
        newest.delete(key);
        newest.set(key, record);
        bytes += bytesOf(record);
      }
      isWhole = (batch.at(-1)?.offset ?? end) >= last;
      if (isWhole) break;
      if (bytes < HELD_BYTES) continue;
      yield { read, newest: [...newest.values()] };
      newest = new Map();
      read = 0;
      bytes = 0;
    }
  } finally {
    stop.abort();
  }
  // Half a range is no answer.
  if (!isWhole) throw new PayflowError('LOG_UNREACHABLE', `reading ${streamName(stream)} was cut short`);
  yield { read, newest: [...newest.values()] };
}

/** Pure. A record without a position (a tombstone of the log's own) is in no range of positions. */
export function isWithin({ timestampMs, headers }: StoredRecord, range: ReplayRange): boolean {
  const { fromMs = -Infinity, toMs = Infinity, fromLsn, toLsn } = range;
  if (timestampMs < fromMs || timestampMs > toMs) return false;
  if (fromLsn === undefined && toLsn === undefined) return true;
  const header = headers[POSITION_HEADER];
  if (header === undefined) return false;
  const { lsn } = decodePositionHeader(header).position;
  return lsn >= (fromLsn ?? lsn) && lsn <= (toLsn ?? lsn);
}
