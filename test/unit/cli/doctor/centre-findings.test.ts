/** What doctor makes of facts: nothing of what is well, and each trouble with its level and a way out. */
import { describe, expect, it } from 'vitest';
import type { SystemStatus } from '../../../../services/gateway/status.ts';
import {
  attentionFindings,
  readinessFindings,
  setupFindings,
  stateFindings,
  tableFindings,
} from '../../../../services/cli/doctor/centre-findings.ts';
import type { DatabaseFacts, SlotFacts } from '../../../../services/cli/doctor/database-facts.ts';
import { databaseFindings } from '../../../../services/cli/doctor/database-findings.ts';
import { logFindings } from '../../../../services/cli/doctor/log-findings.ts';
import { DEFAULT_UP_PARTITIONS } from '../../../../services/shared/log/topics.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { ago, bad, GB } from './bad.ts';

const slot = (more: Partial<SlotFacts> = {}): SlotFacts => ({
  name: 'payflow_capture',
  isOurs: true,
  active: true,
  keptBytes: 1000,
  walStatus: 'reserved',
  safeBytes: null,
  ...more,
});
const database = (more: Partial<DatabaseFacts> = {}): DatabaseFacts => ({
  version: '17.2',
  versionNumber: 170_002,
  answeredMs: 4,
  isReplica: false,
  walLevel: 'logical',
  slotsFree: 3,
  sendersFree: 3,
  clockOffsetMs: 20,
  walBytesPerDay: null,
  seesSessions: true,
  waitsForCapture: false,
  partitionsRead: DEFAULT_UP_PARTITIONS,
  slots: [slot()],
  sessions: [],
  missingRights: [],
  ...more,
});
const session = {
  pid: 41,
  application: 'psql',
  login: 'dba',
  openMs: 600_000,
  isIdle: true,
  keepsWaiting: 0,
};

