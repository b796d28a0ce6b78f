import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Logger } from 'pino';
import type { Pool } from 'pg';
import { setupCentre } from '../../central-capture/setup/setup.ts';
import { runGateway } from '../../gateway/main.ts';
import { SYNC_MODES, type SyncMode } from '../../shared/agent-protocol.ts';
import { mappingPath, maskUrl, type Config } from '../../shared/config.ts';
import { makeDataDir } from '../../shared/data-dir.ts';
import { PayflowError } from '../../shared/errors.ts';
import { HealthBoard, type PartReport } from '../../shared/health.ts';
import { runAll, withReleasers, type Service } from '../../shared/lifecycle.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { createLogger } from '../../shared/logging.ts';
import { createRegistry } from '../../shared/metrics.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { createPool } from '../../shared/database/postgres.ts';
import type { ServiceContext } from '../../shared/service-context.ts';
import { serveOperations } from '../../shared/service-http.ts';
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import { AgentLock } from '../../terminal-agent/till/agent-lock.ts';
import { readMapping } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { runService } from '../process-services.ts';
import { holdTillFile } from '../till/till-start.ts';
import { enrolledTill } from '../up/enrolled-till.ts';
import { earlierRowsLine } from '../till-waits.ts';
import { rowsFromBefore } from '../up/rows-from-before.ts';
import { announceUp, UP_LOCK } from '../up/running-up.ts';
import { parseTillPlans, type TillPlan } from '../up/up-plan.ts';
import { openDatabase, openLog, type UpDatabase } from '../up/up-resources.ts';

interface UpOptions extends JsonOption {
  readonly terminal: readonly string[];
  readonly mode?: SyncMode;
}

/** How long everything runs, and what is told of it. */
export interface UpRun {
  readonly json: boolean;
  /** Instead of SYNC_MODE. */
  readonly mode?: SyncMode | undefined;
  /** Done once all is ready, instead of telling where everything is; then it stops. */
  readonly whenReady?: (() => Promise<void>) | undefined;
}

