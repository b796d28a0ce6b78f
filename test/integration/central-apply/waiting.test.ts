/** When tills that are apart are tried: in turns, and one that costs much seldom. */
import { expect, test } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { Group, GroupResult } from '../../../services/central-apply/group.ts';
import { Waiting } from '../../../services/central-apply/waiting.ts';
import { useCentre } from '../../support/apply-site.ts';
import { silentLog } from '../../support/centre.ts';

const centre = useCentre();

const GROUP: Group = {
  records: [],
  refused: [],
  heldIds: [],
  consumed: { topic: 'up', partition: 3, nextOffset: 1, streamId: null },
  apart: new Set(),
};

function refusedOf(terminal: string): GroupResult {
  return {
    units: 0,
    changes: 0,
    duplicateUnits: 0,
    heldRecords: 1,
    refusedRecords: 0,
    outcomes: new Map(),
    foreign: [],
    withHeld: new Set([terminal]),
    stopped: [],
    refusedTills: [terminal],
    passed: new Set(),
  };
}

/** What a look came to that found something of a till's to apply. */
const went = (terminal: string): [Group, GroupResult] => [
  { ...GROUP, heldIds: ['1'], records: [{ record: { terminal } }] as unknown as Group['records'] },
  { ...refusedOf(terminal), refusedTills: [], withHeld: new Set() },
];

test('a till behind a gap is apart after eight looks in vain, and no more once it goes on or sends nothing', () => {
  let nowMs = 0;
  const waiting = new Waiting({ pool: centre.pool, log: silentLog, elapsedMs: () => nowMs });
  const look = (terminal: string, times: number) => {
    for (let time = 0; time < times; time += 1) waiting.lookedInVain(terminal);
    return waiting.isApart(terminal);
  };
  expect(look('gap', 7)).toBe(false);
  waiting.note(...went('gap'));
  expect(look('gap', 7)).toBe(false);
  expect(look('other', 7)).toBe(false);
  expect(look('gap', 1)).toBe(true);
  expect([...waiting.apart]).toEqual(['gap']);
  nowMs += 60_000;
  expect(waiting.isApart('gap')).toBe(false);
});

test('a till whose refused rows take long rests four times as long, and another has its turn meanwhile', async () => {
  let nowMs = 0;
  const tried: string[] = [];
  const waiting = new Waiting({ pool: centre.pool, log: silentLog, elapsedMs: () => nowMs });
  const stop = new AbortController();
  waiting.note(GROUP, refusedOf('slow'));
  const trying = waiting.tryAll(3, stop.signal, (terminal) => {
    tried.push(terminal);
    nowMs += terminal === 'slow' ? 500 : 10;
    return Promise.resolve();
  });
  await until(() => tried.length === 1, 'the slow one is tried');
  waiting.note(GROUP, refusedOf('other'));
  await until(() => tried.length === 2, 'the other one is tried while it rests');
  nowMs += 4 * 10;
  await until(() => tried.length === 3, 'the other one is tried again');
  expect(tried).toEqual(['slow', 'other', 'other']);
  nowMs = 500 + 4 * 500;
  await until(() => tried.includes('slow', 3), 'the slow one has its turn again');
  stop.abort();
  await trying;
});
