/**
 * What other commands on this machine need to find a running `up`: its gateway, its embedded database and log. Kept
 * in DATA_DIR for as long as it runs, readable by its owner only, since the embedded database's password is in it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PayflowError } from '../../shared/errors.ts';
import { AgentLock } from '../../terminal-agent/till/agent-lock.ts';

const FILE = 'up.json';
/** Held by the `up` that runs with this DATA_DIR. */
export const UP_LOCK = 'up';
const OWNER_ONLY = 0o600;

const runningSchema = z.object({
  gatewayUrl: z.string(),
  topicPrefix: z.string(),
  mappingFile: z.string(),
  /** null: configured outside, so that a command has it from there as well. */
  databaseUrl: z.string().nullable(),
  eventLogFile: z.string().nullable(),
});
export type RunningUp = z.output<typeof runningSchema>;

/** @returns the function that takes it away again */
export function announceUp(dataDir: string, running: RunningUp): () => void {
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.new`, JSON.stringify(running), { mode: OWNER_ONLY });
  renameSync(`${path}.new`, path);
  return () => rmSync(path, { force: true });
}

/** The `up` that runs with this DATA_DIR; undefined: none does, or it was killed. */
export function findUp(dataDir: string): RunningUp | undefined {
  let text: string;
  try {
    text = readFileSync(join(dataDir, FILE), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
  const running = runningSchema.safeParse(parseJson(text));
  return running.success && isHeld(dataDir) ? running.data : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Cut short by a full disk or a power cut: as if it were not there.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whoever can take the lock learns that nobody has it: a number of a process says little after a restart. */
function isHeld(dataDir: string): boolean {
  try {
    AgentLock.take(join(dataDir, UP_LOCK)).release();
    return false;
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'TERMINAL_DB_IN_USE') return true;
    throw error;
  }
}
