/** Which records of a stream go into one SQLite transaction, by rows and by bytes. */
import { describe, expect, it } from 'vitest';
import { encodeControl } from '../../../../services/shared/records/envelope.ts';
import { ZERO_POSITION, type Lsn, type Position } from '../../../../services/shared/records/position.ts';
import { takeTransactions, type Incoming } from '../../../../services/terminal-agent/streams/incoming.ts';
import { PendingRecords, TX_BYTES } from '../../../../services/terminal-agent/streams/pending.ts';

const MB = 1 << 20;
const TOPIC = 'payflow.catalog';

interface Given {
  readonly lsn: number;
  readonly bytes?: number;
  readonly last?: boolean;
}

function incoming(given: readonly Given[]): Incoming[] {
  return given.map(({ lsn, bytes = 10, last = false }, offset) => {
    const position: Position = { epoch: 1, lsn: BigInt(lsn) as Lsn, seq: offset };
    const value = Buffer.alloc(bytes);
    const record = { offset, timestampMs: 0, key: Buffer.from(`t:${offset}`), value, headers: {} };
    return { record, position, last, content: { kind: 'control' } };
  });
}

/** A note of capture that it took the stream over. */
function takeover(offset: number): Incoming {
  const { key, value, headers = {} } = encodeControl({ kind: 'takeover', capture: 'c' }, ZERO_POSITION);
  const record = { offset, timestampMs: 0, key, value, headers };
  return { record, position: ZERO_POSITION, last: false, content: { kind: 'control' } };
}

describe('a SQLite transaction takes', () => {
  const bounds = { wanted: 1_000, rows: 5_000, bytes: 4 * MB };
  const rows = (count: number, lsn: number, bytes: number, ended = true): Given[] =>
    Array.from({ length: count }, (_, i) => ({ lsn, bytes, last: ended && i === count - 1 }));

  it.each<[string, Given[], number]>([
    ['nothing while the end of the only one is to come', rows(3, 1, MB, false), 0],
    ['a whole one of fewer bytes', rows(3, 1, MB), 3],
    ['a whole one that just fills the bound', rows(4, 1, MB), 4],
    ['a part of one beyond the bound in bytes, also when its end is here', rows(9, 1, MB), 4],
    ['a part of one beyond the bound whose end is to come', rows(9, 1, MB, false), 4],
    ['a part of one beyond the bound in rows', rows(5_001, 1, 10), 5_000],
    ['one record that is larger than the bound by itself', rows(2, 1, 9 * MB), 1],
    [
      'what is whole, and leaves the one that does not fit for later',
      [...rows(2, 1, MB), ...rows(5, 2, MB)],
      2,
    ],
    ['several small ones as long as they fit', [...rows(1, 1, MB), ...rows(2, 2, MB), ...rows(2, 3, MB)], 3],
    ['no more than is wanted', [...rows(999, 1, 10), ...rows(2, 2, 10), ...rows(1, 3, 10)], 1_001],
    [
      'one whose flagged record compaction took, by the next',
      [...rows(2, 1, 10, false), ...rows(1, 2, 10, false)],
      2,
    ],
  ])('%s', (_, given, taken) => {
    expect(takeTransactions(incoming(given), bounds)).toBe(taken);
  });

  it('a note that stands in its midst along with it', () => {
    const [first, second] = incoming([{ lsn: 1 }, { lsn: 1, last: true }]) as [Incoming, Incoming];
    expect(takeTransactions([first, takeover(7)], bounds)).toBe(0);
    expect(takeTransactions([first, takeover(7), second], bounds)).toBe(3);
  });
});

describe('a transaction that is applied in parts', () => {
  const transaction = (lsn: number, megabytes: number): Given[] =>
    Array.from({ length: megabytes }, (_, i) => ({ lsn, bytes: MB, last: i === megabytes - 1 }));

  /** @returns what is said after each SQLite transaction */
  function applyAll(given: readonly Given[]): { taken: number; transactions: number; underWay: boolean }[] {
    const records = new PendingRecords({ batchSize: 1_000, txRows: 5_000 });
    const pending = records.of(TOPIC, []);
    const said = [];
    for (const item of incoming(given)) {
      pending.push(item);
      for (let take = 1; take > 0;) {
        take = records.take(pending);
        if (take === 0) break;
        records.applied(TOPIC, pending.slice(0, take));
        said.push({ taken: take, ...records.inParts });
      }
    }
    return said;
  }

  it('counts once, and is under way until its end is applied', () => {
    const most = TX_BYTES / MB;
    expect(applyAll([...transaction(1, 2 * most + 5), ...transaction(2, 1)])).toEqual([
      { taken: most, transactions: 1, underWay: true },
      { taken: most, transactions: 1, underWay: true },
      { taken: 5, transactions: 1, underWay: false },
      { taken: 1, transactions: 1, underWay: false },
    ]);
  });

  it('is never one that fits', () => {
    expect(applyAll([...transaction(1, 3), ...transaction(2, 12)])).toEqual([
      { taken: 3, transactions: 0, underWay: false },
      { taken: 12, transactions: 0, underWay: false },
    ]);
  });
});

it('while the app sells, transactions of ours are small, and those of the centre whole', () => {
  const records = new PendingRecords({ batchSize: 1_000, txRows: 5_000 });
  const single = incoming(Array.from({ length: 3_000 }, (_, n) => ({ lsn: n + 1, last: true })));
  expect(records.take(single, { most: 500 })).toBe(500);
  expect(records.take(single)).toBe(3_000);
  const whole = incoming(Array.from({ length: 2_000 }, (_, n) => ({ lsn: 1, last: n === 1_999 })));
  expect(records.take([...whole, ...single], { most: 500 })).toBe(2_000);
});
