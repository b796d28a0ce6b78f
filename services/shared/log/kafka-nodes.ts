/**
 * Which broker leads which partition, and a shared connection to each of them. Knowledge is kept until an
 * error casts doubt on it. kafkajs's Cluster is not used: one deleted topic makes its refresh fail for all.
 */
import { PayflowError } from '../errors.ts';
import { streamName } from './topics.ts';
import type { StreamRef } from './event-log.ts';
import {
  KafkaConnection,
  REQUEST_TIMEOUT_MS,
  type BrokerRequests,
  type HostPort,
  type KafkaAccess,
} from './kafka-connection.ts';
import { asLogError, isBrokerAnswer } from './kafka-errors.ts';
import { clusterRequest, type ClusterNodes } from './kafka-wire.ts';

const READ_UNCOMMITTED = 0;
const CONSUMER = -1;
const EARLIEST = -2;
const LATEST = -1;
/** A broker that has just started may not know every topic yet. */
const MISSING_TOPIC_GRACE_MS = 3_000;

export class KafkaNodes {
  readonly #access: KafkaAccess;
  readonly #now: () => number;
  readonly #nodes = new Map<string, KafkaConnection>();
  readonly #leaders = new Map<string, Map<number, HostPort>>();
  /** Since when a topic has been reported missing without a break. */
  readonly #missingSince = new Map<string, number>();
  #closed = false;

  constructor(access: KafkaAccess, now: () => number = Date.now) {
    this.#access = access;
    this.#now = now;
  }

  /** @throws PayflowError LOG_TOPIC_MISSING, LOG_UNREACHABLE or LOG_AUTH. */
  async leaderOf(stream: StreamRef): Promise<HostPort> {
    const known = this.#leaders.get(stream.topic)?.get(stream.partition);
    if (known !== undefined) return known;
    const leaders = await this.#readLeaders(stream.topic);
    const leader = leaders.get(stream.partition);
    if (leader === undefined) throw this.#missing(stream.topic, `${streamName(stream)} does not exist`);
    this.#leaders.set(stream.topic, leaders);
    return leader;
  }

  /** After an error: the next use asks again who leads the topic, on a new connection if this one failed. */
  doubt(topic: string, connection: KafkaConnection, error: unknown): void {
    this.#leaders.delete(topic);
    if (!isBrokerAnswer(error)) this.#discard(connection);
  }

