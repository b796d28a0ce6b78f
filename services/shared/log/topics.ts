/**
 * Which topics there are, what they are called and how they are kept. The down topics (`<prefix>.catalog`,
 * `<prefix>.store.<store id>`) and `<prefix>.schemas` are state: compacted by key. `<prefix>.up` is a queue of
 * what tills sold: kept for a time, longer than any till may stay away from its acknowledgement.
 */
import { PayflowError } from '../errors.ts';
import { isStoreId } from '../identifiers.ts';
import type { StreamRef, TopicSpec } from './event-log.ts';

/** Default of `up` on a small centre; DESIGN §8 reckons with 64 for 10,000 tills. Fixed once created. */
export const DEFAULT_UP_PARTITIONS = 16;
/** Until somebody says otherwise. */
export const DEFAULT_HORIZON_DAYS = 14;
export const UP_RETENTION_DAYS = 35;
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Slot and publication are named after the prefix too, hence lower case. */
const PREFIX_FORM = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const STORE_PART = '.store.';

/** Rows everyone has. */
export function catalogTopic(prefix: string): string {
  return `${checkedPrefix(prefix)}.catalog`;
}

/** Rows of one store, and the links and progress of its terminals. */
export function storeTopic(prefix: string, storeId: string): string {
  return `${checkedPrefix(prefix)}${STORE_PART}${checkedStoreId(storeId)}`;
}

/** What tills send; a till's partition is given at registration and never rehashed. */
export function upTopic(prefix: string): string {
  return `${checkedPrefix(prefix)}.up`;
}

/** Avro schemas by fingerprint. */
export function schemasTopic(prefix: string): string {
  return `${checkedPrefix(prefix)}.schemas`;
}

/** The store of a topic made by `storeTopic`; undefined for any other topic. */
export function storeIdOfTopic(prefix: string, topic: string): string | undefined {
  const start = checkedPrefix(prefix) + STORE_PART;
  if (!topic.startsWith(start)) return undefined;
  const storeId = topic.slice(start.length);
  return isStoreId(storeId) ? storeId : undefined;
}

export function catalogStream(prefix: string): StreamRef {
  return { topic: catalogTopic(prefix), partition: 0 };
}

export function storeStream(prefix: string, storeId: string): StreamRef {
  return { topic: storeTopic(prefix, storeId), partition: 0 };
}

export function schemasStream(prefix: string): StreamRef {
  return { topic: schemasTopic(prefix), partition: 0 };
}

/** @throws PayflowError VALIDATION when the partition is not a whole number from 0. */
export function upStream(prefix: string, partition: number): StreamRef {
  if (!Number.isSafeInteger(partition) || partition < 0) {
    throw new PayflowError('VALIDATION', `${partition} is not a partition number`);
  }
  return { topic: upTopic(prefix), partition };
}

/** `topic/partition`, as log lines, status and metrics name a stream. */
export function streamName(stream: StreamRef): string {
  return `${stream.topic}/${stream.partition}`;
}

export function topicSpecCatalog(prefix: string, horizonDays: number): TopicSpec {
  return downSpec(catalogTopic(prefix), horizonDays);
}

export function topicSpecStore(prefix: string, storeId: string, horizonDays: number): TopicSpec {
  return downSpec(storeTopic(prefix, storeId), horizonDays);
}

export function topicSpecUp(prefix: string, partitions: number = DEFAULT_UP_PARTITIONS): TopicSpec {
  return {
    topic: upTopic(prefix),
    partitions,
    cleanup: 'delete',
    retentionMs: UP_RETENTION_DAYS * DAY_MS,
    maxRecordBytes: MAX_RECORD_BYTES,
  };
}

export function topicSpecSchemas(prefix: string): TopicSpec {
  return {
    topic: schemasTopic(prefix),
    partitions: 1,
    cleanup: 'compact',
    minCompactionLagMs: 0,
    deleteRetentionMs: DAY_MS,
    maxRecordBytes: MAX_RECORD_BYTES,
  };
}

/**
 * Inside the horizon nothing is compacted, so transactions are complete there; tombstones outlive it by a day,
 * so that a till which was away for less than the horizon sees every delete.
 */
function downSpec(topic: string, horizonDays: number): TopicSpec {
  return {
    topic,
    partitions: 1,
    cleanup: 'compact',
    minCompactionLagMs: horizonDays * DAY_MS,
    deleteRetentionMs: (horizonDays + 1) * DAY_MS,
    maxRecordBytes: MAX_RECORD_BYTES,
  };
}

function checkedPrefix(prefix: string): string {
  if (!PREFIX_FORM.test(prefix)) {
    throw new PayflowError(
      'CONFIG_INVALID',
      `TOPIC_PREFIX ${JSON.stringify(prefix)} must be 1 to 63 of a-z, 0-9, dot, underscore, hyphen, and begin with a letter or digit`,
      { details: { setting: 'TOPIC_PREFIX' } },
    );
  }
  return prefix;
}

function checkedStoreId(storeId: string): string {
  if (!isStoreId(storeId)) {
    throw new PayflowError(
      'VALIDATION',
      `store id ${JSON.stringify(storeId)} must be 1 to 64 letters, digits, dots, underscores or hyphens, and not only dots`,
      { details: { field: 'storeId' } },
    );
  }
  return storeId;
}
