/**
 * The parts of kafkajs 2.2.4 that its public API does not offer and the log needs: one connection to one
 * broker, with versions and login settled. The version is pinned exactly, and only kafka-connection.ts,
 * kafka-wire.ts, kafka-record-batch.ts and kafkajs-request-queue.ts import these.
 */
declare module 'kafkajs/src/network/connectionPool.js' {
  import type { Socket } from 'node:net';

  /** One request with its codec. `encode` gives the body after the request header. */
  export interface ProtocolRequest<T> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    };
    readonly response: {
      decode(body: Buffer): Promise<{ clientSideThrottleTime: number; body: Buffer }>;
      parse(decoded: { body: Buffer }): Promise<T>;
    };
    readonly requestTimeout: number;
    readonly logResponseError: boolean;
  }

  type LogFunction = (message: string, extra?: Record<string, unknown>) => void;

  export interface KafkaLogger {
    namespace(name: string): KafkaLogger;
    readonly info: LogFunction;
    readonly error: LogFunction;
    readonly warn: LogFunction;
    readonly debug: LogFunction;
  }

  export interface KafkaConnection {
    /** Absent until the first connect. */
    readonly socket?: Socket;
    readonly requestQueue: { destroy(): void };
    send<T>(request: ProtocolRequest<T>): Promise<T>;
    rejectRequests(error: Error): void;
    disconnect(): Promise<boolean>;
  }

  export default class ConnectionPool {
    constructor(options: Record<string, unknown> & { logger: KafkaLogger });
    readonly pool: readonly KafkaConnection[];
  }
}

declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';
  import type { KafkaLogger } from 'kafkajs/src/network/connectionPool.js';

  export interface ClusterMetadata {
    readonly controllerId: number;
    readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
    readonly topicMetadata: readonly {
      readonly topic: string;
      readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
    }[];
  }

  export default class Broker {
    constructor(options: {
      connectionPool: ConnectionPool;
      logger: KafkaLogger;
      authenticationTimeout: number;
      allowAutoTopicCreation: boolean;
    });
    isConnected(): boolean;
    connect(): Promise<void>;
    metadata(topics: readonly string[]): Promise<ClusterMetadata>;
    listOffsets(request: {
      replicaId: number;
      isolationLevel: number;
      topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[];
    }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
    initProducerId(request: { transactionTimeout: number }): Promise<{
      producerId: string;
      producerEpoch: number;
    }>;
    createTopics(request: {
      topics: {
        topic: string;
        numPartitions: number;
        replicationFactor: number;
        configEntries: { name: string; value: string }[];
      }[];
      timeout: number;
    }): Promise<unknown>;
    describeConfigs(request: {
      resources: { type: number; name: string; configNames: string[] }[];
    }): Promise<{ resources: { configEntries: { configName: string; configValue: string | null }[] }[] }>;
  }
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    readonly throttledUntil: number;
    throttleCheckTimeoutId: NodeJS.Timeout | null;
    checkPendingRequests(): void;
    scheduleCheckPendingRequests(): void;
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  import type { ISocketFactory } from 'kafkajs';
  export default function createSocketFactory(): ISocketFactory;
}

declare module 'kafkajs/src/protocol/error.js' {
  export function createErrorFromCode(code: number): Error;
}

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  export default function crc32C(bytes: Buffer): number;
}
