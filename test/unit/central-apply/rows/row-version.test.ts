import { expect, test } from 'vitest';
import {
  columnsFromJson,
  columnsToJson,
  headOfficeVersion,
  isBehind,
  isLater,
  latestOf,
  LONG_AGO,
  versionOf,
  type RowVersion,
  type ValueVersion,
} from '../../../../services/central-apply/rows/row-version.ts';
import { CENTRE } from '../../../../services/central-apply/rows/standing.ts';

const by = (writer: string, clockMs: number, lsn = 0n): ValueVersion => ({
  clockMs,
  writer,
  seq: 7,
  at: { epoch: 1, lsn },
});
const stored: RowVersion = { rest: by('T1', 10), columns: new Map([['name', by('T2', 30, 5n)]]) };

test('a column that a till wrote since has its own clock and writer, every other that of the rest', () => {
  expect([versionOf(stored, 'name').writer, versionOf(stored, 'note').writer]).toEqual(['T2', 'T1']);
  expect(latestOf(stored)).toEqual(by('T2', 30, 5n));
});

test('a tie goes to head office, then to the higher terminal id, and never to both', () => {
  expect(isLater(by(CENTRE, 1), by('T9', 1))).toBe(true);
  expect(isLater(by('T9', 1), by(CENTRE, 1))).toBe(false);
  expect(isLater(by('T2', 1), by('T1', 1))).toBe(true);
  expect(isLater(by('T1', 1), by('T2', 1))).toBe(false);
  expect(isLater(by('T1', 1), by('T1', 1))).toBe(false);
  expect(isLater(by('T1', 2), by(CENTRE, 1))).toBe(true);
});

test('what head office changed takes the timestamp, not before what a till wrote and never beyond now', () => {
  const clock = (version: RowVersion | null, timestamp: number | null) =>
    headOfficeVersion(version, timestamp, 1_000).rest.clockMs;
  expect([clock(null, 500), clock(stored, 500), clock(stored, 20), clock(stored, null)]).toEqual([
    500, 500, 30, 30,
  ]);
  expect([clock(null, 9_999_999), clock(null, null)]).toEqual([1_000, 0]);
  expect(headOfficeVersion(stored, 500, 1_000).columns.size).toBe(0);
});

test('a value is behind an image by the place in the WAL, and what nobody took down is behind none', () => {
  expect(isBehind(by('T1', 0, 6n), { epoch: 1, lsn: 5n })).toBe(true);
  expect(isBehind(by('T1', 0, 5n), { epoch: 1, lsn: 5n })).toBe(false);
  expect(isBehind(by('T1', 0, 6n), { epoch: 2, lsn: 0n })).toBe(false);
  expect(isBehind({ ...by('T1', 0), at: LONG_AGO }, { epoch: 0, lsn: 0n })).toBe(false);
});

test('is read as it was stored', () => {
  expect(columnsFromJson(columnsToJson(stored.columns))).toEqual(stored.columns);
  expect([columnsToJson(new Map()), columnsFromJson(null).size]).toEqual([null, 0]);
});
