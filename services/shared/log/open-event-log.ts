/** The event log that the configuration names. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Logger } from 'pino';
import type { SASLOptions } from 'kafkajs';
import type { Config } from '../config.ts';
import { PayflowError } from '../errors.ts';
import type { EventLog } from './event-log.ts';
import { KafkaLog } from './kafka-log.ts';

export interface OpenEventLogOptions {
  /** Shown at the brokers. */
  readonly clientId: string;
  readonly log: Logger;
  /** Where KAFKA_BROKERS is not set: a till knows them from its enrolment. */
  readonly brokers?: readonly string[] | undefined;
}

/** Does not connect yet. @throws PayflowError CONFIG_INVALID naming the variable */
export function openEventLog(config: Config, options: OpenEventLogOptions): EventLog {
  const brokers = config.kafkaBrokers ?? options.brokers;
  if (brokers === undefined)
    throw invalid(
      'KAFKA_BROKERS',
      'is not set; on one machine `payflow up` does without, by a log of its own',
    );
  const { clientId, log } = options;
  const sasl = saslOptions(config);
  const ssl = tlsOptions(config);
  if (sasl?.mechanism === 'plain' && ssl === undefined) {
    log.warn(
      { mechanism: 'plain', brokers },
      'KAFKA_SASL_MECHANISM is plain without KAFKA_TLS_ENABLED: the password goes over the network as it is',
    );
  }
  return new KafkaLog({ brokers, clientId, log, ...(ssl && { ssl }), ...(sasl && { sasl }) });
}

function saslOptions(config: Config): SASLOptions | undefined {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = config;
  if (mechanism === undefined) {
    if (username === undefined) return undefined;
    throw invalid('KAFKA_SASL_MECHANISM', 'is not set, but KAFKA_SASL_USERNAME is');
  }
  if (username === undefined) throw invalid('KAFKA_SASL_USERNAME', 'is not set');
  if (password === undefined) throw invalid('KAFKA_SASL_PASSWORD', 'is not set');
  // Apart for each mechanism, because kafkajs types them as a union.
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

function tlsOptions(config: Config): ConnectionOptions | undefined {
  const { kafkaTlsCa, kafkaTlsCert, kafkaTlsKey } = config;
  const given = [kafkaTlsCa, kafkaTlsCert, kafkaTlsKey].some((value) => value !== undefined);
  if (!config.kafkaTlsEnabled) {
    if (given) throw invalid('KAFKA_TLS_ENABLED', 'is not true, but certificates are given');
    return undefined;
  }
  if ((kafkaTlsCert === undefined) !== (kafkaTlsKey === undefined)) {
    throw invalid(
      kafkaTlsCert === undefined ? 'KAFKA_TLS_CERT' : 'KAFKA_TLS_KEY',
      'is not set, but its pair is',
    );
  }
  return {
    ...(kafkaTlsCa !== undefined && { ca: pem('KAFKA_TLS_CA', kafkaTlsCa) }),
    ...(kafkaTlsCert !== undefined && { cert: pem('KAFKA_TLS_CERT', kafkaTlsCert) }),
    ...(kafkaTlsKey !== undefined && { key: pem('KAFKA_TLS_KEY', kafkaTlsKey) }),
  };
}

/** The value itself, or the file that it names. */
function pem(variable: string, value: string): string {
  if (value.includes('-----BEGIN')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (cause) {
    throw invalid(variable, 'is neither PEM nor a readable file', cause);
  }
}

function invalid(variable: string, problem: string, cause?: unknown): PayflowError {
  return new PayflowError('CONFIG_INVALID', `${variable} ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { variables: [variable] },
  });
}
