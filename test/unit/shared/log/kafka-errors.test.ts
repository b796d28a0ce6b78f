import kafkajs from 'kafkajs';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import { describe, expect, test } from 'vitest';
import { PayflowError } from '../../../../services/shared/errors.ts';
import {
  asLogError,
  isBrokerAnswer,
  isProducerLost,
  isTopicExists,
} from '../../../../services/shared/log/kafka-errors.ts';

describe("Kafka's errors", () => {
  test.each([
    [1, 'LOG_OFFSET_OUT_OF_RANGE'],
    [3, 'LOG_TOPIC_MISSING'],
    [5, 'LOG_UNREACHABLE'],
    [6, 'LOG_UNREACHABLE'],
    [7, 'LOG_UNREACHABLE'],
    [10, 'LOG_RECORD_TOO_LARGE'],
    [18, 'LOG_RECORD_TOO_LARGE'],
    [19, 'LOG_UNREACHABLE'],
    [29, 'LOG_AUTH'],
    [31, 'LOG_AUTH'],
    [45, 'LOG_UNREACHABLE'],
    [56, 'LOG_UNREACHABLE'],
    [58, 'LOG_AUTH'],
    [74, 'LOG_UNREACHABLE'],
    [87, 'LOG_RECORD_INVALID'],
    [-1, 'INTERNAL'],
    [12345, 'INTERNAL'],
  ])('the broker answers %d: %s', (code, expected) => {
    const answer = createErrorFromCode(code);
    expect(asLogError(answer, 'trying').code).toBe(expected);
    expect(isBrokerAnswer(answer)).toBe(true);
  });

  test('a broken connection is an outage, a certificate that does not fit is not', () => {
    const broken = new kafkajs.KafkaJSConnectionError('x', { broker: 'a:1', code: 'ECONNRESET' });
    expect(asLogError(broken, 'trying').code).toBe('LOG_UNREACHABLE');
    expect(isBrokerAnswer(broken)).toBe(false);
    const refused = new kafkajs.KafkaJSConnectionError('x', { broker: 'a:1', code: 'CERT_HAS_EXPIRED' });
    expect(asLogError(refused, 'trying').code).toBe('LOG_AUTH');
    const login = Object.assign(new Error('no'), { name: 'KafkaJSSASLAuthenticationError' });
    expect(asLogError(login, 'trying').code).toBe('LOG_AUTH');
  });

  test('what is not known is not retried, and what is ours already stays as it is', () => {
    expect(asLogError(new TypeError('a defect'), 'trying').code).toBe('INTERNAL');
    const ours = new PayflowError('LOG_AUTH', 'no');
    expect(asLogError(ours, 'trying')).toBe(ours);
  });

  test('a producer out of step is told from other refusals', () => {
    expect(isProducerLost(createErrorFromCode(45))).toBe(true);
    expect(isProducerLost(createErrorFromCode(7))).toBe(false);
  });

  test('a topic that exists is found also in a collection of errors', () => {
    expect(isTopicExists(new AggregateError([createErrorFromCode(36)]))).toBe(true);
    expect(isTopicExists(createErrorFromCode(3))).toBe(false);
  });
});
