import { describe, expect, it } from 'vitest';
import { StreamWriter } from '../../../../services/central-capture/streams/stream-writer.ts';
import {
  compareToTail,
  EMPTY_TAIL,
  standsAt,
  tailOf,
  type Tail,
} from '../../../../services/central-capture/streams/tail.ts';
import type { EventLog, LogRecord, StoredRecord } from '../../../../services/shared/log/event-log.ts';
import {
  decodePositionHeader,
  encodePositionHeader,
  NUMBERING,
  ONE_EACH,
  POSITION_HEADER,
  type Lsn,
  type Position,
} from '../../../../services/shared/records/position.ts';

const at = (lsn: number, seq: number): Position => ({ epoch: 1, lsn: BigInt(lsn) as Lsn, seq });
const END = { endLsn: 999n as Lsn, commitTimeUs: 1n };
const text = (value: string) => Buffer.from(value);

function stored(offset: number, key: string, place: Position, value: string | null = 'v'): StoredRecord {
  return {
    offset,
    key: text(key),
    value: value === null ? null : text(value),
    timestampMs: 0,
    headers: { [POSITION_HEADER]: encodePositionHeader(place, false) },
  };
}

/** A writer whose appends are answered one by one. */
function writer(tail: Tail, isHeld = () => false) {
  const appends: (readonly LogRecord[])[] = [];
  let answer = (): void => undefined;
  const eventLog = {
    append: (_: unknown, records: readonly LogRecord[]) => {
      appends.push(records);
      return new Promise((resolve) => (answer = () => resolve({ baseOffset: 0 })));
    },
  } as unknown as EventLog;
  const stream = new StreamWriter({
    eventLog,
    stream: { topic: 't', partition: 0 },
    streamId: 'id',
    storeId: null,
    firstOffset: 0,
    limitBytes: 16 * 1024 * 1024,
    tail,
    nextOffset: 0,
    signal: new AbortController().signal,
    isHeld,
    onDurable: () => undefined,
    onFailure: (error) => {
      throw error;
    },
    onTrouble: () => undefined,
    onGap: () => undefined,
  });
  const add = (place: Position, ...keys: string[]) => {
    if (!stream.wants(place, place.seq)) return;
    stream.add(
      place,
      keys.map((key) => ({ key: text(key.replace('†', '')), value: key.endsWith('†') ? null : text('v') })),
    );
  };
  return { stream, add, appends, answer: () => answer() };
}

const seqs = (records: readonly LogRecord[] | undefined) =>
  (records ?? []).map(
    ({ headers }) => decodePositionHeader(headers?.[POSITION_HEADER] ?? Buffer.alloc(17)).position.seq,
  );

describe('records of one place', () => {
  it('go out in one append, whatever its bounds, and however they were handed over', async () => {
    const { stream, add, appends, answer } = writer(EMPTY_TAIL);
    for (let seq = 1; seq < 2_000; seq += 1) add(at(5, seq), `k${seq}`);
    for (const key of ['a', 'a†', 'b', 'c', 'd†']) add(at(5, 2_000), key);
    add(at(5, 2_001), 'e');
    stream.endTransaction(END);
    stream.flush();
    expect(seqs(appends[0]).filter((seq) => seq === 2_000)).toHaveLength(5);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(seqs(appends[1])).toEqual([2_001]);
  });

  it('are held together while more of them may come', () => {
    const { stream, add, appends } = writer(EMPTY_TAIL);
    add(at(5, 1), 'a');
    add(at(5, 2), 'b');
    stream.flush();
    add(at(5, 2), 'c');
    stream.endTransaction(END);
    expect(seqs(appends[0])).toEqual([1]);
  });
});

describe('what stands in the stream', () => {
  const tail = tailOf([stored(1, 'x', at(4, 9)), stored(2, 'a', at(5, 3)), stored(3, 'a', at(5, 3), null)]);

  it('is not written again, and what is missing of its place is', () => {
    const { stream, add, appends } = writer(tail);
    add(at(5, 2), 'early');
    add(at(5, 3), 'a', 'a†', 'b');
    add(at(5, 4), 'c');
    expect(stream.endTransaction(END)).toBe(2);
    stream.flush();
    expect(appends[0]?.map(({ key }) => key?.toString())).toEqual(['b', 'c']);
  });

  it('is a tombstone only when the tombstone stands there', () => {
    expect(standsAt(tail, { key: text('a'), value: null })).toBe(true);
    expect(standsAt(tailOf([stored(2, 'a', at(5, 3))]), { key: text('a'), value: null })).toBe(false);
  });

  it('nothing goes out while it is held', () => {
    let isHeld = true;
    const { stream, add, appends } = writer(EMPTY_TAIL, () => isHeld);
    add(at(5, 1), 'a');
    stream.endTransaction(END);
    stream.flush();
    expect(appends).toHaveLength(0);
    isHeld = false;
    stream.flush();
    expect(appends).toHaveLength(1);
  });
});

describe('a tail', () => {
  it.each<[what: string, numbering: number, lsn: number, seq: number, oneEach: number, order: number]>([
    ['numbered as now', NUMBERING, 5, 4, 3, 1],
    ['numbered as now, its own place', NUMBERING, 5, 3, 2, 0],
    ['of an earlier version, its own place', ONE_EACH, 5, 5, 3, 0],
    ['of an earlier version, before it', ONE_EACH, 5, 4, 2, -1],
    ['of an earlier version, behind it', ONE_EACH, 5, 6, 4, 1],
    ['of an earlier version, another transaction', ONE_EACH, 6, 1, 1, 1],
  ])('%s', (_, numbering, lsn, seq, oneEach, order) => {
    const tail = { ...EMPTY_TAIL, position: at(5, 3), numbering };
    expect(compareToTail(tail, at(lsn, seq), oneEach)).toBe(order);
  });

  it('is the newest place, also where an older append came in late', () => {
    const tail = tailOf([stored(1, 'a', at(5, 3)), stored(2, 'b', at(2, 1))]);
    expect([tail.position, tail.isLast, tail.standing.length]).toEqual([at(5, 3), false, 1]);
  });
});
