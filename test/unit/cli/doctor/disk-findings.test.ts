/** What doctor makes of the disk of the centre: nothing where there is room, and how long it lasts. */
import { describe, expect, it } from 'vitest';
import { daysText } from '../../../../services/cli/doctor/days-left.ts';
import { diskFindings, type DiskRules } from '../../../../services/cli/doctor/disk-findings.ts';
import type { DiskFacts } from '../../../../services/cli/doctor/disk-facts.ts';
import { bad, DAY_MS, GB, NOW_MS } from './bad.ts';

const disk = (more: Partial<DiskFacts> = {}): DiskFacts => ({
  folder: '/srv/data',
  freeBytes: 100 * GB,
  logBytes: 10 * GB,
  hasDatabase: true,
  ...more,
});
const rules = (more: Partial<DiskRules> = {}): DiskRules => ({
  freeMb: 500,
  logSinceMs: NOW_MS - 10 * DAY_MS,
  walBytesPerDay: GB,
  nowMs: NOW_MS,
  ...more,
});

describe('the disk of the centre', () => {
  it.each<[string, DiskFacts, DiskRules, string[]]>([
    ['with room', disk(), rules(), []],
    [
      'below FREE_MB',
      disk({ freeBytes: GB / 4 }),
      rules(),
      ['error 256.0 MB are free where /srv/data is (FREE_MB is 500)'],
    ],
    [
      'of a machine that keeps nothing',
      disk({ freeBytes: 0, logBytes: null, hasDatabase: false }),
      rules(),
      [],
    ],
    [
      'that the log fills in days',
      disk({ freeBytes: 5 * GB, hasDatabase: false }),
      rules(),
      [
        'warning 5.0 GB are free where /srv/data is; the embedded log has 10.0 GB, and at its growth until now there is room for 5 days',
      ],
    ],
    ['whose log is too young to tell', disk(), rules({ logSinceMs: NOW_MS - 60_000 }), []],
    [
      'whose log does not tell its age',
      disk({ freeBytes: 5 * GB }),
      rules({ logSinceMs: null, walBytesPerDay: 1 }),
      [],
    ],
    [
      'that WAL would fill in days',
      disk({ logBytes: null }),
      rules({ walBytesPerDay: 40 * GB }),
      ['warning were capture to stop, the WAL of 40.0 GB a day would have room for 2 days'],
    ],
    ['whose server counts no WAL yet', disk(), rules({ walBytesPerDay: null }), []],
  ])('%s', (_what, facts, about, expected) => {
    expect(bad(diskFindings(facts, about))).toEqual(expected);
  });

  it('says how much is free where all is well', () => {
    expect(diskFindings(disk(), rules()).map(({ message }) => message)).toEqual([
      '100.0 GB are free where /srv/data is; the embedded log has 10.0 GB, and at its growth until now there is room for 100 days',
      'were capture to stop, the WAL of 1.0 GB a day would have room for 100 days',
    ]);
  });

  it.each([
    [GB, null, null],
    [GB, 0, null],
    [GB, 2 * GB, 'less than a day'],
    [GB, GB / 3, '3 days'],
    [1000 * GB, GB, 'more than a year'],
  ])('%i bytes at %s a day: %s', (free, perDay, expected) => {
    expect(daysText(free, perDay)).toBe(expected);
  });
});
