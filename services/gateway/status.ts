/** How everything is doing, put together from payflow_sync, the slot, and what the agents last reported. */
import type { Pool } from 'pg';
import type { AgentStatus, SyncMode } from '../shared/agent-protocol.ts';
import { PayflowError } from '../shared/errors.ts';
import { slotName } from '../shared/database/slot-names.ts';
import type { Agents } from './agents.ts';
import { firstRow, iso, rows } from './database.ts';
import { lastVerified, type LastVerified } from './verify/run-store.ts';
import { listTerminals, type TerminalFilter, type TerminalRow } from './terminal-list.ts';

export interface SlotStatus {
  readonly name: string;
  readonly exists: boolean;
  /** A capture is connected to it. */
  readonly active: boolean;
  /** WAL between what capture has acknowledged and the server's end. */
  readonly lagBytes: number | null;
  readonly walStatus: string | null;
  /** Bytes that may still be written before the server may drop the slot; null: no limit. */
  readonly safeWalBytes: number | null;
}

export interface StreamStatus {
  readonly topic: string;
  readonly lastOffset: number;
  readonly position: string;
  readonly updatedAt: string;
  /** Code of what is wrong with capture, noted with its stream. */
  readonly problem?: string | null | undefined;
}

/** A topic that is kept otherwise than it has to be. */
export interface TopicTrouble {
  readonly topic: string;
  readonly code: string;
  readonly message: string;
  readonly since: string;
}

/** What a person must mend at the centre: a table, or the publication as a whole. */
export interface TableStateStatus {
  readonly table: string;
  readonly code: string;
  readonly message: string;
  readonly since: string;
}

export interface TerminalStatus extends TerminalRow {
  readonly online: boolean;
  readonly mode: SyncMode | null;
  /** ↑ Age of the oldest unsettled change, 0 when all is settled; null while unknown. */
  readonly pullLagMs: number | null;
  /** ↓ Of the slower of its streams; null while unknown. */
  readonly pushLagMs: number | null;
  /** Its newest comparison with the centre; null: there was none. */
  readonly verified: LastVerified | null;
  /** As last reported; null before the first report since the gateway started. */
  readonly agent: AgentStatus | null;
}

export interface SystemStatus {
  readonly databaseId: string | null;
  readonly epoch: number | null;
  readonly mappingVersion: number | null;
  readonly slot: SlotStatus;
  readonly streams: readonly StreamStatus[];
  readonly topics: readonly TopicTrouble[];
  /** Tables in need of a person; empty when all is well. */
  readonly tables: readonly TableStateStatus[];
  readonly deadLetters: number;
  readonly held: number;
  readonly conflicts: number;
  readonly refusedRecords: number;
  readonly openJobs: number;
  readonly terminals: readonly TerminalStatus[];
}

export interface StatusSources {
  readonly pool: Pool;
  readonly prefix: string;
  readonly agents: Pick<Agents, 'get' | 'status'>;
  readonly now: () => Date;
}

export async function systemStatus(sources: StatusSources): Promise<SystemStatus> {
  const { pool, prefix } = sources;
  const [facts, slot, streams, topics, tables, terminals] = await Promise.all([
    readFacts(pool),
    readSlot(pool, prefix),
    readStreams(pool),
    readTopics(pool),
    readTableStates(pool),
    terminalStatuses(sources),
  ]);
  return { ...facts, slot, streams, topics, tables, terminals };
}

type Facts = Pick<
  SystemStatus,
  | 'databaseId'
  | 'epoch'
  | 'mappingVersion'
  | 'deadLetters'
  | 'held'
  | 'conflicts'
  | 'refusedRecords'
  | 'openJobs'
>;

async function readFacts(pool: Pool): Promise<Facts> {
  const facts = await firstRow<Facts>(
    pool,
    `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'database_id') AS "databaseId",
            (SELECT value FROM payflow_sync.meta WHERE name = 'epoch')::int AS epoch,
            (SELECT version FROM payflow_sync.mapping) AS "mappingVersion",
            (SELECT count(*) FROM payflow_sync.dead_letter WHERE state = 'open')::int AS "deadLetters",
            (SELECT count(*) FROM payflow_sync.held)::int AS held,
            (SELECT count(*) FROM payflow_sync.conflict WHERE resolved_at IS NULL)::int AS conflicts,
            (SELECT count(*) FROM payflow_sync.refused_record WHERE skipped_at IS NULL)::int AS "refusedRecords",
            (SELECT count(*) FROM payflow_sync.job WHERE state IN ('waiting', 'running'))::int AS "openJobs"`,
  );
  if (facts === undefined) throw new PayflowError('INTERNAL', 'a SELECT without FROM gave no row');
  return facts;
}

