/**
 * The one door to PostgreSQL: how sessions are set, how a transaction runs, and what a foreign error means.
 * Errors are classified by SQLSTATE or by Node's own error code, never by their text.
 */
import pg from 'pg';
import type { ClientBase, Pool, PoolClient, PoolConfig } from 'pg';
import type { Logger } from 'pino';
import type { ErrorCode } from '../error-codes.ts';
import { PayflowError } from '../errors.ts';
import { connectionOf } from './connection-url.ts';
import { PreferringClient } from './tls-choice.ts';

/**
 * Values are compared, hashed and sent as the text PostgreSQL prints, so every session prints alike, whatever
 * the server, the role or the database have as defaults.
 */
const SESSION_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['DateStyle', 'ISO, YMD'],
  ['IntervalStyle', 'postgres'],
  ['TimeZone', 'UTC'],
  ['extra_float_digits', '1'],
  ['bytea_output', 'hex'],
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  // The server then refuses what a policy would hide from us; rows that are hidden look deleted.
  ['row_security', 'off'],
];

const settings = (scope: 'SESSION' | 'LOCAL'): string =>
  SESSION_SETTINGS.map(([name, value]) => `SET ${scope} ${name} = '${value}'`).join('; ');

/** For connections that are not made here (the replication session). */
export const SESSION_SQL = settings('SESSION');

/**
 * A process that hangs within a transaction holds rows that others need: the server ends it. Nothing of ours
 * thinks nearly that long between two statements.
 */
const HUNG_MS = 15_000;

/**
 * The settings again with each transaction, in the same round trip: behind a pooler in transaction mode two
 * transactions of one client run on different server sessions.
 */
const BEGIN_SQL = `BEGIN; ${settings('LOCAL')}; SET LOCAL idle_in_transaction_session_timeout = ${HUNG_MS}`;

export interface TransactionOptions {
  /** How long a statement waits for a row or table that somebody else has; without it, as the server says. */
  readonly lockTimeoutMs?: number | undefined;
}

function beginSql({ lockTimeoutMs }: TransactionOptions): string {
  return lockTimeoutMs === undefined ? BEGIN_SQL : `${BEGIN_SQL}; SET LOCAL lock_timeout = ${lockTimeoutMs}`;
}

export interface PoolOptions {
  readonly connectionString: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly max?: number;
  readonly log: Logger;
  readonly connectTimeoutMs?: number;
  /** A query that takes longer fails with DB_UNREACHABLE, whatever becomes of it at the server; default: none. */
  readonly queryTimeoutMs?: number | undefined;
  /** Commits wait for the server's own disk only, whatever its synchronous standbys are. */
  readonly commitsLocally?: boolean;
}

/** A pool whose sessions print values the way the whole product expects. The caller ends it. */
export function createPool(options: PoolOptions): Pool {
  const { prefersTls, ...connection } = connectionOf(options.connectionString);
  const config: PoolConfig = {
    ...connection,
    ...(prefersTls ? { Client: PreferringClient } : {}),
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    query_timeout: options.queryTimeoutMs,
    keepAlive: true,
    onConnect: (client) => prepareSession(client, options.commitsLocally === true),
  };
  const pool = new pg.Pool(config);
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', (error) => {
    options.log.warn({ err: error, code: classify(error) }, 'an idle PostgreSQL connection broke');
  });
  return pool;
}

/** The pool waits for it before anybody gets the connection (its types do not say so). */
function prepareSession(client: ClientBase, commitsLocally: boolean): unknown {
  // Whoever has a connection that breaks between two queries is told by the next query; without any listener
  // the break would end the process.
  client.on('error', () => undefined);
  return client.query(
    commitsLocally ? `${SESSION_SQL}; SET SESSION synchronous_commit = local` : SESSION_SQL,
  );
}

/**
 * Runs `body` in one transaction (READ COMMITTED unless it sets otherwise) and commits; rolls back when it
 * throws. A connection whose transaction could not be ended properly is not given back to the pool.
 * @throws PayflowError; after DB_UNREACHABLE it is unknown whether the commit took place.
 */