describe('PostgreSQL', () => {
  it.each<[string, Partial<DatabaseFacts>, string[]]>([
    ['that is well', {}, []],
    ['of an old version', { version: '13.4', versionNumber: 130_004 }, ['error PostgreSQL 13.4 is too old']],
    ['of the oldest version', { version: '14.0', versionNumber: 140_000 }, []],
    ['that is a replica', { isReplica: true }, ['error this server is a replica']],
    ['without logical WAL', { walLevel: 'replica' }, ['error DB_WAL_LEVEL wal_level is replica']],
    ['whose slots are used up by ours', { slotsFree: 0, sendersFree: 0 }, []],
    [
      'without a place for ours',
      { slotsFree: 0, sendersFree: 0, slots: [] },
      ['error no replication slot is free', 'error no WAL sender is free'],
    ],
    ['whose clock is off', { clockOffsetMs: -7_000 }, [`warning its clock is 7.0 s behind this machine's`]],
    ['whose clock can not be told by a slow answer', { clockOffsetMs: 7_000, answeredMs: 6_000 }, []],
    [
      'whose slot nobody reads',
      { slots: [slot({ active: false })] },
      ['error slot payflow_capture keeps 1000 B of WAL, and no capture reads it'],
    ],
    [
      'that is about to drop it',
      { slots: [slot({ active: false, keptBytes: 9 * GB, safeBytes: GB / 2 })] },
      [
        'error slot payflow_capture keeps 9.0 GB of WAL, and no capture reads it; PostgreSQL drops it after 512.0 MB more',
      ],
    ],
    [
      'that is about to drop one that is read',
      { slots: [slot({ keptBytes: 9 * GB, safeBytes: GB / 2 })] },
      ['error slot payflow_capture keeps 9.0 GB of WAL; PostgreSQL drops it after 512.0 MB more'],
    ],
    ['that keeps little by a small limit', { slots: [slot({ safeBytes: GB / 2 })] }, []],
    [
      'with much WAL',
      { slots: [slot({ keptBytes: 2 * GB })] },
      ['warning slot payflow_capture keeps 2.0 GB of WAL'],
    ],
    [
      'that has dropped it',
      { slots: [slot({ active: false, walStatus: 'lost', keptBytes: null })] },
      ['error SLOT_LOST slot payflow_capture was invalidated'],
    ],
    [
      'with slots of others',
      { slots: [slot(), slot({ isOurs: false, name: 'dwh', active: true, keptBytes: 5 * GB })] },
      [],
    ],
    [
      'with a slot that somebody forgot',
      {
        slots: [
          slot(),
          slot({ isOurs: false, name: 'dwh', active: false, keptBytes: 5 }),
          slot({ isOurs: false, name: 'gone', active: false, keptBytes: null, walStatus: 'lost' }),
        ],
      },
      ['warning slot dwh of another keeps 5 B, and nobody reads it'],
    ],
    [
      'with an open session',
      { sessions: [session] },
      [
        `warning session 41 (psql, dba) is idle in a transaction for 10 min: the WAL since then is kept, and tables can't be altered`,
      ],
    ],
    [
      'with one that keeps ours waiting',
      { sessions: [{ ...session, application: '', isIdle: false, openMs: 2_000, keepsWaiting: 2 }] },
      ['error session 41 (dba) is in one transaction for 2.0 s and keeps 2 of ours waiting'],
    ],
    [
      'that lacks rights',
      {
        missingRights: [
          { service: 'apply', login: 'app', name: 'public.sales', rights: ['INSERT', 'UPDATE'] },
        ],
      },
      ['error app (apply) lacks INSERT, UPDATE on public.sales'],
    ],
    [
      'whose slot nobody reads, by the days that are left to it',
      { slots: [slot({ active: false, safeBytes: 50 * GB })], walBytesPerDay: 20 * GB },
      [
        'error slot payflow_capture keeps 1000 B of WAL, and no capture reads it; PostgreSQL drops it after 50.0 GB more (2 days)',
      ],
    ],
    ['without central-apply', { partitionsRead: 0 }, ['error no central-apply is connected']],
    [
      'with partitions that nobody reads',
      { partitionsRead: 3 },
      [`warning central-apply reads 3 of ${DEFAULT_UP_PARTITIONS} partitions of the up stream`],
    ],
    [
      'that takes capture for a standby',
      { waitsForCapture: true },
      ['error commits of the centre wait for capture as if it were a standby'],
    ],
    [
      'that keeps its sessions to itself',
      { seesSessions: false },
      ['warning this login is not told which sessions keep others waiting'],
    ],
  ])('%s', (_what, facts, expected) => {
    expect(bad(databaseFindings(database(facts), 5_000))).toEqual(expected);
  });
});

describe('the log', () => {
  const topics = (...replicas: (number | null)[]) =>
    logFindings({
      kind: 'kafka',
      answeredMs: 3,
      sinceMs: null,
      missing: [],
      topics: replicas.map((count, at) => ({ topic: `payflow.${at}`, replicas: count })),
    });

  it('stands on three brokers, or what may be lost is said', () => {
    expect(bad(topics(3, 3, 5))).toEqual([]);
    expect(bad(topics(3, 1, 2))).toEqual([
      'warning payflow.1, payflow.2 stand on 1 of 3 brokers: one that fails may lose sales',
    ]);
  });

  it('that tells nothing of its topics is no fault of theirs', () => {
    expect(bad(topics(null, null, null, null, null))).toEqual([
      'warning how payflow.0, payflow.1, payflow.2 and 2 more are kept is not told to this login',
    ]);
  });

  const embedded = { kind: 'embedded', answeredMs: 1, sinceMs: 1, missing: [] } as const;

  it.each(['kafka', 'embedded'] as const)('%s: topics that are gone are named, in one line', (kind) => {
    const missing = ['p.catalog', 'p.up', 'p.schemas', 'p.store.north'];
    expect(bad(logFindings({ ...embedded, kind, topics: [], missing }))).toEqual([
      'error LOG_TOPIC_MISSING not there: p.catalog, p.up, p.schemas and 1 more',
    ]);
  });

  it('that is embedded has one place by its nature', () => {
    expect(bad(logFindings({ ...embedded, topics: [{ topic: 'a', replicas: 1 }] }))).toEqual([]);
  });
});

