/** Wires central-apply: configuration → pool, event log → a reader per partition of ours, retention → wait. */
import type { Pool } from 'pg';
import { requireSettings, type Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { runAll, superviseOnce, withReleasers } from '../shared/lifecycle.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import { counter, gauge, histogram } from '../shared/metrics.ts';
import { createPool } from '../shared/database/postgres.ts';
import type { ServiceContext } from '../shared/service-context.ts';
import { DEFAULT_UP_PARTITIONS, upStream } from '../shared/log/topics.ts';
import { CentralApply, type CentralApplyOptions } from './apply.ts';
import { DecidedHeld } from './decided-held.ts';
import type { GroupResult } from './group.ts';
import { readHolds } from './holds.ts';
import { Operations } from './operations/operations.ts';
import { PartitionShare } from './partition-share.ts';
import { Retention } from './retention.ts';
import { loadModel } from './rows/model.ts';

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
      // A partition needs one connection at a time; waiting for another's is better than too many backends. One more is
      // for the questions of `verify`, which hold theirs for long.
      max: Math.min(partitions.length + 1, 8) + 1,
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
      ...counted(start),
    });
    const locks = createPool({
      connectionString: config.databaseReplicationUrl ?? databaseUrl,
      applicationName: 'payflow-apply-share',
      max: 1,
      log,
    });
    onRelease(() => locks.end());
    const listenPool = createPool({
      connectionString: config.databaseReplicationUrl ?? databaseUrl,
      applicationName: 'payflow-apply-operations',
      max: 2,
      log,
    });
    onRelease(() => listenPool.end());
    const operations = (['deeds', 'questions'] as const).map(
      (kinds) =>
        new Operations({
          kinds,
          pool,
          listenPool,
          release: (terminal) => apply.release(terminal),
          log,
          onHealth: start.health?.part(`apply operations: ${kinds}`),
        }),
    );
    const onShareHealth = start.health?.part('apply partitions');
    const share = new PartitionShare({
      pool: locks,
      prefix,
      partitions,
      read: (partition, signal) => apply.readPartition(partition, signal),
      onNotRead: (partition) => health.get(partition)?.({ state: 'ready' }),
      ...(onShareHealth && { onHealth: onShareHealth }),
      log,
    });
    const retention = new Retention({ pool, retentionDays, log });
    const decided = new DecidedHeld({
      pool,
      log,
      release: (terminal) => apply.tryWaiting(terminal),
      onHealth: start.health?.part('decided held'),
    });
    const onHealth = start.health?.part('apply start');
    const begins = () => checkStart(pool, eventLog, prefix);
    await superviseOnce(start.signal, { log, ...(onHealth && { onHealth }) }, begins);
    await runAll([share, retention, ...operations, decided], start.signal);
  });
}

/**
 * What a person must mend before anything can work ends the process here, at its start, and only here: later the
 * same error stands in the way of one partition, or passes.
 * @throws PayflowError
 */
async function checkStart(pool: Pool, eventLog: EventLog, prefix: string): Promise<void> {
  await loadModel(pool);
  await readHolds(pool).catch((error: unknown) => {
    if (!(error instanceof PayflowError) || error.code !== 'DB_SCHEMA') throw error;
    throw new PayflowError('DB_NOT_SET_UP', 'the schema payflow_sync is of an older version', {
      cause: error,
    });
  });
  await eventLog.offsets(upStream(prefix, 0));
}

function counted({ registry }: ServiceContext): Pick<CentralApplyOptions, 'onApplied' | 'onWaiting'> {
  if (registry === undefined) return {};
  const changes = counter(registry, {
    name: 'payflow_apply_changes_total',
    help: 'Changes of tills, by what became of them.',
    labelNames: ['outcome'],
  });
  const held = counter(registry, {
    name: 'payflow_apply_held_records_total',
    help: 'Records of tills that were held.',
  });
  const refused = counter(registry, {
    name: 'payflow_apply_refused_records_total',
    help: 'Records of the up stream that were passed over.',
  });
  const duration = histogram(registry, {
    name: 'payflow_apply_group_duration_seconds',
    help: 'What a group of units took from its first statement to its commit.',
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
  });
  const waiting = gauge(registry, {
    name: 'payflow_apply_waiting_terminals',
    help: 'Tills that wait for a cause at the centre to end, seen by this process.',
  });
  const foreignChanges = counter(registry, {
    name: 'payflow_apply_foreign_changes_total',
    help: 'Changes of a till to rows that are not of its store: refused.',
    labelNames: ['terminal'],
  });
  const foreignReferences = counter(registry, {
    name: 'payflow_apply_foreign_references_total',
    help: 'References of a till to rows of another store: applied.',
    labelNames: ['terminal'],
  });
  return {
    onApplied: ({ outcomes, heldRecords, refusedRecords, foreign }: GroupResult, seconds: number) => {
      duration.observe(seconds);
      for (const [outcome, count] of outcomes) changes.inc({ outcome }, count);
      held.inc(heldRecords);
      refused.inc(refusedRecords);
      for (const { terminal, refused: isRefused } of foreign) {
        (isRefused ? foreignChanges : foreignReferences).inc({ terminal });
      }
    },
    onWaiting: (terminals) => waiting.set(terminals.length),
  };
}
