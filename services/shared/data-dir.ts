/** DATA_DIR: the folder for what this machine keeps. */
import { PayflowError } from './errors.ts';
import { makePrivateFolder } from './private-files.ts';

/**
 * Makes it where it is not there, for its owner only; `shared`: the account of an embedded PostgreSQL may pass.
 * @throws PayflowError CONFIG_INVALID
 */
export function makeDataDir(dataDir: string, kind: 'private' | 'shared'): void {
  try {
    makePrivateFolder(dataDir, { passable: kind === 'shared' });
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new PayflowError('CONFIG_INVALID', `DATA_DIR ${dataDir} cannot be made a folder (${reason})`, {
      cause,
      details: { variables: ['DATA_DIR'] },
    });
  }
}