describe('the centre', () => {
  const status = (more: Partial<SystemStatus> = {}): SystemStatus => ({
    databaseId: 'd',
    epoch: 1,
    mappingVersion: 4,
    slot: { name: 's', exists: true, active: true, lagBytes: 0, walStatus: 'reserved', safeWalBytes: null },
    streams: [],
    topics: [],
    tables: [],
    deadLetters: 0,
    held: 0,
    conflicts: 0,
    refusedRecords: 0,
    openJobs: 0,
    terminals: [],
    ...more,
  });
  const since = ago(0);

  it('says what stands against its tables, topics and streams, each once', () => {
    const stream = { lastOffset: 1, position: '1', updatedAt: since };
    expect(
      bad(
        stateFindings(
          status({
            tables: [{ table: 'goods', code: 'TABLE_MISSING', message: 'it was dropped', since }],
            topics: [
              {
                topic: 'payflow.up',
                code: 'LOG_TOPIC_SETTINGS',
                message: 'payflow.up is kept for a day',
                since,
              },
            ],
            streams: [
              { ...stream, topic: 'a', problem: 'SLOT_LOST' },
              { ...stream, topic: 'b', problem: 'SLOT_LOST' },
              { ...stream, topic: 'c' },
            ],
          }),
        ),
      ),
    ).toEqual([
      'error TABLE_MISSING goods: it was dropped',
      'error LOG_TOPIC_SETTINGS payflow.up is kept for a day',
      'error SLOT_LOST noted with b',
    ]);
  });

  it('a mapped table that is not there is said once, whether capture has noted it or not', () => {
    const mapping = parseMapping(
      'version: 1\ntables:\n' + ['a', 'b', 'c'].map((table) => `  ${table}: {scope: global}\n`).join(''),
    );
    const tables = [{ table: 'b', code: 'TABLE_MISSING', message: 'it was dropped', since }];
    expect(bad(tableFindings(mapping, new Map([['a', {}]]), status({ tables })))).toEqual([
      'error TABLE_MISSING there is no table c',
    ]);
  });

  it('a code of a newer version is shown as it is', () => {
    const tables = [{ table: 'goods', code: 'TABLE_HAUNTED', message: 'it moves', since }];
    expect(stateFindings(status({ tables })).map(({ code, message }) => [code, message])).toEqual([
      [null, 'TABLE_HAUNTED: goods: it moves'],
    ]);
  });

  it('says what waits for a person', () => {
    expect(bad(attentionFindings(status()))).toEqual([]);
    expect(
      bad(attentionFindings(status({ deadLetters: 1, held: 2, refusedRecords: 3, conflicts: 4 }))),
    ).toEqual([
      'error 1 dead letters are open',
      'error 2 records are held',
      'error 3 records were refused whole',
      'warning 4 conflicts were decided by the rules',
    ]);
  });

  it('says what setup would do, and which part of it is not ready', () => {
    expect(bad(setupFindings([]))).toEqual([]);
    expect(bad(setupFindings(['topic a']))).toEqual([
      'error missing or otherwise than it has to be: topic a',
    ]);
    const parts = [
      { name: 'database', ready: true },
      { name: 'capture', ready: false, problem: 'SLOT_LOST' },
      { name: 'tables', ready: false },
    ];
    expect(bad(readinessFindings({ ready: false, parts }))).toEqual([
      'error capture is not ready: SLOT_LOST',
      'error tables is not ready: no reason given',
    ]);
  });
});
