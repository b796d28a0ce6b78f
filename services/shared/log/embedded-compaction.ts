/**
 * Compaction and retention of the embedded log, with Kafka's rules: records younger than the lag are neither
 * removed nor able to displace older ones, so inside the lag transactions stay complete; a tombstone stays
 * for `deleteRetentionMs`. Work is done in short transactions, so that appends and other processes get in.
 */
import type Database from 'better-sqlite3';
import { setImmediate } from 'node:timers/promises';
import { endRecordNo, recordNo, type StreamRow, type TopicRow } from './embedded-store.ts';

const RECORDS_PER_STEP = 5_000;
/** Compacting is worth it when at least this share of the records is new since the last time. */
const MIN_DIRTY_SHARE = 0.5;

export interface CompactOptions {
  readonly now: number;
  /** Compacts records of any age. */
  readonly ignoreLag?: boolean;
  /** Ends the work early; what is done stays done. */
  readonly signal: AbortSignal;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** @returns how many records were removed. */
export async function compactStream(
  db: Database.Database,
  topic: TopicRow,
  stream: StreamRow,
  options: CompactOptions,
): Promise<number> {
  const range = cleanable(db, topic, stream, options);
  if (range.from >= range.to) return 0;
  const newest = `newest_${stream.stream_no}`;
  db.exec(
    `CREATE TEMP TABLE IF NOT EXISTS ${newest} (record_no INTEGER PRIMARY KEY); DELETE FROM temp.${newest}`,
  );
  try {
    db.prepare(
      `INSERT INTO temp.${newest} SELECT max(record_no) FROM record WHERE record_no >= ? AND record_no < ? GROUP BY key`,
    ).run(range.from, range.to);
    const remove = db.prepare(
      `DELETE FROM record WHERE record_no >= ? AND record_no < ?
         AND (record_no NOT IN (SELECT record_no FROM temp.${newest}) OR (value IS NULL AND timestamp_ms < ?))`,
    );
    const removed = await inSteps(range, options.signal, (from, to) => {
      return remove.run(from, to, options.now - topic.delete_retention_ms).changes;
    });
    if (options.signal.aborted) return removed;
    db.prepare('UPDATE stream SET clean_until = ? WHERE stream_no = ?').run(
      range.to - recordNo(stream.stream_no, 0),
      stream.stream_no,
    );
    return removed;
  } finally {
    db.exec(`DROP TABLE temp.${newest}`);
  }
}

/** Whether enough is new since the last compaction. */
export function isDirty(stream: StreamRow): boolean {
  const all = stream.end_offset - stream.first_offset;
  return all > 0 && (stream.end_offset - stream.clean_until) / all >= MIN_DIRTY_SHARE;
}

/** Removes what is older than the topic keeps. @returns how many records were removed. */
export async function expireStream(
  db: Database.Database,
  topic: TopicRow,
  stream: StreamRow,
  { now, signal }: CompactOptions,
): Promise<number> {
  if (topic.retention_ms === null) return 0;
  const from = recordNo(stream.stream_no, stream.first_offset);
  const to = firstYoungerThan(db, stream, now - topic.retention_ms);
  if (from >= to) return 0;
  // First the offset: readers never see a gap at the front that is not said.
  db.prepare('UPDATE stream SET first_offset = max(first_offset, ?) WHERE stream_no = ?').run(
    to - recordNo(stream.stream_no, 0),
    stream.stream_no,
  );
  const remove = db.prepare('DELETE FROM record WHERE record_no >= ? AND record_no < ?');
  return await inSteps({ from, to }, signal, (start, end) => remove.run(start, end).changes);
}

function cleanable(
  db: Database.Database,
  topic: TopicRow,
  stream: StreamRow,
  { now, ignoreLag }: CompactOptions,
): Range {
  const from = recordNo(stream.stream_no, 0);
  if (ignoreLag === true) return { from, to: recordNo(stream.stream_no, stream.end_offset) };
  return { from, to: firstYoungerThan(db, stream, now - topic.min_compaction_lag_ms) };
}

/** Where the records that are not older than `cutoffMs` begin. */
function firstYoungerThan(db: Database.Database, stream: StreamRow, cutoffMs: number): number {
  const first = db
    .prepare(
      `SELECT record_no FROM record WHERE record_no >= ? AND record_no < ? AND timestamp_ms >= ?
        ORDER BY record_no LIMIT 1`,
    )
    .pluck()
    .get(recordNo(stream.stream_no, 0), endRecordNo(stream.stream_no), cutoffMs);
  return typeof first === 'number' ? first : recordNo(stream.stream_no, stream.end_offset);
}

async function inSteps(
  range: Range,
  signal: AbortSignal,
  step: (from: number, to: number) => number,
): Promise<number> {
  let removed = 0;
  for (let from = range.from; from < range.to && !signal.aborted; from += RECORDS_PER_STEP) {
    removed += step(from, Math.min(from + RECORDS_PER_STEP, range.to));
    await setImmediate();
  }
  return removed;
}
