import { describe, expect, it } from 'vitest';
import { readTail } from '../../../../services/central-capture/streams/tail.ts';
import type { EventLog, StoredRecord } from '../../../../services/shared/log/event-log.ts';
import {
  encodePositionHeader,
  NUMBERING,
  POSITION_HEADER,
  ZERO_POSITION,
  type Lsn,
} from '../../../../services/shared/records/position.ts';

const STREAM = { topic: 't', partition: 0 };

/** A stream of records by key, place and flags; gaps are what compaction took. */
function logOf(records: readonly StoredRecord[], end: number): EventLog {
  return {
    offsets: () => Promise.resolve({ first: 0, end }),
    read: async function* (_: unknown, { from }: { from: number }) {
      await Promise.resolve();
      yield records.filter(({ offset }) => offset >= from);
    },
  } as unknown as EventLog;
}

function record(offset: number, lsn: number, numbering = NUMBERING): StoredRecord {
  const header = encodePositionHeader({ epoch: 1, lsn: BigInt(lsn) as Lsn, seq: 1 }, false);
  header[16] = numbering << 1;
  return {
    offset,
    key: Buffer.from(`k${offset}`),
    value: Buffer.from('v'),
    timestampMs: 0,
    headers: { [POSITION_HEADER]: header },
  };
}

describe("a stream's tail", () => {
  it('is refused where a later version wrote it', async () => {
    const log = logOf([record(0, 5), record(1, 7, NUMBERING + 1)], 2);
    await expect(readTail(log, STREAM, 2)).rejects.toMatchObject({ code: 'LOG_NEWER_VERSION' });
  });

  it('is all of its place, however much stands there', async () => {
    const records = [record(0, 5), ...Array.from({ length: 40 }, (_, n) => record(n + 1, 7))];
    const tail = await readTail(logOf(records, 41), STREAM, 41);
    expect([tail.position.lsn, tail.standing.length]).toEqual([7n, 40]);
  });

  it('is found behind what has no place, and is nowhere in an empty stream', async () => {
    const places = Array.from({ length: 30 }, (_, n) => ({ ...record(n + 1, 9), headers: {} }));
    expect((await readTail(logOf([record(0, 5), ...places], 31), STREAM, 31)).position.lsn).toBe(5n);
    expect((await readTail(logOf(places, 31), STREAM, 31)).position).toEqual(ZERO_POSITION);
  });
});