async function readSlot(pool: Pool, prefix: string): Promise<SlotStatus> {
  const name = slotName(prefix);
  const row = await firstRow<Omit<SlotStatus, 'name' | 'exists'>>(
    pool,
    `SELECT active, wal_status AS "walStatus", safe_wal_size::float8 AS "safeWalBytes",
            pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8 AS "lagBytes"
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  if (row === undefined) {
    return { name, exists: false, active: false, lagBytes: null, walStatus: null, safeWalBytes: null };
  }
  return { name, exists: true, ...row };
}

async function readStreams(pool: Pool): Promise<StreamStatus[]> {
  return rows(
    pool,
    `SELECT topic, last_offset::float8 AS "lastOffset", position, ${iso('updated_at')} AS "updatedAt",
            coalesce(problem, CASE WHEN other_history IS NOT NULL THEN 'SLOT_LOST' END) AS problem
     FROM payflow_sync.stream ORDER BY topic`,
  );
}

async function readTopics(pool: Pool): Promise<TopicTrouble[]> {
  return rows(
    pool,
    `SELECT topic, code, message, ${iso('since')} AS since
     FROM payflow_sync.topic WHERE code IS NOT NULL ORDER BY topic`,
  );
}

async function readTableStates(pool: Pool): Promise<TableStateStatus[]> {
  return rows(
    pool,
    `SELECT table_name AS "table", code, message, ${iso('since')} AS since
     FROM payflow_sync.watched_table WHERE code IS NOT NULL ORDER BY table_name`,
  );
}

export async function terminalStatuses(
  sources: StatusSources,
  filter: TerminalFilter = {},
): Promise<TerminalStatus[]> {
  const [found, verified] = await Promise.all([
    listTerminals(sources.pool, filter),
    lastVerified(sources.pool),
  ]);
  return found.map((row) => withAgent({ ...row, verified: verified.get(row.terminalId) ?? null }, sources));
}

/** @throws PayflowError TERMINAL_UNKNOWN */
export async function terminalStatus(sources: StatusSources, terminalId: string): Promise<TerminalStatus> {
  const [found] = await terminalStatuses(sources, { terminalId });
  if (found === undefined) throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
  return found;
}

function withAgent(
  row: TerminalRow & Pick<TerminalStatus, 'verified'>,
  { agents, now }: StatusSources,
): TerminalStatus {
  const connection = agents.get(row.terminalId);
  const agent = agents.status(row.terminalId) ?? null;
  return {
    ...row,
    online: connection !== undefined,
    mode: connection?.mode ?? agent?.mode ?? null,
    pullLagMs: agent === null ? null : pullLagMs(agent, now()),
    pushLagMs: agent === null ? null : pushLagMs(agent),
    agent,
  };
}

function pullLagMs(agent: AgentStatus, now: Date): number {
  const { oldestUnsettledMs } = agent.outbox;
  return oldestUnsettledMs === null ? 0 : Math.max(0, now.getTime() - oldestUnsettledMs);
}

function pushLagMs(agent: AgentStatus): number | null {
  const lags = agent.streams.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]));
  return lags.length === 0 ? null : Math.max(...lags);
}

export interface Readiness {
  readonly ready: boolean;
  readonly parts: readonly { readonly name: string; readonly ready: boolean; readonly problem?: string }[];
}

/** Heartbeats come every 60 s even to idle streams; older than this means that nothing moves. */
const STALE_MS = 3 * 60_000;

/** Whether PostgreSQL answers and is set up, and whether data is moving (a capture is connected and alive). */
export async function readiness(sources: StatusSources): Promise<Readiness> {
  const parts: { name: string; ready: boolean; problem?: string }[] = [];
  try {
    const [slot, streams, topics, tables] = await Promise.all([
      readSlot(sources.pool, sources.prefix),
      readStreams(sources.pool),
      readTopics(sources.pool),
      readTableStates(sources.pool),
    ]);
    parts.push({ name: 'database', ready: true });
    parts.push(captureReadiness(slot, streams, sources.now()));
    parts.push(tablesReadiness(tables));
    const [first] = topics;
    parts.push(
      first === undefined
        ? { name: 'topics', ready: true }
        : { name: 'topics', ready: false, problem: first.code },
    );
  } catch (error) {
    const code = error instanceof PayflowError ? error.code : 'INTERNAL';
    parts.push({ name: 'database', ready: false, problem: code });
  }
  return { ready: parts.every((part) => part.ready), parts };
}

/** Pure: whether a table's rows may be wrong on tills until a person mends it. */
export function tablesReadiness(tables: readonly TableStateStatus[]) {
  const problem = tables.map(({ table, code }) => `${code} ${table}`).join(', ');
  return problem === '' ? { name: 'tables', ready: true } : { name: 'tables', ready: false, problem };
}

/** Pure: what the slot and the streams' heartbeats say of capture. */
export function captureReadiness(slot: SlotStatus, streams: readonly StreamStatus[], now: Date) {
  const name = 'capture';
  if (!slot.exists) return { name, ready: false, problem: 'SLOT_LOST' };
  if (!slot.active) return { name, ready: false, problem: 'no capture is connected to the slot' };
  const newest = Math.max(...streams.map(({ updatedAt }) => Date.parse(updatedAt)), 0);
  const stale = streams.length > 0 && now.getTime() - newest > STALE_MS;
  return stale ? { name, ready: false, problem: 'no heartbeat for minutes' } : { name, ready: true };
}
