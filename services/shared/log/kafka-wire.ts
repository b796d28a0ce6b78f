/**
 * The two requests that carry the load, Produce (version 7) and Fetch (version 11), for one partition each,
 * and Metadata (version 1) without topics. Brokers from Kafka 2.3 to 4.x speak them.
 */
import type { ProtocolRequest } from 'kafkajs/src/network/connectionPool.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import type { StreamRef } from './event-log.ts';

const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' };
const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' };
const METADATA = { apiKey: 3, apiVersion: 1, apiName: 'Metadata' };
const ALL_REPLICAS = -1;
const CONSUMER = -1;

/** Appends one encoded batch; resolves with its base offset once all in-sync replicas have it. */
export function produceRequest(
  stream: StreamRef,
  batch: Buffer,
  options: { brokerTimeoutMs: number; requestTimeoutMs: number },
): ProtocolRequest<number> {
  return protocolRequest(PRODUCE, options.requestTimeoutMs, {
    encode: () => {
      const head = new Writer(64 + Buffer.byteLength(stream.topic));
      head.int16(-1).int16(ALL_REPLICAS).int32(options.brokerTimeoutMs);
      head.int32(1).string(stream.topic).int32(1).int32(stream.partition).int32(batch.length);
      return Buffer.concat([head.done(), batch]);
    },
    decode: (body) => {
      const reader = new Reader(body);
      reader.int32();
      reader.string();
      reader.int32();
      reader.int32();
      failOn(reader.int16());
      return reader.int64();
    },
  });
}

export interface FetchResult {
  /** Record batches as they lie in the broker's log, the last one perhaps cut; empty when nothing came. */
  readonly batches: Buffer;
  readonly highWatermark: number;
}

/** Waits at the broker up to `maxWaitMs` for the first byte from `fromOffset` on. */
export function fetchRequest(
  stream: StreamRef,
  options: { fromOffset: number; maxWaitMs: number; maxBytes: number; requestTimeoutMs: number },
): ProtocolRequest<FetchResult> {
  return protocolRequest(FETCH, options.requestTimeoutMs, {
    encode: () => {
      const writer = new Writer(96 + Buffer.byteLength(stream.topic));
      writer.int32(CONSUMER).int32(options.maxWaitMs).int32(1).int32(options.maxBytes);
      // Read uncommitted (there are no transactions in our topics), without a fetch session.
      writer.int8(0).int32(0).int32(-1);
      writer.int32(1).string(stream.topic).int32(1).int32(stream.partition);
      writer.int32(-1).int64(options.fromOffset).int64(-1).int32(options.maxBytes);
      writer.int32(0).string('');
      return writer.done();
    },
    decode: decodeFetch,
  });
}

export interface ClusterNodes {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly controller: { readonly host: string; readonly port: number } | undefined;
}

/** The brokers alone: kafkajs can only ask for them with all topics, and fails when one of those is unwell. */
export function clusterRequest(requestTimeoutMs: number): ProtocolRequest<ClusterNodes> {
  return protocolRequest(METADATA, requestTimeoutMs, {
    encode: () => new Writer(4).int32(0).done(),
    decode: (body) => {
      const reader = new Reader(body);
      const nodes = Array.from({ length: reader.int32() }, () => {
        const node = { id: reader.int32(), host: reader.string(), port: reader.int32() };
        reader.string();
        return node;
      });
      const controllerId = reader.int32();
      return { nodes, controller: nodes.find((node) => node.id === controllerId) };
    },
  });
}

function decodeFetch(body: Buffer): FetchResult {
  const reader = new Reader(body);
  reader.int32();
  failOn(reader.int16());
  reader.int32();
  reader.int32();
  reader.string();
  reader.int32();
  reader.int32();
  failOn(reader.int16());
  const highWatermark = reader.int64();
  reader.int64();
  reader.int64();
  const aborted = reader.int32();
  for (let index = 0; index < aborted; index += 1) {
    reader.int64();
    reader.int64();
  }
  reader.int32();
  return { batches: reader.bytes(), highWatermark };
}

/** One request with its codec; `encode` and `decode` leave out what kafkajs adds. */
export function protocolRequest<T>(
  api: { apiKey: number; apiVersion: number; apiName: string },
  requestTimeout: number,
  codec: { encode: () => Buffer; decode: (body: Buffer) => T },
): ProtocolRequest<T> {
  return {
    request: {
      ...api,
      encode: async () => {
        const bytes = codec.encode();
        return { buf: bytes, buffer: bytes };
      },
    },
    response: {
      // Throttled brokers answer at once and hold back the next request themselves.
      decode: async (body) => ({ clientSideThrottleTime: 0, body }),
      parse: async ({ body }) => codec.decode(body),
    },
    requestTimeout,
    logResponseError: false,
  };
}

export function failOn(code: number): void {
  if (code !== 0) throw createErrorFromCode(code);
}

export class Writer {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity);
  }

  int8(value: number): this {
    this.#at = this.#bytes.writeInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#at = this.#bytes.writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  int64(value: number): this {
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  string(value: string): this {
    this.int16(Buffer.byteLength(value));
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
    return this;
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}

export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    this.#at += 1;
    return this.#bytes.readInt8(this.#at - 1);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigInt64BE(this.#at - 8));
  }

  string(): string {
    const length = Math.max(0, this.int16());
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  /** As many as the number in front of them says. */
  list<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
