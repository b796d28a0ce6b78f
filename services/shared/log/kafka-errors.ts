/**
 * What a failure of Kafka or of kafkajs means to us. Decided by `type` (the broker's error), `name` (kafkajs)
 * and `code` (sockets, TLS), never by the text of a message. What is not known here is not retried.
 */
import type { ErrorCode } from '../error-codes.ts';
import { PayflowError } from '../errors.ts';

const BY_TYPE: Readonly<Record<string, ErrorCode>> = {
  TOPIC_AUTHORIZATION_FAILED: 'LOG_AUTH',
  GROUP_AUTHORIZATION_FAILED: 'LOG_AUTH',
  CLUSTER_AUTHORIZATION_FAILED: 'LOG_AUTH',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'LOG_AUTH',
  SASL_AUTHENTICATION_FAILED: 'LOG_AUTH',
  UNSUPPORTED_SASL_MECHANISM: 'LOG_AUTH',
  ILLEGAL_SASL_STATE: 'LOG_AUTH',
  SECURITY_DISABLED: 'LOG_AUTH',
  MESSAGE_TOO_LARGE: 'LOG_RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'LOG_RECORD_TOO_LARGE',
  INVALID_RECORD: 'LOG_RECORD_INVALID',
  INVALID_TIMESTAMP: 'LOG_RECORD_INVALID',
  OFFSET_OUT_OF_RANGE: 'LOG_OFFSET_OUT_OF_RANGE',
  UNKNOWN_TOPIC_OR_PARTITION: 'LOG_TOPIC_MISSING',
  INVALID_TOPIC_EXCEPTION: 'VALIDATION',
  INVALID_CONFIG: 'LOG_TOPIC_SETTINGS',
  POLICY_VIOLATION: 'LOG_TOPIC_SETTINGS',
  // Waiting mends these.
  CORRUPT_MESSAGE: 'LOG_UNREACHABLE',
  LEADER_NOT_AVAILABLE: 'LOG_UNREACHABLE',
  NOT_LEADER_FOR_PARTITION: 'LOG_UNREACHABLE',
  FENCED_LEADER_EPOCH: 'LOG_UNREACHABLE',
  UNKNOWN_LEADER_EPOCH: 'LOG_UNREACHABLE',
  OFFSET_NOT_AVAILABLE: 'LOG_UNREACHABLE',
  REQUEST_TIMED_OUT: 'LOG_UNREACHABLE',
  BROKER_NOT_AVAILABLE: 'LOG_UNREACHABLE',
  REPLICA_NOT_AVAILABLE: 'LOG_UNREACHABLE',
  NETWORK_EXCEPTION: 'LOG_UNREACHABLE',
  NOT_ENOUGH_REPLICAS: 'LOG_UNREACHABLE',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'LOG_UNREACHABLE',
  KAFKA_STORAGE_ERROR: 'LOG_UNREACHABLE',
  NOT_CONTROLLER: 'LOG_UNREACHABLE',
  GROUP_LOAD_IN_PROGRESS: 'LOG_UNREACHABLE',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'LOG_UNREACHABLE',
  CONCURRENT_TRANSACTIONS: 'LOG_UNREACHABLE',
  LISTENER_NOT_FOUND: 'LOG_UNREACHABLE',
  // Fewer brokers are up than the topic is to have replicas.
  INVALID_REPLICATION_FACTOR: 'LOG_UNREACHABLE',
  // The producer's identity has expired or is out of step: a new one is taken and the records are repeated.
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'LOG_UNREACHABLE',
  DUPLICATE_SEQUENCE_NUMBER: 'LOG_UNREACHABLE',
  INVALID_PRODUCER_EPOCH: 'LOG_UNREACHABLE',
  INVALID_PRODUCER_ID_MAPPING: 'LOG_UNREACHABLE',
  UNKNOWN_PRODUCER_ID: 'LOG_UNREACHABLE',
};

const BY_NAME: Readonly<Record<string, ErrorCode>> = {
  KafkaJSSASLAuthenticationError: 'LOG_AUTH',
  KafkaJSConnectionError: 'LOG_UNREACHABLE',
  KafkaJSConnectionClosedError: 'LOG_UNREACHABLE',
  KafkaJSRequestTimeoutError: 'LOG_UNREACHABLE',
  KafkaJSTimeout: 'LOG_UNREACHABLE',
  KafkaJSLockTimeout: 'LOG_UNREACHABLE',
  KafkaJSBrokerNotFound: 'LOG_UNREACHABLE',
  KafkaJSNoBrokerAvailableError: 'LOG_UNREACHABLE',
};

/** A certificate that does not fit stays so until a person changes it. */
const TLS_REFUSALS: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Errors after which the producer must take a new identity. */
const PRODUCER_LOST: ReadonlySet<string> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
]);

interface KafkaFailure {
  readonly name: string;
  readonly message: string;
  readonly type: string | undefined;
  readonly code: string | undefined;
}

/** A failure as PayflowError, with `context` (what was tried) before Kafka's own words. */
export function asLogError(thrown: unknown, context: string): PayflowError {
  if (thrown instanceof PayflowError) return thrown;
  const failure = failureOf(thrown);
  return new PayflowError(codeOf(failure), `${context}: ${failure.message}`, {
    cause: thrown,
    details: { kafka: failure.type ?? failure.code ?? failure.name },
  });
}

export function isProducerLost(thrown: unknown): boolean {
  const { type } = failureOf(thrown);
  return type !== undefined && PRODUCER_LOST.has(type);
}

/** The broker answered, with a refusal: the connection itself is sound. */
export function isBrokerAnswer(thrown: unknown): boolean {
  return failureOf(thrown).type !== undefined;
}

export function isTopicExists(thrown: unknown): boolean {
  return failureOf(thrown).type === 'TOPIC_ALREADY_EXISTS';
}

function codeOf(failure: KafkaFailure): ErrorCode {
  if (failure.type !== undefined) return BY_TYPE[failure.type] ?? 'INTERNAL';
  if (failure.code !== undefined && TLS_REFUSALS.has(failure.code)) return 'LOG_AUTH';
  return BY_NAME[failure.name] ?? 'INTERNAL';
}

function failureOf(thrown: unknown): KafkaFailure {
  const error = innermost(thrown);
  if (!(error instanceof Error)) {
    return { name: '', message: String(error), type: undefined, code: undefined };
  }
  const text = (name: 'type' | 'code') => {
    const value: unknown = name in error ? (error as unknown as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  return { name: error.name, message: error.message, type: text('type'), code: text('code') };
}

/** kafkajs collects the errors of createTopics in one without a type of its own. */
function innermost(thrown: unknown): unknown {
  if (thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors)) {
    const [first] = thrown.errors as unknown[];
    return first ?? thrown;
  }
  return thrown;
}
