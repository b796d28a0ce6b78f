import { Argument, type Command } from 'commander';
import type { Logger } from 'pino';
import { requireSettings } from '../../shared/config.ts';
import { HealthBoard } from '../../shared/health.ts';
import { superviseOnce, withReleasers } from '../../shared/lifecycle.ts';
import { openEventLog } from '../../shared/log/open-event-log.ts';
import { createRegistry } from '../../shared/metrics.ts';
import { serveOperations } from '../../shared/service-http.ts';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { runService, SERVICE_NAMES, type ServiceName } from '../process-services.ts';
import { loadIdentity } from '../../terminal-agent/identity.ts';
import { ensureEnrolled } from '../till/till-start.ts';

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
    if (name === 'terminal') await enrolWhenPossible(cli, log, health);
    if (signal.aborted) return;
    // The gateway alone neither reads nor writes the log.
    const eventLog =
      name === 'gateway'
        ? undefined
        : openEventLog(config, {
            clientId: `payflow-${name}`,
            log,
            brokers: name === 'terminal' ? loadIdentity(config.dataDir).brokers : undefined,
          });
    if (eventLog !== undefined) onRelease(() => eventLog.close());
    const started = new AbortController();
    onRelease(() => started.abort());
    const running = runService(name, config, {
      log,
      signal,
      health: parts,
      registry,
      ...(eventLog && { eventLog }),
    });
    void health.whenReady(AbortSignal.any([signal, started.signal])).then((ready) => {
      if (ready) log.info({ service: name }, 'ready');
    });
    await running;
  });
}

/** A gateway that is away is waited for; a wrong code, or none, ends the start. */
async function enrolWhenPossible(cli: Cli, log: Logger, health: HealthBoard): Promise<void> {
  await superviseOnce(cli.signal, { log, onHealth: health.part('enrolment') }, () =>
    ensureEnrolled(cli.config),
  );
}
