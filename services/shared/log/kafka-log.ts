/** The event log on Kafka: the engine of record for any number of machines. */
import { randomUUID } from 'node:crypto';
import type { PayflowError } from '../errors.ts';
import type {
  AppendOptions,
  EventLog,
  Looked,
  LookOptions,
  LogRecord,
  ReadOptions,
  StoredRecord,
  StreamRef,
  TopicDescription,
  TopicSpec,
} from './event-log.ts';
import { STREAM_ID_KEY } from './event-log.ts';
import { streamName } from './topics.ts';
import { KafkaAppender } from './kafka-appender.ts';
import type { KafkaAccess } from './kafka-connection.ts';
import { KafkaNodes, parseBroker } from './kafka-nodes.ts';
import { readKafkaStream, recordAtKafka } from './kafka-reader.ts';

import { TopicLimits } from './kafka-limits.ts';
import {
  changeKafkaTopic,
  createKafkaTopic,
  describeKafkaTopics,
  isStreamIdKey,
  streamsOf,
} from './kafka-topics.ts';
import { cancelled } from './records.ts';

export interface KafkaLogOptions extends KafkaAccess {
  /** Told of every fetch, for the metrics. */
  readonly onFetched?: (stream: StreamRef, bytes: number) => void;
}

export class KafkaLog implements EventLog {
  readonly kind = 'kafka';
  readonly #options: KafkaLogOptions;
  readonly #nodes: KafkaNodes;
  readonly #appenders = new Map<string, KafkaAppender>();
  readonly #limits = new TopicLimits({ ask: (topic) => this.#askLimit(topic), now: Date.now });
  readonly #closing = new AbortController();

  /** @throws PayflowError CONFIG_INVALID when a broker is not `host:port`. */
  constructor(options: KafkaLogOptions) {
    options.brokers.forEach(parseBroker);
    this.#options = options;
    this.#nodes = new KafkaNodes(options);
  }

  async createTopic(spec: TopicSpec): Promise<'created' | 'exists'> {
    const outcome = await createKafkaTopic(this.#nodes, spec);
    this.#limits.forget(spec.topic);
    // Also when it exists: whoever made it may have died before it wrote the ids.
    for (const stream of streamsOf(spec)) await this.#giveId(stream);
    return outcome;
  }

  async describeTopics(
    topics: readonly string[],
  ): Promise<ReadonlyMap<string, TopicDescription | PayflowError>> {
    const described = await describeKafkaTopics(this.#nodes, topics);
    for (const [topic, found] of described) {
      const limit = 'settings' in found ? limitIn(found) : undefined;
      if (limit !== undefined) this.#limits.set(topic, limit);
    }
    return described;
  }

  async changeTopic(topic: string, settings: ReadonlyMap<string, string>): Promise<void> {
    await changeKafkaTopic(this.#nodes, topic, settings);
    this.#limits.forget(topic);
  }

  async append(
    stream: StreamRef,
    records: readonly LogRecord[],
    options: AppendOptions = {},
  ): Promise<{ baseOffset: number }> {
    if (this.#closing.signal.aborted) throw cancelled(stream, this.#closing.signal.reason);
    const baseOffset = await this.#appender(stream).append(records, options);
    return { baseOffset };
  }

  async *read(
    stream: StreamRef,
    options: ReadOptions & { onTrouble?: (error: PayflowError) => void },
  ): AsyncGenerator<readonly StoredRecord[]> {
    const { onFetched } = this.#options;
    yield* readKafkaStream({
      ...options,
      ...(onFetched === undefined ? {} : { onFetched }),
      signal: AbortSignal.any([options.signal, this.#closing.signal]),
      stream,
      nodes: this.#nodes,
    });
  }

  async offsets(stream: StreamRef): Promise<{ first: number; end: number }> {
    return await this.#nodes.offsets(stream);
  }

  async recordAt(stream: StreamRef, { offset, signal }: LookOptions): Promise<Looked> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return await recordAtKafka(this.#nodes, stream, { offset, signal: either });
  }

  async streamId(stream: StreamRef): Promise<string | undefined> {
    const { first, end } = await this.#nodes.offsets(stream);
    if (first === end) return undefined;
    const record = await this.#firstRecord(stream, first);
    return record !== undefined && isStreamIdKey(record.key) ? record.value?.toString('utf8') : undefined;
  }

  /** Ends readers and appends under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const appender of this.#appenders.values()) appender.close();
    this.#nodes.close();
  }

  #appender(stream: StreamRef): KafkaAppender {
    const name = streamName(stream);
    let appender = this.#appenders.get(name);
    if (appender === undefined) {
      appender = new KafkaAppender({
        stream,
        nodes: this.#nodes,
        limits: this.#limits,
        now: Date.now,
      });
      this.#appenders.set(name, appender);
    }
    return appender;
  }

  /** A till needs no permission to read settings; the broker still refuses what is too large. */
  async #askLimit(topic: string): Promise<number | undefined> {
    const found = (await describeKafkaTopics(this.#nodes, [topic])).get(topic);
    if (found === undefined) return undefined;
    if ('settings' in found) return limitIn(found);
    if (found.code === 'LOG_AUTH') return undefined;
    throw found;
  }

  async #giveId(stream: StreamRef): Promise<void> {
    const { end } = await this.#nodes.offsets(stream);
    if (end > 0) return;
    const key = Buffer.from(STREAM_ID_KEY);
    const { baseOffset } = await this.append(stream, [{ key, value: Buffer.from(randomUUID()) }]);
    if (baseOffset === 0) return;
    // Somebody else was faster. The id is the first one; it must also be the newest, which compaction keeps.
    const first = await this.#firstRecord(stream, 0);
    if (first !== undefined && isStreamIdKey(first.key))
      await this.append(stream, [{ key, value: first.value }]);
  }

  async #firstRecord(stream: StreamRef, from: number): Promise<StoredRecord | undefined> {
    const done = new AbortController();
    try {
      for await (const [record] of this.read(stream, { from, signal: done.signal })) return record;
      // The log is closed: that is no answer.
      throw cancelled(stream, this.#closing.signal.reason);
    } finally {
      done.abort();
    }
  }
}

function limitIn({ settings }: TopicDescription): number | undefined {
  const text = settings.get('max.message.bytes');
  return text === undefined ? undefined : Number(text);
}
