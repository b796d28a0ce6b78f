/** Does something with the agent of an enrolled till on this machine whose service is stopped. */
import type { Config } from '../../shared/config.ts';
import type { TerminalAgent } from '../../terminal-agent/agent.ts';
import { loadIdentity, type TerminalIdentity } from '../../terminal-agent/identity.ts';
import { runTerminal } from '../../terminal-agent/main.ts';
import { errorLine, PayflowError } from '../../shared/errors.ts';
import type { HealthParts } from '../../shared/health.ts';
import type { Cli } from '../cli.ts';
import type { Output } from '../terminal-output.ts';

/**
 * Runs the agent on `file` only as long as `body` takes.
 * @throws PayflowError TERMINAL_DB_IN_USE when its service runs after all, USAGE when DATA_DIR is another till's
 */
export async function withStoppedTill<T>(
  cli: Cli,
  options: { terminalId: string; file: string },
  body: (agent: TerminalAgent) => Promise<T>,
): Promise<T> {
  const config: Config = { ...cli.config, terminalDb: options.file };
  ownIdentity(config, options.terminalId);
  const stop = new AbortController();
  const signal = AbortSignal.any([cli.signal, stop.signal]);
  let opened: (agent: TerminalAgent) => void = () => undefined;
  const agent = new Promise<TerminalAgent>((resolve) => (opened = resolve));
  const running = runTerminal(config, {
    log: cli.commandLog(),
    signal,
    health: troublesTold(cli.output),
    onOpen: opened,
  });
  // The agent ends by itself only when it fails or is interrupted; then nothing more is waited for.
  const ended = running.then(() => {
    throw new PayflowError('SYNC_TIMEOUT', 'interrupted');
  });
  try {
    return await Promise.race([agent.then(body), ended]);
  } finally {
    stop.abort();
    await Promise.allSettled([running, ended]);
  }
}

/** @throws PayflowError TERMINAL_NOT_ENROLLED, USAGE when DATA_DIR is another till's */
export function ownIdentity({ dataDir }: Config, terminalId: string): TerminalIdentity {
  const identity = loadIdentity(dataDir);
  if (identity.terminalId !== terminalId) {
    throw new PayflowError('USAGE', `DATA_DIR ${dataDir} belongs to ${identity.terminalId}`);
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
