/**
 * What is asked about topics, many at once and each answered for itself: kafkajs fails all of them when one is gone
 * or may not be seen, and its AlterConfigs takes away every setting that it is not told. Metadata (version 1),
 * DescribeConfigs (1) and IncrementalAlterConfigs (0): Kafka 2.3 to 4.x.
 */
import type { ProtocolRequest } from 'kafkajs/src/network/connectionPool.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import { protocolRequest, Reader, Writer } from './kafka-wire.ts';

const METADATA = { apiKey: 3, apiVersion: 1, apiName: 'Metadata' };
const DESCRIBE_CONFIGS = { apiKey: 32, apiVersion: 1, apiName: 'DescribeConfigs' };
const INCREMENTAL_ALTER_CONFIGS = { apiKey: 44, apiVersion: 0, apiName: 'IncrementalAlterConfigs' };
const TOPIC_RESOURCE = 2;
const SET = 0;

/** By topic: what was asked, or why there is no answer. */
export type PerTopic<T> = ReadonlyMap<string, T | Error>;

/** How many replicas the topics' partitions have. */
export function replicasRequest(
  topics: readonly string[],
  requestTimeoutMs: number,
): ProtocolRequest<PerTopic<number>> {
  return protocolRequest(METADATA, requestTimeoutMs, {
    encode: () => strings(new Writer(4 + namesBytes(topics)), topics).done(),
    decode: (body) => {
      const reader = new Reader(body);
      reader.list(() => [reader.int32(), reader.string(), reader.int32(), reader.string()]);
      reader.int32();
      return new Map(
        reader.list(() => {
          const code = reader.int16();
          const topic = reader.string();
          reader.int8();
          const replicas = reader.list(() => {
            reader.int16();
            reader.int32();
            reader.int32();
            const count = reader.list(() => reader.int32()).length;
            reader.list(() => reader.int32());
            return count;
          });
          return [topic, code === 0 ? Math.max(1, ...replicas) : createErrorFromCode(code)];
        }),
      );
    },
  });
}

/** The named settings as they are in force, wherever they come from. */
export function describeTopicsRequest(
  topics: readonly string[],
  settings: readonly string[],
  requestTimeoutMs: number,
): ProtocolRequest<PerTopic<ReadonlyMap<string, string>>> {
  return protocolRequest(DESCRIBE_CONFIGS, requestTimeoutMs, {
    encode: () => {
      const writer = new Writer(16 + namesBytes(topics) + topics.length * (8 + namesBytes(settings)));
      writer.int32(topics.length);
      for (const topic of topics) strings(writer.int8(TOPIC_RESOURCE).string(topic), settings);
      return writer.int8(0).done();
    },
    decode: (body) => {
      const reader = new Reader(body);
      reader.int32();
      return new Map(
        reader.list(() => {
          const code = reader.int16();
          reader.string();
          reader.int8();
          const topic = reader.string();
          const found = reader.list((): [string, string] => {
            const entry: [string, string] = [reader.string(), reader.string()];
            reader.int8();
            reader.int8();
            reader.int8();
            reader.list(() => [reader.string(), reader.string(), reader.int8()]);
            return entry;
          });
          return [topic, code === 0 ? new Map(found) : createErrorFromCode(code)];
        }),
      );
    },
  });
}

/** Sets these settings of one topic, all or none, and leaves its others alone. */
export function alterTopicRequest(
  topic: string,
  settings: ReadonlyMap<string, string>,
  requestTimeoutMs: number,
): ProtocolRequest<void> {
  return protocolRequest(INCREMENTAL_ALTER_CONFIGS, requestTimeoutMs, {
    encode: () => {
      const entries = [...settings];
      const writer = new Writer(32 + namesBytes([topic, ...entries.flat()]) + entries.length);
      writer.int32(1).int8(TOPIC_RESOURCE).string(topic).int32(entries.length);
      for (const [name, value] of entries) writer.string(name).int8(SET).string(value);
      return writer.int8(0).done();
    },
    decode: (body) => {
      const reader = new Reader(body);
      reader.int32();
      reader.list(() => {
        const code = reader.int16();
        const said = reader.string();
        reader.int8();
        reader.string();
        if (code !== 0) throw refusal(code, said);
      });
    },
  });
}

/** With the broker's own words, which name what a policy forbids. */
function refusal(code: number, said: string): Error {
  const error = createErrorFromCode(code);
  if (said !== '') error.message = `${error.message} (${said})`;
  return error;
}

function strings(writer: Writer, texts: readonly string[]): Writer {
  writer.int32(texts.length);
  for (const text of texts) writer.string(text);
  return writer;
}

function namesBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + 8 + Buffer.byteLength(name), 0);
}
