/** Does something with the agent of an enrolled till on this machine whose service is stopped. */
import type { Config } from '../../shared/config.ts';
import type { TerminalAgent } from '../../terminal-agent/agent.ts';
import { loadIdentity, type TerminalIdentity } from '../../terminal-agent/identity.ts';
import { runTerminal } from '../../terminal-agent/main.ts';
import { errorLine, PayflowError } from '../../shared/errors.ts';
import type { HealthParts } from '../../shared/health.ts';
import type { Cli } from '../cli.ts';
import type { Output } from '../terminal-output.ts';
import { tillPlace } from './till-place.ts';
import { holdTillFile } from './till-start.ts';

/**
 * Runs the agent on `file` only as long as `body` takes.
 * @throws PayflowError TERMINAL_DB_IN_USE when its service runs after all, USAGE when DATA_DIR is another till's
 */
export async function withStoppedTill<T>(
  cli: Cli,
  options: { terminalId: string; file: string },
  body: (agent: TerminalAgent) => Promise<T>,
): Promise<T> {
  const lock = holdTillFile(options.file);
  try {
    return await withHeldTill(cli, options, body);
  } finally {
    lock.release();
  }
}

async function withHeldTill<T>(
  cli: Cli,
  options: { terminalId: string; file: string },
  body: (agent: TerminalAgent) => Promise<T>,
): Promise<T> {
  const { dataDir } = tillPlace(cli, { ...options, isHeld: true });
  ownIdentity(cli, options);
  const config: Config = { ...cli.config, dataDir, terminalDb: options.file };
  const stop = new AbortController();
  const signal = AbortSignal.any([cli.signal, stop.signal]);
  let opened: (agent: TerminalAgent) => void = () => undefined;
  let reopened: (error: PayflowError) => void = () => undefined;
  const agent = new Promise<TerminalAgent>((resolve) => (opened = resolve));
  const replaced = new Promise<never>((_resolve, reject) => (reopened = reject));
  let isOpen = false;
  const running = runTerminal(config, {
    log: cli.commandLog(),
    signal,
    health: troublesTold(cli.output),
    // What the command has begun was about the file before: it is run again.
    onOpen: (now) => {
      if (isOpen) reopened(new PayflowError('TERMINAL_DB_REPLACED', `${options.file} was replaced`));
      isOpen = true;
      opened(now);
    },
    isLocked: true,
  });
  // The agent ends by itself only when it fails or is interrupted; then nothing more is waited for.
  const ended = running.then(() => {
    throw new PayflowError('SYNC_TIMEOUT', 'interrupted');
  });
  try {
    return await Promise.race([agent.then(body), ended, replaced]);
  } finally {
    stop.abort();
    await Promise.allSettled([running, ended]);
  }
}

/** @throws PayflowError TERMINAL_NOT_ENROLLED, USAGE when DATA_DIR is another till's */
export function ownIdentity(
  cli: Cli,
  { terminalId, file }: { terminalId: string; file: string },
): TerminalIdentity {
  const { dataDir } = tillPlace(cli, { terminalId, file, isHeld: false });
  const identity = loadIdentity(dataDir);
  if (identity.terminalId !== terminalId) {
    throw new PayflowError('USAGE', `${dataDir} belongs to ${identity.terminalId}`);
  }
  return identity;
}

/** The agent waits for Kafka or a locked file; whoever waits for the command is told why, once. */
function troublesTold(output: Output): HealthParts {
  const told = new Set<string>();
  return {
    part: () => (health) => {
      if (health.state !== 'unready' || told.has(health.error.code)) return;
      told.add(health.error.code);
      output.note(errorLine(health.error));
    },
  };
}
