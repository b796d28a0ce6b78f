/** What doctor makes of a till's report: nothing where it is well, and each trouble with a way out. */
import { describe, expect, it } from 'vitest';
import type { TerminalStatus } from '../../../../services/gateway/status.ts';
import { parityFindings, tillFindings } from '../../../../services/cli/doctor/till-findings.ts';
import type { AgentStatus } from '../../../../services/shared/agent-protocol.ts';
import { networkOf } from '../../../../services/terminal-agent/till/file-place.ts';
import { ago, bad, DAY_MS, GB, NOW_MS } from './bad.ts';

const agent = (more: Partial<AgentStatus> = {}): AgentStatus => ({
  state: 'ready',
  why: null,
  mode: 'stream',
  incarnation: 'i',
  version: '1.0.0',
  mappingVersion: 4,
  outbox: { depth: 0, oldestUnsettledMs: null },
  streams: [],
  parked: 0,
  missingTables: [],
  checkpoints: [],
  file: { journalMode: 'wal', freeBytes: 10 * GB, network: null },
  ...more,
});
const till = (more: Partial<TerminalStatus> = {}): TerminalStatus => ({
  terminalId: 'T1',
  storeId: 'north',
  status: 'enrolled',
  why: null,
  since: null,
  partition: 0,
  keyVersion: 1,
  registeredAt: ago(DAY_MS),
  enrolledAt: ago(DAY_MS),
  lastSeenAt: ago(1_000),
  lastUnit: 1,
  lastSeq: 1,
  held: 0,
  deadLetters: 0,
  notAllowed: 0,
  evidenceGone: 0,
  waits: [],
  online: true,
  mode: 'stream',
  pullLagMs: 0,
  pushLagMs: 0,
  verified: null,
  agent: agent(),
  ...more,
});
const wait = {
  code: 'CENTRE_CAUSE',
  sqlState: '53100',
  table: 'sales',
  constraint: null,
  since: ago(DAY_MS),
  tries: 3,
} as const;

const rules = {
  nowMs: NOW_MS,
  mappingVersion: 4,
  version: '1.0.0',
  freeMb: 500,
  horizonDays: 14,
  isConnectionKnown: true,
};

