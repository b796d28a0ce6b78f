/** Wires central-apply: configuration → pool, event log → a reader per partition of ours, retention → wait. */
import type { Pool } from 'pg';
import { requireSettings, type Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { runAll, withReleasers } from '../shared/lifecycle.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import { counter } from '../shared/metrics.ts';
import { createPool, wrapPostgresError } from '../shared/database/postgres.ts';
import type { ServiceContext } from '../shared/service-context.ts';
import { DEFAULT_UP_PARTITIONS } from '../shared/log/topics.ts';
import { CentralApply } from './apply.ts';
import { DecidedHeld } from './decided-held.ts';
import type { GroupResult } from './group.ts';
import { PartitionShare } from './partition-share.ts';
import { OutcomeRetention } from './retention.ts';

/**
 * Runs central-apply until the signal is aborted.
 * @throws PayflowError when a person must change something first
 */
export async function runApply(config: Config, start: ServiceContext): Promise<void> {
  const { databaseUrl, topicPrefix: prefix, retentionDays } = requireSettings(config, 'databaseUrl');
  const log = start.log.child({ service: 'apply' });
  const partitions = Array.from({ length: DEFAULT_UP_PARTITIONS }, (_, index) => index);
  await withReleasers(async (onRelease) => {
    const pool = createPool({
      connectionString: databaseUrl,
      applicationName: 'payflow-apply',
      // A partition needs one connection at a time; waiting for another's is better than too many backends.
      max: Math.min(partitions.length + 1, 8),
      log,
      connectTimeoutMs: 60_000,
    });
    onRelease(() => pool.end());
    const eventLog = start.eventLog ?? openEventLog(config, { clientId: 'payflow-apply', log });
    if (start.eventLog === undefined) onRelease(() => eventLog.close());
    const health = new Map(
      partitions.map((partition) => [partition, start.health?.part(`apply ${partition}`)]),
    );
    const apply = new CentralApply({
      pool,
      eventLog,
      prefix,
      log,
      onHealth: (partition, state) => health.get(partition)?.(state),
      onApplied: counted(start),
    });
    const locks = createPool({
      connectionString: config.databaseReplicationUrl ?? databaseUrl,
      applicationName: 'payflow-apply-share',
      max: 1,
      log,
    });
    onRelease(() => locks.end());
    const onHealth = start.health?.part('apply partitions');
    const share = new PartitionShare({
      pool: locks,
      prefix,
      partitions,
      read: (partition, signal) => apply.readPartition(partition, signal),
      onNotRead: (partition) => health.get(partition)?.({ state: 'ready' }),
      ...(onHealth && { onHealth }),
      log,
    });
    const retention = new OutcomeRetention({ pool, retentionDays, log });
    const decided = new DecidedHeld({ pool, log, release: (terminal) => apply.releaseHeld(terminal) });
    await runAll([share, retention, decided], start.signal).catch(async (error: unknown) => {
      throw await explained(pool, error);
    });
  });
}

/** A statement that fits nothing most often means that nobody has run `setup` here. */
async function explained(pool: Pool, error: unknown): Promise<unknown> {
  if (!(error instanceof PayflowError) || error.code !== 'DB_SCHEMA') return error;
  const { rows } = await pool
    .query<{ missing: boolean }>(`SELECT to_regclass('payflow_sync.progress') IS NULL AS missing`)
    .catch((failure: unknown) => {
      throw wrapPostgresError(failure);
    });
  if (rows[0]?.missing !== true) return error;
  return new PayflowError('DB_NOT_SET_UP', 'the schema payflow_sync is missing', { cause: error });
}

function counted({ registry }: ServiceContext): (result: GroupResult) => void {
  if (registry === undefined) return () => undefined;
  const changes = counter(registry, {
    name: 'payflow_apply_changes_total',
    help: 'Changes of tills, by what became of them.',
    labelNames: ['outcome'],
  });
  const held = counter(registry, {
    name: 'payflow_apply_held_records_total',
    help: 'Records of tills that were held.',
  });
  return ({ outcomes, heldRecords }) => {
    for (const [outcome, count] of outcomes) changes.inc({ outcome }, count);
    held.inc(heldRecords);
  };
}
