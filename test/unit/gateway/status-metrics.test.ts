/** What Prometheus is told of tills and centre. */
import { describe, expect, it } from 'vitest';
import type { SystemStatus, TerminalStatus } from '../../../services/gateway/status.ts';
import { STATUS_METRICS } from '../../../services/gateway/status-metrics.ts';

const NOW_MS = Date.UTC(2026, 10, 27);

function till(terminalId: string, more: Partial<TerminalStatus> = {}): TerminalStatus {
  return {
    terminalId,
    storeId: 'north',
    status: 'enrolled',
    why: null,
    since: null,
    partition: 0,
    keyVersion: 1,
    registeredAt: '',
    enrolledAt: null,
    lastSeenAt: new Date(NOW_MS - 90_000).toISOString(),
    lastUnit: 1,
    lastSeq: 1,
    held: 2,
    deadLetters: 3,
    notAllowed: 0,
    evidenceGone: 0,
    waits: [],
    verified: null,
    online: true,
    mode: 'stream',
    pullLagMs: 1_500,
    pushLagMs: null,
    agent: {
      state: 'ready',
      mode: 'stream',
      incarnation: 'i',
      version: '1',
      mappingVersion: 1,
      outbox: { depth: 4, oldestUnsettledMs: null },
      streams: [{ topic: 'payflow.catalog', position: '1:0/1:0', nextOffset: 17, lagMs: null }],
      parked: 5,
      missingTables: [],
      checkpoints: [],
    },
    ...more,
  };
}

const status = (terminals: readonly TerminalStatus[], safeWalBytes: number | null = null): SystemStatus => ({
  databaseId: 'd',
  epoch: 1,
  mappingVersion: 1,
  slot: { name: 's', exists: true, active: true, lagBytes: 10, walStatus: null, safeWalBytes },
  streams: [],
  topics: [],
  tables: [],
  deadLetters: 3,
  held: 2,
  conflicts: 1,
  refusedRecords: 0,
  openJobs: 0,
  terminals,
});

const samples = (name: string, of: SystemStatus) => {
  const metric = STATUS_METRICS.find((each) => each.name === name);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  return metric.samples(of, NOW_MS);
};

describe('of a till', () => {
  const T1 = { terminal: 'T1', store: 'north' };

  it.each([
    ['payflow_terminal_online', 1],
    ['payflow_terminal_pull_lag_seconds', 1.5],
    ['payflow_terminal_outbox_changes', 4],
    ['payflow_terminal_parked_rows', 5],
    ['payflow_terminal_seen_seconds', 90],
    ['payflow_terminal_held_records', 2],
    ['payflow_terminal_dead_letters', 3],
  ])('%s is %d', (name, value) => {
    expect(samples(name, status([till('T1')]))).toEqual([{ labels: T1, value }]);
  });

  it('what nobody knows is absent, not zero', () => {
    const silent = till('T1', { agent: null, pullLagMs: null, lastSeenAt: null, online: false });
    for (const name of [
      'pull_lag_seconds',
      'push_lag_seconds',
      'outbox_changes',
      'next_offset',
      'seen_seconds',
    ])
      expect(samples(`payflow_terminal_${name}`, status([silent]))).toEqual([]);
    expect(samples('payflow_terminal_online', status([silent]))).toEqual([{ labels: T1, value: 0 }]);
  });

  it('its offsets stand by topic', () => {
    expect(samples('payflow_terminal_next_offset', status([till('T1')]))).toEqual([
      { labels: { ...T1, topic: 'payflow.catalog' }, value: 17 },
    ]);
  });

  it.each<[string, Partial<TerminalStatus>]>([
    ['ready', {}],
    ['offline', { online: false }],
    ['offline', { agent: null }],
    ['fenced', { status: 'fenced' }],
    ['registered', { status: 'registered', agent: null, online: false }],
    ['retiring', { status: 'retiring' }],
  ])('it is %s where it is %o', (state, more) => {
    expect(samples('payflow_terminal_state', status([till('T1', more)]))).toEqual([
      { labels: { ...T1, state }, value: 1 },
    ]);
  });

  it('one that was retired is told no more', () => {
    const of = status([till('T1', { status: 'retired' })]);
    const told = STATUS_METRICS.filter(({ labelNames }) => labelNames.includes('terminal'));
    expect(told.length).toBeGreaterThan(8);
    expect(told.flatMap((metric) => metric.samples(of, NOW_MS))).toEqual([]);
  });
});

describe('of the centre', () => {
  it.each([
    ['payflow_dead_letters', 3],
    ['payflow_held_records', 2],
    ['payflow_unresolved_conflicts', 1],
    ['payflow_fenced_terminals', 1],
    ['payflow_slot_active', 1],
    ['payflow_slot_lag_bytes', 10],
    ['payflow_slot_safe_bytes', 99],
  ])('%s is %d', (name, value) => {
    const of = status([till('T1', { status: 'fenced' }), till('T2')], 99);
    expect(samples(name, of)).toEqual([{ labels: {}, value }]);
  });

  it('a slot without a limit has no bytes left to count', () => {
    expect(samples('payflow_slot_safe_bytes', status([]))).toEqual([]);
  });

  it('every metric has a name of its own, as Prometheus wants it', () => {
    const names = STATUS_METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^payflow_[a-z_]+[a-z]$/);
  });
});
