/** Makes topics as DESIGN §2 and §3 want them, and gives each new stream its id. */
import { PayflowError } from '../errors.ts';
import { sleep } from '../lifecycle.ts';
import { STREAM_ID_KEY, type StreamRef, type TopicDescription, type TopicSpec } from './event-log.ts';
import { REQUEST_TIMEOUT_MS } from './kafka-connection.ts';
import { asLogError, isTopicExists } from './kafka-errors.ts';
import type { KafkaNodes } from './kafka-nodes.ts';
import {
  alterTopicRequest,
  describeTopicsRequest,
  replicasRequest,
  type PerTopic,
} from './kafka-topic-requests.ts';
import { TOPIC_SETTINGS, wantedSettings } from './topic-settings.ts';

const CREATE_TIMEOUT_MS = 10_000;
const LEADER_DEADLINE_MS = 30_000;
const LEADER_POLL_MS = 50;
const MAX_REPLICAS = 3;
/** Of one request; a thousand topics answer with some 500 KB. */
const TOPICS_AT_ONCE = 500;

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
}

export function topicConfig(spec: TopicSpec, replicas: number): ConfigEntry[] {
  return [...wantedSettings(spec, replicas)].map(([name, value]) => ({ name, value }));
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

/** Each topic for itself: one that is gone, or may not be seen, hides none of the others. */
export async function describeKafkaTopics(
  nodes: KafkaNodes,
  topics: readonly string[],
): Promise<Map<string, TopicDescription | PayflowError>> {
  const described = new Map<string, TopicDescription | PayflowError>();
  for (let from = 0; from < topics.length; from += TOPICS_AT_ONCE) {
    const some = topics.slice(from, from + TOPICS_AT_ONCE);
    const [replicas, settings] = await nodes.onAny('looking at the topics', (_broker, connection) =>
      Promise.all([
        connection.send(replicasRequest(some, REQUEST_TIMEOUT_MS)),
        connection.send(describeTopicsRequest(some, TOPIC_SETTINGS, REQUEST_TIMEOUT_MS)),
      ]),
    );
    for (const topic of some) described.set(topic, description(topic, replicas, settings));
  }
  return described;
}

function description(
  topic: string,
  replicas: PerTopic<number>,
  settings: PerTopic<ReadonlyMap<string, string>>,
): TopicDescription | PayflowError {
  const [count, found] = [replicas.get(topic), settings.get(topic)];
  const failure = count instanceof Error ? count : found;
  if (failure instanceof Error) return asLogError(failure, `looking at ${topic}`);
  if (typeof count !== 'number' || failure === undefined) {
    return new PayflowError('LOG_UNREACHABLE', `the broker said nothing of ${topic}`, { details: { topic } });
  }
  return { settings: failure, replicas: count };
}

export async function changeKafkaTopic(
  nodes: KafkaNodes,
  topic: string,
  settings: ReadonlyMap<string, string>,
): Promise<void> {
  try {
    await nodes.onAny(`changing the settings of ${topic}`, (_broker, connection) =>
      connection.send(alterTopicRequest(topic, settings, REQUEST_TIMEOUT_MS)),
    );
  } catch (error) {
    throw asLogError(error, `changing the settings of ${topic}`);
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