  /** The shared connection to a broker. */
  connectionTo(address: HostPort): KafkaConnection {
    if (this.#closed) throw new PayflowError('LOG_UNREACHABLE', 'the event log is closed');
    const name = `${address.host}:${address.port}`;
    const existing = this.#nodes.get(name);
    if (existing?.usable === true) return existing;
    existing?.close();
    const connection = new KafkaConnection(this.#access, address);
    this.#nodes.set(name, connection);
    return connection;
  }

  /** A connection of one's own: a broker answers one request at a time per connection, and a fetch waits. */
  dedicatedConnection(address: HostPort): KafkaConnection {
    return new KafkaConnection(this.#access, address);
  }

  /** Runs a request on the leader of a stream. */
  async onLeader<T>(
    stream: StreamRef,
    what: string,
    ask: (broker: BrokerRequests) => Promise<T>,
  ): Promise<T> {
    const connection = this.connectionTo(await this.leaderOf(stream));
    try {
      return await ask(await connection.open());
    } catch (error) {
      this.doubt(stream.topic, connection, error);
      throw asLogError(error, `${what} ${streamName(stream)}`);
    }
  }

  async exists(topic: string): Promise<boolean> {
    try {
      await this.onAny(`looking for ${topic}`, (broker) => broker.metadata([topic]));
      return true;
    } catch (error) {
      const known = asLogError(error, `looking for ${topic}`);
      if (known.code === 'LOG_TOPIC_MISSING') return false;
      throw known;
    }
  }

  async cluster(): Promise<ClusterNodes> {
    return await this.onAny('looking at the cluster', (_broker, connection) =>
      connection.send(clusterRequest(REQUEST_TIMEOUT_MS)),
    );
  }

  /** Runs a request on any broker that answers. */
  async onAny<T>(
    what: string,
    ask: (broker: BrokerRequests, connection: KafkaConnection) => Promise<T>,
  ): Promise<T> {
    let failure: PayflowError | undefined;
    for (const address of this.#candidates()) {
      const connection = this.connectionTo(address);
      try {
        return await ask(await connection.open(), connection);
      } catch (error) {
        failure = asLogError(error, `${what} at ${address.host}:${address.port}`);
        if (failure.code !== 'LOG_UNREACHABLE') throw failure;
        if (!isBrokerAnswer(error)) this.#discard(connection);
      }
    }
    throw failure ?? new PayflowError('CONFIG_INVALID', 'KAFKA_BROKERS names no broker');
  }

  async offsets(stream: StreamRef): Promise<{ first: number; end: number }> {
    return await this.onLeader(stream, 'asking the offsets of', async (broker) => {
      const ask = async (timestamp: number) => {
        const answer = await broker.listOffsets({
          replicaId: CONSUMER,
          isolationLevel: READ_UNCOMMITTED,
          topics: [{ topic: stream.topic, partitions: [{ partition: stream.partition, timestamp }] }],
        });
        return Number(answer.responses[0]?.partitions[0]?.offset);
      };
      const [first, end] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
      return { first, end };
    });
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#nodes.values()) connection.close();
    this.#nodes.clear();
  }

  async #readLeaders(topic: string): Promise<Map<number, HostPort>> {
    try {
      const metadata = await this.onAny(`asking who leads ${topic}`, (broker) => broker.metadata([topic]));
      this.#missingSince.delete(topic);
      const nodes = new Map(
        metadata.brokers.map((node) => [node.nodeId, { host: node.host, port: node.port }]),
      );
      const leaders = new Map<number, HostPort>();
      for (const { partitionId, leader } of metadata.topicMetadata[0]?.partitionMetadata ?? []) {
        const address = nodes.get(leader);
        if (address === undefined) {
          throw new PayflowError('LOG_UNREACHABLE', `${topic}/${partitionId} has no leader`);
        }
        leaders.set(partitionId, address);
      }
      return leaders;
    } catch (error) {
      const known = asLogError(error, `asking who leads ${topic}`);
      throw known.code === 'LOG_TOPIC_MISSING' ? this.#missing(topic, known.message) : known;
    }
  }

  /** LOG_TOPIC_MISSING, but LOG_UNREACHABLE as long as it may only be a broker that is starting. */
  #missing(topic: string, message: string): PayflowError {
    const since = this.#missingSince.get(topic) ?? this.#now();
    this.#missingSince.set(topic, since);
    const lasting = this.#now() - since >= MISSING_TOPIC_GRACE_MS;
    return new PayflowError(lasting ? 'LOG_TOPIC_MISSING' : 'LOG_UNREACHABLE', message, {
      details: { topic },
    });
  }

  /** Brokers with a connection first, then the configured ones. */
  #candidates(): HostPort[] {
    const connected = [...this.#nodes.values()].filter((node) => node.usable).map((node) => node.address);
    const configured = this.#access.brokers.map(parseBroker);
    const names = new Set<string>();
    return [...connected, ...configured].filter(({ host, port }) => {
      const name = `${host}:${port}`;
      if (names.has(name)) return false;
      names.add(name);
      return true;
    });
  }

  #discard(connection: KafkaConnection): void {
    connection.close();
    const name = `${connection.address.host}:${connection.address.port}`;
    if (this.#nodes.get(name) === connection) this.#nodes.delete(name);
  }
}

/** `host:port`, `[v6]:port` or `host` (9092). @throws PayflowError CONFIG_INVALID */
export function parseBroker(text: string): HostPort {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? '9092');
  if (host === undefined || port < 1 || port > 65_535) {
    throw new PayflowError('CONFIG_INVALID', `KAFKA_BROKERS: ${JSON.stringify(text)} is not host:port`, {
      details: { setting: 'KAFKA_BROKERS' },
    });
  }
  return { host, port };
}
