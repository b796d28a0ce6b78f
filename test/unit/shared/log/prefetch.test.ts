import { describe, expect, test } from 'vitest';
import { PayflowError } from '../../../../services/shared/errors.ts';
import type { StoredRecord } from '../../../../services/shared/log/event-log.ts';
import { prefetch, type FetchedBatch } from '../../../../services/shared/log/prefetch.ts';

const record = (offset: number): StoredRecord => ({
  offset,
  timestampMs: 0,
  key: null,
  value: null,
  headers: {},
});
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

function source(count: number, bytes: number) {
  const state = { fetched: 0 };
  const fetchNext = async (): Promise<FetchedBatch | undefined> => {
    if (state.fetched === count) return undefined;
    state.fetched += 1;
    const fetched = record(state.fetched);
    return { records: () => [fetched], bytes };
  };
  return { state, fetchNext };
}

describe('prefetch', () => {
  test('gives everything in order and ends when the source does', async () => {
    const { fetchNext } = source(5, 10);
    const offsets: number[] = [];
    const { signal } = new AbortController();
    for await (const [one] of prefetch({ maxBytes: 20, fetchBytes: 10, signal, fetchNext }))
      offsets.push(one?.offset ?? 0);
    expect(offsets).toEqual([1, 2, 3, 4, 5]);
  });

  test('holds no more than the limit while the reader works, and goes on when it asks', async () => {
    const { state, fetchNext } = source(100, 10);
    const { signal } = new AbortController();
    const reader = prefetch({ maxBytes: 30, fetchBytes: 10, signal, fetchNext });
    await reader.next();
    await turns();
    expect(state.fetched).toBe(4);
    await reader.next();
    await turns();
    expect(state.fetched).toBe(5);
    await reader.return(undefined);
  });

  test('one batch larger than the limit comes through alone', async () => {
    const { state, fetchNext } = source(3, 1000);
    const { signal } = new AbortController();
    const reader = prefetch({ maxBytes: 30, fetchBytes: 10, signal, fetchNext });
    await reader.next();
    await turns();
    expect(state.fetched).toBe(2);
    await reader.return(undefined);
  });

  test('a batch without records is passed over', async () => {
    const batches: FetchedBatch[] = [[], [record(7)], []].map((records) => ({
      records: () => records,
      bytes: 10,
    }));
    const { signal } = new AbortController();
    const given: (readonly StoredRecord[])[] = [];
    const fetchNext = async () => batches.shift();
    for await (const records of prefetch({ maxBytes: 30, fetchBytes: 10, signal, fetchNext }))
      given.push(records);
    expect(given).toEqual([[record(7)]]);
  });

  test("the source's error comes after what was fetched before it", async () => {
    let calls = 0;
    const fetchNext = async (): Promise<FetchedBatch> => {
      calls += 1;
      if (calls === 2) throw new PayflowError('LOG_OFFSET_OUT_OF_RANGE', 'gone');
      return { records: () => [record(1)], bytes: 1 };
    };
    const { signal } = new AbortController();
    const reader = prefetch({ maxBytes: 30, fetchBytes: 10, signal, fetchNext });
    expect((await reader.next()).done).toBe(false);
    await expect(reader.next()).rejects.toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' });
  });

  test('cancelling ends a reader that waits, also for a source that answers only to its signal', async () => {
    const stop = new AbortController();
    const fetchNext = (signal: AbortSignal) =>
      new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
    const reader = prefetch({ maxBytes: 30, fetchBytes: 10, signal: stop.signal, fetchNext });
    const waiting = reader.next();
    stop.abort();
    expect((await waiting).done).toBe(true);
  });

  test('a reader that leaves stops the source', async () => {
    let stopped = false;
    const fetchNext = async (signal: AbortSignal): Promise<FetchedBatch | undefined> => {
      signal.addEventListener('abort', () => (stopped = true));
      return { records: () => [record(1)], bytes: 100 };
    };
    const { signal } = new AbortController();
    for await (const _ of prefetch({ maxBytes: 30, fetchBytes: 10, signal, fetchNext })) break;
    expect(stopped).toBe(true);
  });
});