export function upCommand(cli: Cli): Command {
  const command = cli
    .command('up', 'everything on this machine in one process; database and log embedded unless configured', [
      'up',
      'up --terminal till-1=./payflow.db@berlin-1',
      'up --mode scheduled --terminal till-1=./payflow.db@berlin-1',
      'DATABASE_URL=… KAFKA_BROKERS=… payflow up --terminal a=a.db@s1 --terminal b=b.db@s1',
    ])
    .option(
      '--terminal <id=file@store>',
      'a till, registered and enrolled by itself; repeatable',
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .addOption(new Option('--mode <mode>', 'of its tills, instead of SYNC_MODE').choices(SYNC_MODES));
  return withJson(command).action(
    cli.action(async ({ terminal, mode, json }: UpOptions) => {
      await runUp(cli, parseTillPlans(terminal), { json: json === true, mode });
      return EXIT.yes;
    }),
  );
}

/** Everything that the parts of one `up` share. */
interface UpSite {
  readonly config: Config;
  readonly database: UpDatabase;
  readonly eventLog: EventLog;
  readonly pool: Pool;
  readonly mapping: Mapping;
  readonly context: Omit<ServiceContext, 'health'> & { readonly health: HealthBoard };
}

/** Everything on this machine, until the signal is aborted. */
export async function runUp(cli: Cli, tills: readonly TillPlan[], run: UpRun): Promise<void> {
  const mapping = readMapping(cli.config);
  const say = (text: string) => cli.output.note(text);
  await withReleasers(async (onRelease) => {
    // First of all: a file that is missing, or that another agent has, must not cost anything at the centre.
    for (const { file } of tills) {
      const held = holdTillFile(file);
      onRelease(() => held.release());
    }
    makeDataDir(cli.config.dataDir, 'shared');
    const alone = holdDataDir(cli.config.dataDir);
    onRelease(() => alone.release());
    const log = run.whenReady === undefined ? upLog(cli) : cli.commandLog();
    const config = { ...cli.config, syncMode: run.mode ?? cli.config.syncMode };
    const database = await openDatabase(config, onRelease, say);
    const eventLog = openLog(config, log, onRelease);
    const pool = createPool({ connectionString: database.url, applicationName: 'payflow-up', max: 4, log });
    onRelease(() => pool.end());
    const { topicPrefix: prefix, horizonDays } = config;
    const upPartitions = DEFAULT_UP_PARTITIONS;
    await setupCentre({ pool, eventLog, prefix, mapping, horizonDays, upPartitions, onWait: say });
    const health = new HealthBoard();
    const registry = createRegistry();
    if (config.metricsPort !== 0) {
      const operations = await serveOperations({
        port: config.metricsPort,
        host: config.metricsHost,
        health,
        registry,
        onPortTaken: (taken, instead) => say(`METRICS_PORT ${taken} is in use; taking ${instead}`),
      });
      onRelease(() => operations.close());
    }
    const context = { log, signal: cli.signal, eventLog, health, registry };
    const site: UpSite = {
      config: { ...config, databaseUrl: database.url },
      database,
      eventLog,
      pool,
      mapping,
      context,
    };
    await runParts(cli, site, tills, run);
  });
}

/** Its embedded database and log are one process's. */
function holdDataDir(dataDir: string): AgentLock {
  return AgentLock.take(
    join(dataDir, UP_LOCK),
    () => new PayflowError('CONFIG_INVALID', `DATA_DIR ${dataDir} is used by another \`payflow up\``),
  );
}

/** On a terminal only what needs attention, unless LOG_LEVEL says otherwise. */
function upLog(cli: Cli): Logger {
  const { logLevel } = cli.config;
  const quiet = cli.output.interactive && logLevel === 'info';
  return createLogger({ level: quiet ? 'warn' : logLevel });
}

async function runParts(cli: Cli, site: UpSite, tills: readonly TillPlan[], run: UpRun): Promise<void> {
  const { config, context } = site;
  const ended = new AbortController();
  let listening: (url: string) => void = () => undefined;
  const gatewayUrl = new Promise<string>((resolve) => (listening = resolve));
  const { health } = context;
  const service = (name: 'capture' | 'apply'): Service => {
    const parts = health.scope(name);
    return { name, run: (signal) => runService(name, config, { ...context, signal, health: parts }) };
  };
  const agents = new Map(tills.map(({ terminalId }) => [terminalId, health.part(`${terminalId} link`)]));
  const services: Service[] = [
    service('capture'),
    service('apply'),
    {
      name: 'gateway',
      run: (signal) =>
        runGateway(config, {
          ...context,
          signal,
          onListening: listening,
          onPortTaken: (taken, instead) =>
            cli.output.note(`GATEWAY_PORT ${taken} is in use; taking ${instead}`),
          onAgent: (terminalId) => agents.get(terminalId)?.({ state: 'ready' }),
        }),
    },
    ...tills.map((till) => {
      const parts = health.scope(till.terminalId);
      const run = async (signal: AbortSignal) => {
        const url = await orAborted(gatewayUrl, signal);
        if (url === undefined) return;
        const tillConfig = await enrolledTill(cli, site, till, reachedAt(config, url));
        await runService('terminal', tillConfig, { ...context, signal, health: parts, isLocked: true });
      };
      return { name: till.terminalId, run };
    }),
  ];
  const leave = orAborted(gatewayUrl, ended.signal).then((url) =>
    url === undefined ? undefined : beFound(site, url),
  );
  const { whenReady } = run;
  if (whenReady === undefined)
    void announce(cli, site, { gatewayUrl, tills, json: run.json, ended: ended.signal });
  else
    services.push({
      name: 'asked for',
      run: async (signal) => {
        // It finds the others as any command does.
        await orAborted(leave, signal);
        if (await isUsable(health, signal)) await whenReady();
      },
    });
  try {
    await runAll(services, cli.signal);
  } finally {
    ended.abort();
    (await leave)?.();
  }
}

/** A certificate is made out to the gateway's name, not to the address it listens on. */
function reachedAt(config: Config, url: string): string {
  return config.gatewayTlsCert === undefined ? url : (config.gatewayUrl ?? url);
}

/** By the other commands on this machine. @returns the function that ends it */
function beFound({ config, database, eventLog }: UpSite, gatewayUrl: string): () => void {
  const { dataDir, topicPrefix } = config;
  return announceUp(dataDir, {
    gatewayUrl: reachedAt(config, gatewayUrl),
    topicPrefix,
    mappingFile: mappingPath(config),
    databaseUrl: database.passwordFile === null ? null : database.url,
    eventLogFile: eventLog.kind === 'embedded' ? resolve(dataDir, 'event-log.db') : null,
  });
}

interface Announcement {
  readonly gatewayUrl: Promise<string>;
  readonly tills: readonly TillPlan[];
  readonly json: boolean;
  readonly ended: AbortSignal;
}

async function announce(
  cli: Cli,
  site: UpSite,
  { gatewayUrl, tills, json, ended }: Announcement,
): Promise<void> {
  const { health, log } = site.context;
  const url = await orAborted(gatewayUrl, ended);
  if (url === undefined || !(await isUsable(health, ended))) return;
  const waiting = health.report().filter(({ state }) => state !== 'ready');
  tell(cli, site, { url, tills, json, waiting });
  if (waiting.length > 0) {
    if (!(await health.whenReady(ended))) return;
    tell(cli, site, { url, tills, json, waiting: [] });
  }
  log.info('ready');
}

/** A till that waits for a decision keeps everything from being ready, and nobody else from working. */
function isUsable(health: HealthBoard, signal: AbortSignal): Promise<boolean> {
  const works = () => health.report().every(({ state, code }) => state === 'ready' || waitsForDecision(code));
  return health.when(signal, () => health.report().length > 0 && works());
}

/** Only an operator ends it: see terminal-agent/standing.ts. */
function waitsForDecision(code: string | undefined): boolean {
  return code === 'TERMINAL_FENCED' || code === 'TERMINAL_RETIRED';
}

interface Told extends Pick<Announcement, 'tills' | 'json'> {
  readonly url: string;
  readonly waiting: readonly PartReport[];
}

function tell(
  cli: Cli,
  { database, config, eventLog, mapping }: UpSite,
  { url, tills, json, waiting }: Told,
): void {
  const databaseUrl = maskUrl(database.url);
  const { passwordFile: databasePasswordFile } = database;
  const brokers = config.kafkaBrokers?.join(',') ?? null;
  const before = rowsFromBefore(tills, mapping);
  if (json) {
    const log = eventLog.kind;
    return cli.output.json({
      ready: waiting.length === 0,
      waiting,
      gatewayUrl: url,
      databaseUrl,
      databasePasswordFile,
      log,
      brokers,
      tills,
      rowsFromBefore: before,
    });
  }
  const embedded = databasePasswordFile === null ? '' : `  (embedded; password in ${databasePasswordFile})`;
  for (const { message } of waiting) cli.output.note(`not ready: ${message}`);
  if (waiting.length === 0) cli.output.line('ready');
  cli.output.line(`gateway   ${url}  (API: ${url}/docs)`);
  cli.output.line(`database  ${databaseUrl}${embedded}`);
  cli.output.line(`log       ${brokers === null ? 'embedded' : `Kafka ${brokers}`}`);
  for (const { terminalId, storeId, file } of tills)
    cli.output.line(`till      ${terminalId} of ${storeId}: ${file}`);
  for (const { terminalId, tables } of before) {
    const text = earlierRowsLine(terminalId, tables);
    if (text !== null) cli.output.line(`due       ${text}`);
  }
}

/** The value, or undefined when the signal comes first. */
async function orAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let leave: () => void = () => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([value, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
