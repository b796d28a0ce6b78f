import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { errorLine, PayflowError } from '../../../../services/shared/errors.ts';
import {
  classifySqlState,
  postgresFacts,
  wrapPostgresError,
} from '../../../../services/shared/database/postgres.ts';

function serverError(code: string): Error {
  const error = new pg.DatabaseError('said the server', 1, 'error');
  error.code = code;
  error.constraint = 'price_check';
  return error;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe('errors are classified by their codes', () => {
  test.each([
    ['40P01', 'DB_TRANSIENT'],
    ['53300', 'DB_TRANSIENT'],
    ['55P03', 'DB_TRANSIENT'],
    ['57014', 'DB_TRANSIENT'],
    ['57P01', 'DB_UNREACHABLE'],
    ['57P05', 'DB_UNREACHABLE'],
    ['25P03', 'DB_UNREACHABLE'],
    ['25P04', 'DB_UNREACHABLE'],
    ['08006', 'DB_UNREACHABLE'],
    ['25006', 'DB_TRANSIENT'],
    ['28P01', 'DB_AUTH'],
    ['3D000', 'CONFIG_INVALID'],
    ['22001', 'DB_REFUSED'],
    ['23505', 'DB_REFUSED'],
    ['P0001', 'DB_REFUSED'],
    ['42703', 'DB_SCHEMA'],
    ['XX000', 'INTERNAL'],
  ])('SQLSTATE %s is %s', (sqlState, code) => {
    expect(classifySqlState(sqlState)).toBe(code);
    expect(wrapPostgresError(serverError(sqlState)).code).toBe(code);
  });

  test.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EPIPE', 'EAI_AGAIN'])(
    '%s is an outage',
    (code) => {
      expect(wrapPostgresError(systemError(code))).toMatchObject({ code: 'DB_UNREACHABLE', retry: 'timed' });
    },
  );

  test('an error of several addresses says what each of them said', () => {
    const error = Object.assign(new AggregateError([systemError('ECONNREFUSED')]), { code: 'ECONNREFUSED' });
    expect(wrapPostgresError(error)).toMatchObject({
      code: 'DB_UNREACHABLE',
      message: 'connect ECONNREFUSED',
    });
  });

  test('a connection that ended is an outage, a defect is not', () => {
    expect(wrapPostgresError(new Error('Connection terminated unexpectedly')).code).toBe('DB_UNREACHABLE');
    expect(wrapPostgresError(new TypeError('x is not a function')).code).toBe('INTERNAL');
  });
});

test('what the server said of a refusal stays readable', () => {
  expect(postgresFacts(wrapPostgresError(serverError('23514')))).toMatchObject({
    sqlState: '23514',
    constraint: 'price_check',
  });
});

test('what is ours already stays as it is', () => {
  const ours = new PayflowError('DB_REFUSED', 'x');
  expect(wrapPostgresError(ours)).toBe(ours);
});

test.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'])(
  'of a certificate that nobody vouches for (%s) the message says where to name its issuer',
  (code) => {
    expect(wrapPostgresError(systemError(code))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('sslrootcert=FILE') as string,
    });
  },
);

test('nothing is said to be tried again by whoever ends with it', () => {
  expect(errorLine(wrapPostgresError(serverError('40P01')))).not.toMatch(/it is retried/);
});
