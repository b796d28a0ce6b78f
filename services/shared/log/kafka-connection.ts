/**
 * One connection to one broker: kafkajs's Broker (TCP, TLS, SASL, API versions) with an end of its own.
 * kafkajs waits for answers before it closes and keeps the half-read bytes of a broken connection for the
 * next one, so here a connection is closed at once, with everything it owes rejected, and never used again.
 */
import Broker from 'kafkajs/src/broker/index.js';
import ConnectionPool, {
  type KafkaLogger,
  type ProtocolRequest,
} from 'kafkajs/src/network/connectionPool.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';
import './kafkajs-request-queue.ts';
import type { ConnectionOptions } from 'node:tls';
import type { ISocketFactory, SASLOptions } from 'kafkajs';
import type { Logger } from 'pino';
import { PayflowError } from '../errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Above the broker's own limits for a produce (10 s) and a fetch (5 s): then the connection counts as dead. */
export const REQUEST_TIMEOUT_MS = 15_000;

export interface KafkaAccess {
  /** `host:port` of brokers to ask first. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: ConnectionOptions | boolean;
  readonly sasl?: SASLOptions;
  /** Makes the TCP or TLS socket; the tests route connections through a proxy by it. */
  readonly socketFactory?: ISocketFactory;
  readonly log: Logger;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What the adapter asks of a broker besides Produce and Fetch. */
export type BrokerRequests = Pick<
  Broker,
  'metadata' | 'listOffsets' | 'initProducerId' | 'createTopics' | 'describeConfigs'
>;

export class KafkaConnection {
  readonly address: HostPort;
  readonly #broker: Broker;
  readonly #pool: ConnectionPool;
  #opening: Promise<void> | undefined;
  #opened = false;
  #closed = false;

  constructor(access: KafkaAccess, address: HostPort) {
    this.address = address;
    const logger = quietLogger(access.log);
    this.#pool = new ConnectionPool({
      ...address,
      logger,
      clientId: access.clientId,
      ...(access.ssl === undefined || access.ssl === false
        ? {}
        : { ssl: access.ssl === true ? {} : access.ssl }),
      ...(access.sasl === undefined ? {} : { sasl: access.sasl }),
      socketFactory: access.socketFactory ?? createSocketFactory(),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
    });
    this.#broker = new Broker({
      connectionPool: this.#pool,
      logger,
      authenticationTimeout: CONNECT_TIMEOUT_MS,
      allowAutoTopicCreation: false,
    });
  }

  /** Not broken: new, connecting, or connected. */
  get usable(): boolean {
    return !this.#closed && (!this.#opened || this.#broker.isConnected());
  }

  /** Connected and logged in; repeated calls share one attempt. */
  async open(): Promise<BrokerRequests> {
    this.#opening ??= this.#broker.connect();
    await this.#opening;
    this.#opened = true;
    if (this.#closed) throw closedError(this.address);
    return this.#broker;
  }

  async send<T>(request: ProtocolRequest<T>): Promise<T> {
    await this.open();
    const [connection] = this.#pool.pool;
    if (connection === undefined) throw closedError(this.address);
    return await connection.send(request);
  }

  /** At once: what is outstanding is rejected. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#pool.pool) {
      connection.rejectRequests(closedError(this.address));
      connection.requestQueue.destroy();
      // With an error, so that a connect under way ends too.
      connection.socket?.destroy(closedError(this.address));
      // Nothing is pending any more, so this only marks the connection as disconnected.
      void connection.disconnect();
    }
  }
}

function closedError(address: HostPort): PayflowError {
  return new PayflowError('LOG_UNREACHABLE', `the connection to ${address.host}:${address.port} was closed`);
}

/** kafkajs reports as errors what we classify and report ourselves. */
function quietLogger(log: Logger): KafkaLogger {
  const write = (message: string, extra?: Record<string, unknown>) => {
    log.debug({ kafkajs: extra }, message);
  };
  const logger: KafkaLogger = {
    namespace: () => logger,
    error: write,
    warn: write,
    info: write,
    debug: () => undefined,
  };
  return logger;
}
