import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeRecord } from '../../../services/shared/records/change-record.ts';
import { encodeOriginUnits, type AnswerOrigin } from '../../../services/shared/records/origin-units.ts';
import { encodePosition } from '../../../services/shared/records/position.ts';
import {
  exceptionOf,
  fateByProgress,
  judgeProgress,
  mayBeOwnRow,
  newerProgress,
  ownOrigins,
  type Progress,
  progressFromText,
  progressToText,
  readProgress,
  type SeqRange,
  tallyFlush,
} from '../../../services/terminal-agent/settlement.ts';
import { positionAt } from '../../support/down-stream.ts';

const me = { terminal: 'T1', incarnation: 'i1' };
const progress = (more: Partial<Progress> = {}): Progress => ({
  incarnation: 'i1',
  lastSeq: 10,
  lastUnit: 3,
  exceptions: [],
  catalog: positionAt(100),
  chainHash: null,
  standing: { kind: 'ok' },
  at: positionAt(50),
  ...more,
});
const reach = (lsn: number, caughtUp = true) => ({ position: positionAt(lsn), caughtUp });
const record = (after: ChangeRecord['after']) => ({ after, position: positionAt(50) }) as ChangeRecord;

describe('a progress record', () => {
  const row = {
    terminal_id: 'T1',
    incarnation: 'i1',
    last_unit: 3n,
    last_seq: 10n,
    exceptions: '[[2,4,"held"]]',
  };

  it('is read with the catalog position of its header, and only by its till', () => {
    const header = encodePosition(positionAt(100));
    expect(readProgress(record(row), header, 'T1')).toEqual(
      progress({ exceptions: [{ first: 2, last: 4, kind: 'held' }] }),
    );
    const givenUp = record({ ...row, exceptions: '[[2,4,"discarded","a test"]]' });
    expect(readProgress(givenUp, header, 'T1')?.exceptions).toEqual([
      { first: 2, last: 4, kind: 'discarded', reason: 'a test' },
    ]);
    expect(readProgress(record(row), header, 'T2')).toBeNull();
    expect(readProgress(record(null), header, 'T1')).toBeNull();
    expect(() => readProgress(record({ ...row, exceptions: '[[1,2,"odd"]]' }), header, 'T1')).toThrow(
      'exceptions',
    );
  });

  it('survives being stored', () => {
    const stored = progress({ exceptions: [{ first: 2, last: 4, kind: 'rejected' }] });
    expect(progressFromText(progressToText(stored))).toEqual(stored);
  });

  it('settles only when both streams are where it stood, and never while one is read from its beginning', () => {
    const streams = (catalog: number, catalogDone = true, storeDone = true) => ({
      catalog: reach(catalog, catalogDone),
      store: reach(500, storeDone),
    });
    expect(judgeProgress(progress(), me, 10, streams(99))).toBe('wait');
    expect(judgeProgress(progress(), me, 10, streams(100))).toBe('settle');
    expect(judgeProgress(progress(), me, 10, streams(100, false))).toBe('wait');
    expect(judgeProgress(progress(), me, 10, streams(100, true, false))).toBe('wait');
  });

  it('of another incarnation concerns nobody here; one that counts too much says this file is an older copy', () => {
    const streams = { catalog: reach(100), store: reach(100) };
    expect(judgeProgress(progress({ incarnation: 'old' }), me, 10, streams)).toBe('foreign');
    expect(judgeProgress(progress(), me, 9, streams)).toBe('ahead');
  });

  it('never gives way to an older one of the same incarnation', () => {
    const older = progress({ lastSeq: 9, catalog: positionAt(90) });
    expect(newerProgress(progress(), older)).toEqual(progress());
    expect(newerProgress(older, progress())).toEqual(progress());
    expect(newerProgress(progress(), { ...older, incarnation: 'i2' }).incarnation).toBe('i2');
  });

  it('tells the fate of every seq by its ranges', () => {
    const kinds = fc.constantFrom('held' as const, 'rejected' as const, 'discarded' as const);
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 5 }), kinds), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(steps, (list) => {
        let at = 0;
        const ranges: SeqRange[] = list.map(([gap, length, kind]) => {
          const first = at + gap;
          at = first + length;
          return { first, last: at, kind };
        });
        const wanted = progress({ lastSeq: at + 2, exceptions: ranges });
        for (let seq = 0; seq <= at + 3; seq += 1) {
          const inside = ranges.find(({ first, last }) => first <= seq && seq <= last)?.kind;
          expect(exceptionOf(ranges, seq)).toBe(inside);
          expect(fateByProgress(wanted, seq)).toBe(seq > at + 2 ? 'open' : (inside ?? 'applied'));
        }
      }),
    );
  });
});

