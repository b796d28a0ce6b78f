/** How the till is doing, for the gateway, the CLI and the tests. Cheap: it is looked at every few seconds. */
import type { AgentStatus, SyncMode } from '../shared/agent-protocol.ts';
import { formatPosition } from '../shared/records/position.ts';
import { productVersion } from '../shared/version.ts';
import type { TillApply } from './apply.ts';
import type { EarlierRows } from './file/earlier-rows.ts';
import { tillFilePlace } from './till/file-place.ts';
import type { TillHost } from './till/till-host.ts';

export interface AgentStatusParts {
  readonly till: TillHost;
  readonly apply: TillApply;
  readonly topics: readonly string[];
  readonly mode: SyncMode;
  readonly earlierRows: readonly EarlierRows[];
}

export function agentStatus({ till, apply, topics, mode, earlierRows }: AgentStatusParts): AgentStatus {
  const standing = apply.standing.current;
  const { checkpoints } = apply;
  const { awaited } = apply;
  const catchingUp =
    awaited.length > 0 ||
    topics.some((topic) => !checkpoints.reach(topic).caughtUp || apply.reread.isIncomplete(topic));
  return {
    state: standing.kind !== 'ok' ? standing.kind : catchingUp ? 'catching up' : 'ready',
    why: standing.kind === 'ok' ? waitsFor(awaited) : standing.why,
    mode,
    incarnation: till.incarnation,
    version: productVersion(),
    mappingVersion: till.mappingVersion,
    unreadMapping: till.unreadMapping,
    outbox: apply.flight.depth(),
    streams: topics.map((topic) => {
      const { position, nextOffset } = checkpoints.stream(topic);
      return { topic, position: formatPosition(position), nextOffset, lagMs: apply.lagMs(topic) };
    }),
    parked: apply.parked.count(),
    inParts: apply.inParts,
    earlierRows: [...earlierRows],
    missingTables: till.binding.missing.map(({ local }) => local),
    uninstallableTables: [...(till.binding.uninstallable ?? [])].map(([table, { why }]) => ({ table, why })),
    restingTriggers: apply.resting,
    vanishedRows: [...apply.sweep.vanished].map(([table, rows]) => ({ table, rows })),
    file: tillFilePlace(till.db),
    checkpoints: checkpoints
      .tables()
      .map((table) => ({ ...table, position: formatPosition(table.position) })),
  };
}

function waitsFor(tables: readonly string[]): string | null {
  if (tables.length === 0) return null;
  return `what is sold goes up once the rows of ${tables.join(', ')} are known from the centre`;
}
