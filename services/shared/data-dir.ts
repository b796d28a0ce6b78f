/** DATA_DIR: the folder for what this machine keeps. */
import { mkdirSync } from 'node:fs';
import { PayflowError } from './errors.ts';

const OWNER_ONLY = 0o700;

/**
 * Makes it where it is not there; `private`: readable by its owner only.
 * @throws PayflowError CONFIG_INVALID
 */
export function makeDataDir(dataDir: string, kind: 'private' | 'shared'): void {
  try {
    mkdirSync(dataDir, { recursive: true, ...(kind === 'private' && { mode: OWNER_ONLY }) });
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new PayflowError('CONFIG_INVALID', `DATA_DIR ${dataDir} cannot be made a folder (${reason})`, {
      cause,
      details: { variables: ['DATA_DIR'] },
    });
  }
}