export async function inTransaction<T>(
  pool: Pool,
  body: (client: PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const client = await connect(pool);
  let broken: Error | undefined;
  // Without a listener, a connection that breaks between two queries ends the process.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query(beginSql(options));
    const result = await body(client);
    const { command } = await client.query('COMMIT');
    // An error that `body` swallowed has aborted the transaction, and COMMIT then rolls back without an error.
    if (command !== 'COMMIT') throw new PayflowError('INTERNAL', 'the transaction had been aborted');
    return result;
  } catch (error) {
    const wrapped = wrapPostgresError(error);
    if (broken === undefined && wrapped.code !== 'DB_UNREACHABLE') {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
    } else {
      broken ??= wrapped;
    }
    throw wrapped;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** A client of the pool. @throws PayflowError */
export async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

/** Facts of a server error that dead letters and messages show. */
export interface PostgresFacts {
  readonly sqlState: string;
  readonly schema: string | null;
  readonly table: string | null;
  readonly column: string | null;
  readonly constraint: string | null;
}

/** @returns what the server said, when it was the server (or the PayflowError made of it), else null. */
export function postgresFacts(error: unknown): PostgresFacts | null {
  const source = error instanceof PayflowError ? error.cause : error;
  if (!(source instanceof pg.DatabaseError)) return null;
  return {
    sqlState: source.code ?? 'XX000',
    schema: source.schema ?? null,
    table: source.table ?? null,
    column: source.column ?? null,
    constraint: source.constraint ?? null,
  };
}

/**
 * An error thrown by `pg` as ours, with the code its SQLSTATE or Node code stands for. What is ours already
 * stays. Only for errors of database calls: a plain Error without any code is what the driver throws when
 * its connection is gone or could not be had in time.
 */
export function wrapPostgresError(error: unknown): PayflowError {
  if (error instanceof PayflowError) return error;
  const said = error instanceof Error ? describe(error) : String(error);
  const facts = postgresFacts(error);
  const code = classify(error);
  // The remedy speaks of the variable that is named.
  const message = code === 'CONFIG_INVALID' ? `DATABASE_URL: ${said}${hint(error)}` : said + hint(error);
  return new PayflowError(code, message, {
    cause: error,
    ...(facts === null ? {} : { details: { ...facts } }),
  });
}

/** For `catch` of a database call. @throws PayflowError */
export function rethrowWrapped(error: unknown): never {
  throw wrapPostgresError(error);
}

/** What the server, or Node, leaves unsaid. */
function hint(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === READ_ONLY) {
    return ' (default_transaction_read_only is on for the server, the database or the login, or it is a standby)';
  }
  return typeof code === 'string' && UNKNOWN_ISSUER.has(code)
    ? '; name the file with the certificate of its issuer (its own, where it is self-signed): sslrootcert=FILE in the URL'
    : '';
}

const READ_ONLY = '25006';
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A failed connection attempt to several addresses has an empty message of its own. */
function describe(error: Error): string {
  if (error.message !== '') return error.message;
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  const texts = inner.map((each) => (each instanceof Error ? each.message : String(each)));
  return texts.length > 0 ? texts.join('; ') : error.name;
}

function classify(error: unknown): ErrorCode {
  if (error instanceof pg.DatabaseError) return classifySqlState(error.code ?? '');
  if (!(error instanceof Error)) return 'INTERNAL';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (NETWORK_CODES.has(code)) return 'DB_UNREACHABLE';
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) return 'CONFIG_INVALID';
  if (code === 'ERR_INVALID_URL') return 'CONFIG_INVALID';
  if (code !== '') return 'INTERNAL';
  // The driver has no code of its own for a missing password; it is not an outage.
  if (error.message.startsWith('SASL:')) return 'DB_AUTH';
  return error.constructor === Error ? 'DB_UNREACHABLE' : 'INTERNAL';
}

const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

const SHUTDOWN: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);

/** The server ended the session because it stops, or does not take one yet. */
export function isShutdown(error: unknown): boolean {
  return SHUTDOWN.has(postgresFacts(error)?.sqlState ?? '');
}

/** What a SQLSTATE stands for. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function classifySqlState(sqlState: string): ErrorCode {
  switch (sqlState) {
    case '57P01': // admin shutdown
    case '57P02': // crash shutdown
    case '57P03': // cannot connect now
    case '57P05': // idle for too long
    case '25P03': // idle in a transaction for too long
    case '25P04': // too long a transaction
      return 'DB_UNREACHABLE';
    case '3D000': // no such database
      return 'CONFIG_INVALID';
    case '25006': // read only: a standby, or a primary that is being demoted
      return 'DB_TRANSIENT';
    case '42501': // no privilege
    case '3F000': // no such schema
      return 'DB_SCHEMA';
    default:
      return CLASSES.get(sqlState.slice(0, 2)) ?? 'INTERNAL';
  }
}

const CLASSES: ReadonlyMap<string, ErrorCode> = new Map([
  ['08', 'DB_UNREACHABLE'], // connection exception
  ['28', 'DB_AUTH'], // invalid authorization
  ['40', 'DB_TRANSIENT'], // rollback: deadlock, serialization
  ['53', 'DB_TRANSIENT'], // insufficient resources
  ['55', 'DB_TRANSIENT'], // object in use, lock not available
  ['57', 'DB_TRANSIENT'], // operator intervention: cancelled, timed out
  ['09', 'DB_REFUSED'], // triggered action exception
  ['22', 'DB_REFUSED'], // data exception
  ['23', 'DB_REFUSED'], // integrity constraint
  ['27', 'DB_REFUSED'], // triggered data change
  ['44', 'DB_REFUSED'], // check option of a view
  ['P0', 'DB_REFUSED'], // RAISE in PL/pgSQL
  ['42', 'DB_SCHEMA'], // syntax, undefined or ambiguous names
]);
