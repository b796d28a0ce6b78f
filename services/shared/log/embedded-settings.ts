/** A topic's settings in the embedded log, under the names of topic-settings.ts. */
import type Database from 'better-sqlite3';
import { PayflowError } from '../errors.ts';
import type { TopicRow } from './embedded-store.ts';
import type { TopicDescription } from './event-log.ts';
import { BATCH_OVERHEAD_BYTES } from './topic-settings.ts';

const FOR_EVER = '-1';

/** Those of a topic's kind; of the others the embedded log knows nothing. */
export function settingsOf(row: TopicRow): TopicDescription {
  const settings = new Map([
    ['cleanup.policy', row.cleanup],
    ['max.message.bytes', String(row.max_record_bytes + BATCH_OVERHEAD_BYTES)],
    ['retention.ms', row.retention_ms === null ? FOR_EVER : String(row.retention_ms)],
  ]);
  if (row.cleanup === 'compact') {
    settings.set('min.compaction.lag.ms', String(row.min_compaction_lag_ms));
    settings.set('delete.retention.ms', String(row.delete_retention_ms));
  }
  return { settings, replicas: 1 };
}

/** @throws PayflowError LOG_TOPIC_SETTINGS for a name that is not among them */
export function changeSettings(
  db: Database.Database,
  { topic }: TopicRow,
  settings: ReadonlyMap<string, string>,
): void {
  const change = db.transaction(() => {
    for (const [name, value] of settings) {
      const { column, stored } = columnOf(topic, name, value);
      db.prepare(`UPDATE topic SET ${column} = ? WHERE topic = ?`).run(stored, topic);
    }
  });
  change.immediate();
}

function columnOf(topic: string, name: string, value: string): { column: string; stored: unknown } {
  switch (name) {
    case 'cleanup.policy':
      return { column: 'cleanup', stored: value };
    case 'retention.ms':
      return { column: 'retention_ms', stored: value === FOR_EVER ? null : Number(value) };
    case 'min.compaction.lag.ms':
      return { column: 'min_compaction_lag_ms', stored: Number(value) };
    case 'delete.retention.ms':
      return { column: 'delete_retention_ms', stored: Number(value) };
    case 'max.message.bytes':
      return { column: 'max_record_bytes', stored: Number(value) - BATCH_OVERHEAD_BYTES };
    default:
      throw new PayflowError('LOG_TOPIC_SETTINGS', `the embedded log has no ${name} (${topic})`);
  }
}