describe('a till', () => {
  it.each<[string, TerminalStatus, (string | RegExp)[]]>([
    ['that is well', till(), []],
    ['whose agent is of the version before', till({ agent: agent({ file: undefined }) }), []],
    ['that was retired', till({ status: 'retired', online: false, deadLetters: 3 }), []],
    ['that is fenced', till({ status: 'fenced', why: 'a clone' }), ['error T1 is fenced: a clone']],
    [
      'that nobody has bootstrapped',
      till({ agent: agent({ earlierRows: [{ table: 'orders', rows: 160, waits: true }] }) }),
      ['warning T1 has rows from before it was connected that have no link to the centre: orders 160'],
    ],
    [
      'that never enrolled',
      till({ status: 'registered', online: false, agent: null }),
      ['warning T1 is registered and not enrolled'],
    ],
    [
      'that was never seen',
      till({ online: false, lastSeenAt: null, agent: null }),
      ['warning T1 was never seen'],
    ],
    [
      'that is offline',
      till({ online: false, lastSeenAt: ago(3 * DAY_MS), agent: null }),
      ['warning T1 is offline for 3 d'],
    ],
    [
      'that waits',
      till({ waits: [wait], held: 7 }),
      [/^error CENTRE_CAUSE T1 waits since \S+: 53100 at sales$/],
    ],
    ['with records held without a cause', till({ held: 2 }), ['error T1 has 2 records held']],
    [
      'with letters',
      till({ deadLetters: 3, notAllowed: 1, evidenceGone: 2 }),
      [
        'error T1 has 3 open dead letters, 1 of them changes that it may not make, 2 of them of a restored file, older than the evidence',
      ],
    ],
    [
      'with an old sale',
      till({ agent: agent({ outbox: { depth: 5, oldestUnsettledMs: NOW_MS - 3_600_000 } }) }),
      ['warning T1 has 5 changes without an answer, the oldest for 1.0 h'],
    ],
    [
      'with a young sale',
      till({ agent: agent({ outbox: { depth: 5, oldestUnsettledMs: NOW_MS - 60_000 } }) }),
      [],
    ],
    [
      'that waits for images',
      till({ agent: agent({ state: 'catching up', why: 'rows of x are awaited' }) }),
      ['warning T1 rows of x are awaited'],
    ],
    [
      'with parked rows',
      till({ agent: agent({ parked: 4 }) }),
      ['warning T1 keeps 4 rows of the centre waiting'],
    ],
    [
      'with tables in need of a look',
      till({
        agent: agent({
          missingTables: ['a', 'b'],
          uninstallableTables: [{ table: 'c', why: 'no key' }],
          restingTriggers: [{ table: 'd', why: 'it fails' }],
          vanishedRows: [{ table: 'e', rows: 9 }],
        }),
      }),
      [
        'warning T1 lacks mapped tables: a, b',
        'error T1 does not capture c: no key',
        'warning T1 keeps triggers of the app on d still: it fails',
        'error T1 has a table in need of a look: 9 rows of e are gone without a word',
      ],
    ],
    [
      'whose file lies badly',
      till({ agent: agent({ file: { journalMode: 'delete', freeBytes: GB / 4, network: 'NFS' } }) }),
      [
        'error T1 has its payflow.db on a network path (NFS)',
        'warning T1 keeps payflow.db in journal mode delete',
        'error T1 has 256.0 MB left on its disk (FREE_MB is 500)',
      ],
    ],
    [
      'of other versions',
      till({ agent: agent({ version: '0.9.0', mappingVersion: 3 }) }),
      [
        'warning T1 works by mapping 3, the centre by 4',
        'warning T1 runs payflow-sync 0.9.0, the centre 1.0.0',
      ],
    ],
    [
      'that can not read the mapping',
      till({ agent: agent({ version: '0.9.0', unreadMapping: { version: 4, why: 'policy x' } }) }),
      [`error T1 can't read mapping 4: policy x`],
    ],
  ])('%s', (_what, status, expected) => {
    const found = bad(tillFindings(status, rules));
    expect(found).toHaveLength(expected.length);
    for (const [at, text] of expected.entries()) {
      if (typeof text === 'string') expect(found[at]).toBe(text);
      else expect(found[at]).toMatch(text);
    }
  });

  it('is not called offline where nobody was asked, and what the centre has of it is said all the same', () => {
    const status = till({ online: false, lastSeenAt: ago(3 * DAY_MS), agent: null, deadLetters: 1 });
    expect(bad(tillFindings(status, { ...rules, isConnectionKnown: false }))).toEqual([
      'error T1 has 1 open dead letters',
    ]);
  });

  it('that is away for long is told when it has to begin anew', () => {
    const remedyAfter = (days: number) =>
      tillFindings(till({ online: false, lastSeenAt: ago(days * DAY_MS) }), rules)[0]?.remedy;
    expect(remedyAfter(8)).toContain('After 14 days');
    expect(remedyAfter(6)).not.toContain('14 days');
  });

  it('whose tables do not fit is an error by the first mismatch, else a warning by their number', () => {
    const finding = (kind: 'mismatch' | 'warning', message: string) => ({
      kind,
      table: 't',
      code: 'c',
      message,
      remedy: 'r',
    });
    expect(bad(parityFindings('T1', []))).toEqual([]);
    expect(bad(parityFindings('T1', [finding('warning', 'w'), finding('warning', 'v')]))).toEqual([
      'warning T1 has 2 parity warnings',
    ]);
    expect(
      bad(
        parityFindings('T1', [finding('warning', 'w'), finding('mismatch', 'm'), finding('mismatch', 'n')]),
      ),
    ).toEqual([`error T1 can't sync: m, and 1 more`]);
  });

  it.each([
    ['/srv/till/payflow.db', 0xef53, null],
    ['/mnt/share/payflow.db', 0x6969, 'NFS'],
    ['/mnt/share/payflow.db', -11317950, 'CIFS'],
    ['\\\\server\\tills\\payflow.db', 0, 'a shared folder of Windows'],
    ['//server/tills/payflow.db', 0, 'a shared folder of Windows'],
    ['C:\\till\\payflow.db', 0, null],
    ['\\\\?\\C:\\till\\payflow.db', 0, null],
  ])('%s on a file system %i: %s', (path, type, expected) => {
    expect(networkOf(path, type)).toBe(expected);
  });
});
