/**
 * A PostgreSQL URL as libpq reads it. The driver's own parser takes a raw `#` or `@` in a password for something else,
 * leaves `%23` in a database name as it is, and makes the strictest of `sslmode=prefer`, which asks for no more than
 * what is there. What the URL does not say stays undefined: the driver then asks the environment (PGPORT, PGSSLMODE, …).
 */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { ClientConfig } from 'pg';
import { PayflowError } from '../errors.ts';

/** Everything that the driver is told of a connection by its URL. */
export interface UrlConnection extends ClientConfig {
  /** TLS where the server has it, without looking at its certificate, else none. */
  readonly prefersTls: boolean;
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<host>\[[0-9A-Fa-f:.%]+\]|[^:@/?#[\]]*)(?::(?<port>\d{0,5}))?(?:\/(?<database>[^/?#@]*))?(?:\?(?<query>[^#]*))?$/;
const EXAMPLE = 'must be a URL like postgresql://user:password@host:5432/database';
const ENCODE =
  'holds a character that has to be encoded in user, password or database name: # as %23, @ as %40, / as %2F, ? as %3F, : as %3A, % as %25';
/** What the driver reads of a query under these names stands elsewhere in its configuration. */
const TLS_NAMES: ReadonlySet<string> = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl']);
const SOCKET_HOST = /^(\/|@)/;

/** What is wrong with the URL, without any piece of it; undefined: nothing. */
export function urlProblem(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(text)) return EXAMPLE;
  const groups = FORM.exec(text)?.groups;
  if (groups === undefined) return /[#@]|%(?![0-9A-Fa-f]{2})/.test(text.slice(11)) ? ENCODE : EXAMPLE;
  if (!Object.values(groups).every((part) => part === undefined || isDecodable(part))) return ENCODE;
  return groups['port'] !== undefined && Number(groups['port']) > 65_535 ? EXAMPLE : undefined;
}

/** @throws PayflowError CONFIG_INVALID where the URL cannot be read, or a file that it names */
export function connectionOf(text: string): UrlConnection {
  const problem = urlProblem(text);
  const groups = FORM.exec(text)?.groups;
  if (problem !== undefined || groups === undefined) throw invalid(problem ?? EXAMPLE);
  const part = (name: string) => {
    const value = groups[name];
    return value === undefined || value === '' ? undefined : decodeURIComponent(value);
  };
  const query = new Map(new URLSearchParams(groups['query'] ?? ''));
  const host = query.get('host') ?? part('host')?.replace(/^\[(.+)\]$/, '$1');
  const database = query.get('dbname') ?? part('database');
  const port = query.get('port') ?? part('port');
  const isSocket = host !== undefined && SOCKET_HOST.test(host);
  const { ssl, prefersTls } = isSocket ? { ssl: false, prefersTls: false } : tlsOf(query);
  return {
    ...Object.fromEntries([...query].filter(([name]) => !TLS_NAMES.has(name) && name !== 'dbname')),
    user: query.get('user') ?? part('user'),
    password: query.get('password') ?? part('password'),
    host,
    port: port === undefined ? undefined : Number(port),
    database,
    ssl,
    prefersTls,
  };
}

/** sslmode as the driver means it, `prefer` apart: whoever asks for TLS gets it with the certificate looked at. */
function tlsOf(query: ReadonlyMap<string, string>): {
  ssl: boolean | ConnectionOptions | undefined;
  prefersTls: boolean;
} {
  const mode = query.get('sslmode');
  const files = { ca: query.get('sslrootcert'), cert: query.get('sslcert'), key: query.get('sslkey') };
  const named = Object.entries(files).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, readPem(name, file)] as const],
  );
  const options: ConnectionOptions = Object.fromEntries(named);
  switch (mode) {
    case undefined: {
      const flag = query.get('ssl');
      if (named.length > 0 || flag === 'true' || flag === '1') return { ssl: options, prefersTls: false };
      return { ssl: flag === undefined ? undefined : false, prefersTls: false };
    }
    case 'disable':
      return { ssl: false, prefersTls: false };
    case 'allow':
    case 'prefer':
      return { ssl: { ...options, rejectUnauthorized: false }, prefersTls: true };
    case 'no-verify':
      return { ssl: { ...options, rejectUnauthorized: false }, prefersTls: false };
    case 'verify-ca':
      return { ssl: { ...options, checkServerIdentity: () => undefined }, prefersTls: false };
    case 'require':
    case 'verify-full':
      return { ssl: options, prefersTls: false };
    default:
      throw invalid('names an sslmode that there is not: disable, prefer, require, verify-ca or verify-full');
  }
}

function readPem(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const setting = { ca: 'sslrootcert', cert: 'sslcert', key: 'sslkey' }[name] ?? name;
    throw invalid(`names a file as ${setting} that cannot be read`, cause);
  }
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function invalid(problem: string, cause?: unknown): PayflowError {
  return new PayflowError('CONFIG_INVALID', `DATABASE_URL ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { variables: ['DATABASE_URL'] },
  });
}
