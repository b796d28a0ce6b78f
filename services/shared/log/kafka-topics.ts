/** Makes topics as DESIGN §2 and §3 want them, and gives each new stream its id. */
import { PayflowError } from '../errors.ts';
import { sleep } from '../lifecycle.ts';
import { MAX_RECORD_BYTES } from './topics.ts';
import { STREAM_ID_KEY, type StreamRef, type TopicSpec } from './event-log.ts';
import { BATCH_OVERHEAD_BYTES } from './kafka-appender.ts';
import { asLogError, isTopicExists } from './kafka-errors.ts';
import type { KafkaNodes } from './kafka-nodes.ts';

const CREATE_TIMEOUT_MS = 10_000;
const LEADER_DEADLINE_MS = 30_000;
const LEADER_POLL_MS = 50;
const MAX_REPLICAS = 3;
const TOPIC_RESOURCE = 2;

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
}

/**
 * Time stamps are the broker's: a till's clock may be years off, and retention and the compaction lag count
 * from them (Kafka refuses records from the future).
 */
export function topicConfig(spec: TopicSpec, replicas: number): ConfigEntry[] {
  const config: ConfigEntry[] = [
    { name: 'cleanup.policy', value: spec.cleanup },
    { name: 'compression.type', value: 'producer' },
    { name: 'message.timestamp.type', value: 'LogAppendTime' },
    {
      name: 'max.message.bytes',
      value: String((spec.maxRecordBytes ?? MAX_RECORD_BYTES) + BATCH_OVERHEAD_BYTES),
    },
    { name: 'min.insync.replicas', value: String(Math.min(2, replicas)) },
    { name: 'unclean.leader.election.enable', value: 'false' },
  ];
  const add = (name: string, value: number | undefined) => {
    if (value !== undefined) config.push({ name, value: String(value) });
  };
  if (spec.cleanup === 'compact') {
    add('min.compaction.lag.ms', spec.minCompactionLagMs);
    add('delete.retention.ms', spec.deleteRetentionMs);
  } else {
    add('retention.ms', spec.retentionMs);
  }
  return config;
}

/** Creates the topic unless it exists, and waits until every partition of it can be used. */
export async function createKafkaTopic(nodes: KafkaNodes, spec: TopicSpec): Promise<'created' | 'exists'> {
  // Looked for first: who only uses topics needs no permission to create them.
  const outcome = (await nodes.exists(spec.topic)) ? 'exists' : await create(nodes, spec);
  for (const stream of streamsOf(spec)) await untilUsable(nodes, stream);
  return outcome;
}

async function create(nodes: KafkaNodes, spec: TopicSpec): Promise<'created' | 'exists'> {
  const cluster = await nodes.cluster();
  const replicas = Math.min(MAX_REPLICAS, cluster.nodes.length);
  if (cluster.controller === undefined) {
    throw new PayflowError('LOG_UNREACHABLE', 'the cluster has no controller');
  }
  const topic = {
    topic: spec.topic,
    numPartitions: spec.partitions,
    replicationFactor: replicas,
    configEntries: topicConfig(spec, replicas),
  };
  try {
    const broker = await nodes.connectionTo(cluster.controller).open();
    await broker.createTopics({ topics: [topic], timeout: CREATE_TIMEOUT_MS });
    return 'created';
  } catch (error) {
    if (isTopicExists(error)) return 'exists';
    throw asLogError(error, `creating ${spec.topic}`);
  }
}

export function streamsOf(spec: TopicSpec): StreamRef[] {
  return Array.from({ length: spec.partitions }, (_, partition) => ({ topic: spec.topic, partition }));
}

/** The largest batch the topic takes; the default where we may not ask. */
export async function maxBatchBytes(nodes: KafkaNodes, topic: string): Promise<number> {
  const fallback = MAX_RECORD_BYTES + BATCH_OVERHEAD_BYTES;
  try {
    const answer = await nodes.onAny(`asking the limits of ${topic}`, (broker) =>
      broker.describeConfigs({
        resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ['max.message.bytes'] }],
      }),
    );
    const value = answer.resources[0]?.configEntries.find(
      (entry) => entry.configName === 'max.message.bytes',
    );
    return Number(value?.configValue ?? fallback);
  } catch (error) {
    // A till needs no permission to read settings; the broker still refuses what is too large.
    if (asLogError(error, topic).code === 'LOG_AUTH') return fallback;
    throw error;
  }
}

export function isStreamIdKey(key: Buffer | null): boolean {
  return key !== null && key.equals(Buffer.from(STREAM_ID_KEY));
}

async function untilUsable(nodes: KafkaNodes, stream: StreamRef): Promise<void> {
  const deadline = Date.now() + LEADER_DEADLINE_MS;
  for (;;) {
    try {
      await nodes.offsets(stream);
      return;
    } catch (error) {
      const known = asLogError(error, `waiting for ${stream.topic}`);
      const passing = known.code === 'LOG_UNREACHABLE' || known.code === 'LOG_TOPIC_MISSING';
      if (!passing || Date.now() > deadline) throw known;
      await sleep(LEADER_POLL_MS);
    }
  }
}