describe('a row that is new here', () => {
  const fromCatalog = { position: positionAt(100), fromCatalog: true, ownOrigin: false };

  it('may be the till’s own while an insert has no link and the store stream is behind', () => {
    expect(mayBeOwnRow(fromCatalog, true, reach(99))).toBe(true);
    expect(mayBeOwnRow(fromCatalog, true, reach(100))).toBe(false);
    expect(mayBeOwnRow(fromCatalog, true, reach(500, false))).toBe(true);
  });

  it('is not, without open inserts, from the store stream, or when it answers a change of this till', () => {
    expect(mayBeOwnRow(fromCatalog, false, reach(1))).toBe(false);
    expect(mayBeOwnRow({ ...fromCatalog, fromCatalog: false }, true, reach(1))).toBe(false);
    expect(mayBeOwnRow({ ...fromCatalog, ownOrigin: true }, true, reach(1))).toBe(false);
  });
});

describe('the origins of a record that count', () => {
  const hash = (fill: number) => Buffer.alloc(32, fill);
  const own = { terminal: 'T1', incarnation: 'i1', seq: 4, outcome: 'applied' as const, unitHash: hash(1) };
  const units = { hashHolding: (seq: number) => (seq <= 5 ? hash(1) : undefined) };
  const counting = (...origins: AnswerOrigin[]) =>
    ownOrigins({ origins, units: encodeOriginUnits(origins) }, me, units);

  it('name this file, and a unit that it has cut', () => {
    const others: AnswerOrigin[] = [
      { ...own, terminal: 'T2' },
      { ...own, incarnation: 'i0' },
      { ...own, unitHash: hash(2) },
      { ...own, unitHash: null },
      { ...own, seq: 6 },
    ];
    expect(counting(...others, own, { ...own, seq: 5 })).toEqual([own, { ...own, seq: 5 }]);
    expect(counting()).toEqual([]);
  });

  it('are none in a record of a centre that does not name units, or not as many', () => {
    expect(ownOrigins({ origins: [own], units: undefined }, me, units)).toEqual([]);
    expect(ownOrigins({ origins: [own, own], units: encodeOriginUnits([own]) }, me, units)).toEqual([own]);
  });
});

it('a flush counts changes by table and outcome, and what is open as held only where the centre says so', () => {
  const entries = [
    { table: 'orders', seq: 1, outcome: 'applied' as const },
    { table: 'orders', seq: 2, outcome: 'applied' as const },
    { table: 'products', seq: 3, outcome: 'lost' as const },
    { table: 'products', seq: 4, outcome: null },
    { table: 'products', seq: 5, outcome: null },
  ];
  const held = progress({ exceptions: [{ first: 4, last: 4, kind: 'held' }] });
  const report = tallyFlush(entries, held);
  expect(report).toMatchObject({ published: 5, applied: 2, lost: 1, held: 1, rejected: 0 });
  expect(report.tables['orders']).toMatchObject({ published: 2, applied: 2, lost: 0 });
  expect(report.tables['products']).toMatchObject({ published: 3, lost: 1, held: 1 });
});
