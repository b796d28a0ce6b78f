/**
 * A real PostgreSQL for tests, demo, bench and fault runs: the one TEST_DATABASE_URL names, else one in
 * Docker, else the embedded one. Every call gets a database of its own.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { EmbeddedPostgres, SYNC_SETTINGS } from '../../services/shared/database/embedded-postgres.ts';
import { PayflowError } from '../../services/shared/errors.ts';
import { freePort } from '../../services/shared/database/free-port.ts';
import { findDocker, postgresPlan, type DockerEngine } from './docker.ts';
import { fetchedPostgres, postgresSeries, SERIES_VARIABLE, type PostgresSeries } from './postgres-series.ts';
import { say } from './say.ts';
import { postgresWays, type PostgresWay } from './server-choice.ts';
import { until } from './until.ts';

const IMAGE = 'postgres:18';
/** The data is thrown away, so it need not be safe from a power cut; a killed server loses nothing. */
const TEST_SETTINGS = [...SYNC_SETTINGS, 'fsync=off'];

const OBJECT_IN_USE = '55006';

export interface StartPostgresOptions {
  /** More server flags; only where the server is started here. */
  readonly flags?: readonly string[];
  /** Never the shared server of TEST_DATABASE_URL: for those who stop and restart it. */
  readonly own?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

export interface RunningPostgres {
  /** Superuser on the database made for this call. */
  readonly url: string;
  /** Superuser on the database `postgres`. */
  readonly adminUrl: string;
  /** Drops the database with its slots, or the whole server where it was started here. */
  stop(): Promise<void>;
  /** An immediate stop, as in a crash. Throws on a shared server, as `restart` does. */
  stopImmediately(): Promise<void>;
  /** Starts again with the same data and port. */
  restart(): Promise<void>;
}

/** Starts or finds a server with wal_level=logical and makes a database on it. */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<RunningPostgres> {
  const given = (options.env ?? process.env)['TEST_DATABASE_URL'];
  const own = options.own ?? false;
  const shared = postgresWays({ given, own, docker: false })[0];
  if (shared?.kind === 'given') return databaseOn(shared.url);
  const docker = await findDocker();
  let failure: unknown;
  for (const way of postgresWays({ given, own, docker: docker !== undefined })) {
    try {
      return await start(way, docker, options);
    } catch (error) {
      if (way.kind === 'docker') say(`PostgreSQL in Docker did not start (${String(error)})`);
      failure = error;
    }
  }
  throw failure;
}

async function start(
  way: PostgresWay,
  docker: DockerEngine | undefined,
  options: StartPostgresOptions,
): Promise<RunningPostgres> {
  const flags = [...TEST_SETTINGS.flatMap((setting) => ['-c', setting]), ...(options.flags ?? [])];
  const series = postgresSeries((options.env ?? process.env)[SERIES_VARIABLE]);
  const server =
    way.kind === 'docker' && docker !== undefined
      ? inDocker(docker, { flags, series })
      : embedded({ flags, series });
  const { adminUrl, ...handles } = await server;
  try {
    return { url: await createDatabase(adminUrl), adminUrl, ...handles };
  } catch (error) {
    await handles.stop();
    throw error;
  }
}

interface ServerWanted {
  readonly flags: readonly string[];
  /** undefined: the one that is at hand. */
  readonly series: PostgresSeries | undefined;
}

async function embedded({ flags, series }: ServerWanted): Promise<Omit<RunningPostgres, 'url'>> {
  const packageFolder = series === undefined ? undefined : await fetchedPostgres(series);
  const server = await EmbeddedPostgres.start({ flags, packageFolder });
  return {
    adminUrl: server.url('postgres'),
    stop: () => server.stop(),
    stopImmediately: () => server.stopImmediately(),
    restart: () => server.restart(),
  };
}

async function inDocker(
  docker: DockerEngine,
  { flags, series }: ServerWanted,
): Promise<Omit<RunningPostgres, 'url'>> {
  const password = randomBytes(12).toString('hex');
  const hostPort = await freePort();
  const image = process.env['TEST_POSTGRES_IMAGE'] ?? (series === undefined ? IMAGE : `postgres:${series}`);
  const adminUrl = `postgres://postgres:${password}@${docker.host}:${hostPort}/postgres`;
  const server = await docker.run(postgresPlan({ image, hostPort, password, flags }), () =>
    answers(adminUrl),
  );
  return {
    adminUrl,
    stop: () => server.stop(),
    stopImmediately: () => server.kill('SIGQUIT'),
    restart: () => server.restart(),
  };
}

async function databaseOn(adminUrl: string): Promise<RunningPostgres> {
  const url = await createDatabase(adminUrl).catch((error: unknown) => {
    if (error instanceof PayflowError) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new PayflowError('DB_UNREACHABLE', `TEST_DATABASE_URL cannot be used: ${what}`, { cause: error });
  });
  const refuse = async () => {
    throw new PayflowError('USAGE', 'The PostgreSQL of TEST_DATABASE_URL is shared: ask for an own one');
  };
  return {
    url,
    adminUrl,
    stop: () => dropDatabase(adminUrl, databaseName(url)),
    stopImmediately: refuse,
    restart: refuse,
  };
}

async function createDatabase(adminUrl: string): Promise<string> {
  const name = `payflow_test_${randomBytes(6).toString('hex')}`;
  await withClient(adminUrl, async (client) => {
    const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
    if (rows[0]?.wal_level !== 'logical') {
      throw new PayflowError('DB_WAL_LEVEL', 'The test server has not wal_level = logical');
    }
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Drops the database and the replication slots on it, whoever still uses them. */
async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    await until(
      async () => {
        await client.query(
          'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active',
          [name],
        );
        await client
          .query(
            `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
              WHERE database = $1 AND NOT active`,
            [name],
          )
          .catch(unlessTakenAgain);
        const left = await client.query('SELECT 1 FROM pg_replication_slots WHERE database = $1', [name]);
        return left.rowCount === 0;
      },
      `the replication slots on ${name} are dropped`,
      { everyMs: 50 },
    );
    await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
  });
}

/** Between the look and the drop, whoever reads the slot may have come back. */
function unlessTakenAgain(error: unknown): void {
  if ((error as { code?: unknown }).code !== OBJECT_IN_USE) throw error;
}

function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

async function withClient<T>(url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  // A server that goes away is told by the query that waits for it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
}

/** False for any failure: a starting server refuses in many ways. */
async function answers(url: string): Promise<boolean> {
  try {
    await withClient(url, (client) => client.query('SELECT 1'));
    return true;
  } catch {
    return false;
  }
}
