import { Argument, type Command } from 'commander';
import type { Logger } from 'pino';
import { requireSettings, type Config } from '../../shared/config.ts';
import { HealthBoard } from '../../shared/health.ts';
import { superviseOnce, withReleasers, type Releaser } from '../../shared/lifecycle.ts';
import { openEventLog } from '../../shared/log/open-event-log.ts';
import { createRegistry } from '../../shared/metrics.ts';
import { serveOperations } from '../../shared/service-http.ts';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { runService, SERVICE_NAMES, type ServiceName } from '../process-services.ts';
import { loadIdentity } from '../../terminal-agent/identity.ts';
import { ensureEnrolled, holdTillFile } from '../till/till-start.ts';

export function runCommand(cli: Cli): Command {
  return cli
    .command('run', 'run one service until it is stopped', [
      'run capture',
      'METRICS_PORT=9100 payflow run apply',
      'run terminal',
    ])
    .addArgument(new Argument('<service>', 'which').choices(SERVICE_NAMES))
    .action(
      cli.action(async (name: ServiceName) => {
        await runOne(cli, name);
        return EXIT.yes;
      }),
    );
}

async function runOne(cli: Cli, name: ServiceName): Promise<void> {
  const { config, signal } = cli;
  requireSettings(config, name === 'terminal' ? 'terminalDb' : 'databaseUrl');
  const log = cli.serviceLog();
  const health = new HealthBoard();
  const registry = createRegistry();
  await withReleasers(async (onRelease) => {
    const till = name === 'terminal' ? holdTill(config, onRelease) : undefined;
    if (config.metricsPort !== 0) {
      const operations = await serveOperations({
        port: config.metricsPort,
        host: config.metricsHost,
        health,
        registry,
      });
      onRelease(() => operations.close());
    }
    // From now on: an enrolled till is not ready before its agent is.
    const parts = health.scope(name, (part) => part);
    const dataDir = till === undefined ? config.dataDir : await enrolWhenPossible(cli, till, log, health);
    if (signal.aborted || dataDir === undefined) return;
    // The gateway opens its own, and only when it needs one.
    const eventLog =
      name === 'gateway'
        ? undefined
        : openEventLog(config, {
            clientId: `payflow-${name}`,
            log,
            brokers: till === undefined ? undefined : loadIdentity(dataDir).brokers,
          });
    if (eventLog !== undefined) onRelease(() => eventLog.close());
    const started = new AbortController();
    onRelease(() => started.abort());
    const context = { log, signal, health: parts, registry, isLocked: till !== undefined };
    const running = runService(name, { ...config, dataDir }, { ...context, ...(eventLog && { eventLog }) });
    void health.whenReady(AbortSignal.any([signal, started.signal])).then((ready) => {
      if (ready) log.info({ service: name }, 'ready');
    });
    await running;
  });
}

/** @returns the till's file, held until everything else has ended */
function holdTill(config: Config, onRelease: (undo: Releaser) => void): string {
  const { terminalDb } = requireSettings(config, 'terminalDb');
  const lock = holdTillFile(terminalDb);
  onRelease(() => lock.release());
  return terminalDb;
}

/**
 * A gateway that is away is waited for; a wrong code, or none, ends the start.
 * @returns where the till's identity lies; undefined: stopped before
 */
async function enrolWhenPossible(
  cli: Cli,
  file: string,
  log: Logger,
  health: HealthBoard,
): Promise<string | undefined> {
  return superviseOnce(cli.signal, { log, onHealth: health.part('enrolment') }, () =>
    ensureEnrolled(cli, file),
  );
}
