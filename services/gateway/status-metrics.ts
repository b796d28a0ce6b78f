/** How all tills and the centre are doing, for Prometheus: what a scrape finds is what `status` says at that moment. */
import { gauge } from '../shared/metrics.ts';
import type { GatewayContext } from './context.ts';
import { systemStatus, type SystemStatus, type TerminalStatus } from './status.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface StatusMetric {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly samples: (status: SystemStatus, nowMs: number) => readonly Sample[];
}

/** Scrapes of several collectors, and of a stranger, share one look. */
const SHARED_MS = 2_000;

const ofCentre = (value: (status: SystemStatus) => number | null) => ({
  labelNames: [],
  samples: (status: SystemStatus): Sample[] => {
    const now = value(status);
    return now === null ? [] : [{ labels: {}, value: now }];
  },
});

/** Nothing of a till of which it is not known, and nothing of one that was retired. */
const ofTills = (value: (till: TerminalStatus, nowMs: number) => number | null | undefined) => ({
  labelNames: ['terminal', 'store'],
  samples: ({ terminals }: SystemStatus, nowMs: number): Sample[] =>
    active(terminals).flatMap((till) => {
      const now = value(till, nowMs);
      return now == null ? [] : [{ labels: labelsOf(till), value: now }];
    }),
});

export const STATUS_METRICS: readonly StatusMetric[] = [
  {
    name: 'payflow_terminal_online',
    help: '1 while the till’s agent is connected to this gateway.',
    ...ofTills(({ online }) => Number(online)),
  },
  {
    name: 'payflow_terminal_state',
    help: '1 for the state that the till is in.',
    labelNames: ['terminal', 'store', 'state'],
    samples: ({ terminals }) =>
      active(terminals).map((till) => ({ labels: { ...labelsOf(till), state: stateOf(till) }, value: 1 })),
  },
  {
    name: 'payflow_terminal_pull_lag_seconds',
    help: 'Age of the till’s oldest change without an answer, as last reported; 0 when all is settled.',
    ...ofTills(({ pullLagMs }) => secondsOf(pullLagMs)),
  },
  {
    name: 'payflow_terminal_push_lag_seconds',
    help: 'From the commit at the centre of the newest applied record until it was applied on the till.',
    ...ofTills(({ pushLagMs }) => secondsOf(pushLagMs)),
  },
  {
    name: 'payflow_terminal_outbox_changes',
    help: 'Changes of the till without an answer, as last reported.',
    ...ofTills(({ agent }) => agent?.outbox.depth),
  },
  {
    name: 'payflow_terminal_parked_rows',
    help: 'Rows of the centre that wait on the till.',
    ...ofTills(({ agent }) => agent?.parked),
  },
  {
    name: 'payflow_terminal_next_offset',
    help: 'Offset that the till reads next of each of its streams.',
    labelNames: ['terminal', 'store', 'topic'],
    samples: ({ terminals }) =>
      active(terminals).flatMap((till) =>
        (till.agent?.streams ?? []).map(({ topic, nextOffset }) => ({
          labels: { ...labelsOf(till), topic },
          value: nextOffset,
        })),
      ),
  },
  {
    name: 'payflow_terminal_seen_seconds',
    help: 'Since the till was last seen by this gateway’s centre.',
    ...ofTills(({ lastSeenAt }, nowMs) =>
      lastSeenAt === null ? null : Math.max(0, (nowMs - Date.parse(lastSeenAt)) / 1000),
    ),
  },
  {
    name: 'payflow_terminal_held_records',
    help: 'Records of the till that the centre keeps unapplied.',
    ...ofTills(({ held }) => held),
  },
  {
    name: 'payflow_terminal_dead_letters',
    help: 'Open dead letters of the till.',
    ...ofTills(({ deadLetters }) => deadLetters),
  },
  {
    name: 'payflow_fenced_terminals',
    help: 'Tills that are fenced.',
    ...ofCentre(({ terminals }) => terminals.filter(({ status }) => status === 'fenced').length),
  },
  { name: 'payflow_dead_letters', help: 'Open dead letters.', ...ofCentre(({ deadLetters }) => deadLetters) },
  { name: 'payflow_held_records', help: 'Records kept unapplied.', ...ofCentre(({ held }) => held) },
  {
    name: 'payflow_refused_records',
    help: 'Records that were refused whole and not skipped.',
    ...ofCentre(({ refusedRecords }) => refusedRecords),
  },
  {
    name: 'payflow_unresolved_conflicts',
    help: 'Conflicts that nobody has looked at.',
    ...ofCentre(({ conflicts }) => conflicts),
  },
  {
    name: 'payflow_slot_active',
    help: '1 while a capture reads the replication slot.',
    ...ofCentre(({ slot }) => Number(slot.active)),
  },
  {
    name: 'payflow_slot_lag_bytes',
    help: 'WAL that capture has not acknowledged.',
    ...ofCentre(({ slot }) => slot.lagBytes),
  },
  {
    name: 'payflow_slot_safe_bytes',
    help: 'WAL that may still be written before PostgreSQL may drop the slot; absent: no limit.',
    ...ofCentre(({ slot }) => slot.safeWalBytes),
  },
];

export function statusMetrics(context: GatewayContext): void {
  const { registry, now, log } = context;
  let asked: { readonly atMs: number; readonly status: Promise<SystemStatus | undefined> } | undefined;
  // Figures that nobody knows are absent; an outage is told by /readyz as well.
  const failed = (error: unknown) => {
    log.warn({ err: error }, 'a scrape gets no figures of tills and centre');
    return undefined;
  };
  const look = () => {
    const nowMs = now().getTime();
    if (asked === undefined || nowMs - asked.atMs >= SHARED_MS || nowMs < asked.atMs)
      asked = { atMs: nowMs, status: systemStatus(context).catch(failed) };
    return asked.status;
  };
  for (const { name, help, labelNames, samples } of STATUS_METRICS) {
    gauge(registry, {
      name,
      help,
      labelNames: [...labelNames],
      async collect() {
        const status = await look();
        this.reset();
        if (status === undefined) return;
        for (const { labels, value } of samples(status, now().getTime())) this.set(labels, value);
      },
    });
  }
}

function active(terminals: readonly TerminalStatus[]): TerminalStatus[] {
  return terminals.filter(({ status }) => status !== 'retired');
}

function labelsOf({ terminalId: terminal, storeId: store }: TerminalStatus) {
  return { terminal, store };
}

/** What the centre knows of it, unless that is nothing unusual: then what its agent says. */
function stateOf({ status, online, agent }: TerminalStatus): string {
  if (status !== 'enrolled') return status;
  return online && agent !== null ? agent.state : 'offline';
}

function secondsOf(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
