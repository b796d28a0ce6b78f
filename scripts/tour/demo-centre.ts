/** The centre of the demo: PostgreSQL with the shop, the event log, capture, apply and gateway. */
import { readFileSync, rmSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Pool } from 'pg';
import { runApply } from '../../services/central-apply/main.ts';
import { runCapture } from '../../services/central-capture/main.ts';
import { setupCentre } from '../../services/central-capture/setup/setup.ts';
import { openDatabase, openLog } from '../../services/cli/up/up-resources.ts';
import { runGateway, type GatewayStart } from '../../services/gateway/main.ts';
import { loadConfig, type Config } from '../../services/shared/config.ts';
import { PayflowError } from '../../services/shared/errors.ts';
import { HealthBoard } from '../../services/shared/health.ts';
import type { Releaser } from '../../services/shared/lifecycle.ts';
import { makeStoreStream } from '../../services/gateway/terminals.ts';
import type { EventLog } from '../../services/shared/log/event-log.ts';
import type { Mapping } from '../../services/shared/mapping/mapping.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { packageRoot, schemaFile } from '../../services/shared/paths.ts';
import { createPool } from '../../services/shared/database/postgres.ts';
import { DEFAULT_UP_PARTITIONS } from '../../services/shared/log/topics.ts';
import { DemoFolder } from './demo-folder.ts';
import { fileLogger } from './demo-logger.ts';
import { startBrokers } from './demo-log.ts';
import { DemoServices } from './demo-services.ts';
import { HeadOffice } from './head-office.ts';
import type { DemoOptions } from './options.ts';

/** Both tills of the demo stand here. */
export const STORE = '1';

type Say = (text: string) => void;

export interface OpenOptions {
  readonly options: DemoOptions;
  readonly signal: AbortSignal;
  readonly say: Say;
  readonly onRelease: (undo: Releaser) => void;
  /** Told where the services log, once they can. */
  readonly onLogFile: (path: string) => void;
  readonly env: NodeJS.ProcessEnv;
}

export interface DemoCentre {
  /** This demo made the shop; else it goes on with the shop of an earlier one. */
  readonly isNew: boolean;
  readonly folder: DemoFolder;
  readonly config: Config;
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly headOffice: HeadOffice;
  readonly mapping: Mapping;
  readonly eventLog: EventLog;
  readonly services: DemoServices;
  readonly health: HealthBoard;
  readonly gatewayUrl: string;
  readonly log: Logger;
  readonly logFile: string;
}

type Started = Pick<DemoCentre, 'config' | 'log' | 'eventLog' | 'services' | 'health'>;

/** Where the services log; beside the folder, so that it outlives --fresh. */
function logFileOf(options: DemoOptions): string {
  return `${folderOf(options)}.log`;
}

function folderOf({ kafka }: DemoOptions): string {
  return `${packageRoot()}/.payflow/${kafka ? 'demo-kafka' : 'demo'}`;
}

export async function openCentre(open: OpenOptions): Promise<DemoCentre> {
  const { options, onRelease, env, signal, say } = open;
  const folder = DemoFolder.take(folderOf(options), options.fresh, onRelease);
  const isNew = !folder.complete;
  const logFile = logFileOf(options);
  rmSync(logFile, { force: true });
  const log = await fileLogger(logFile, loadConfig({ LOG_LEVEL: env['LOG_LEVEL'] }).logLevel, onRelease);
  open.onLogFile(logFile);
  const [brokers, database] = await both(
    options.kafka ? startBrokers(onRelease) : Promise.resolve(null),
    openDatabase(loadConfig({ DATA_DIR: folder.path }), onRelease, () => undefined),
  );
  const config = loadConfig({
    DATABASE_URL: database.url,
    DATA_DIR: folder.path,
    GATEWAY_PORT: env['GATEWAY_PORT'],
    LOG_LEVEL: env['LOG_LEVEL'],
    KAFKA_BROKERS: brokers?.brokers,
    TOPIC_PREFIX: brokers?.prefix,
  });
  const eventLog = openLog(config, log, onRelease);
  const pool = createPool({ connectionString: database.url, applicationName: 'payflow-demo', max: 4, log });
  onRelease(() => pool.end());
  const headOffice = new HeadOffice(pool);
  if (isNew) await headOffice.enterShop();
  else await requireShop(headOffice);
  const mapping = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'));
  const { topicPrefix: prefix, horizonDays } = config;
  await setupCentre({ pool, eventLog, prefix, mapping, horizonDays, upPartitions: DEFAULT_UP_PARTITIONS });
  await makeStoreStream({ pool, eventLog, prefix }, STORE);
  const services = new DemoServices(signal);
  onRelease(() => services.stop());
  const health = new HealthBoard();
  const parts = {
    folder,
    isNew,
    log,
    config,
    databaseUrl: database.url,
    eventLog,
    pool,
    headOffice,
    mapping,
  };
  const gatewayUrl = await startServices({ config, log, eventLog, services, health }, say);
  return { ...parts, services, health, gatewayUrl, logFile };
}

/** A database in the system's temporary folder goes with it. @throws PayflowError */
async function requireShop(headOffice: HeadOffice): Promise<void> {
  if ((await headOffice.text(`SELECT to_regclass('payflow_sync.terminal')`)) !== null) return;
  throw new PayflowError(
    'CONFIG_INVALID',
    'the database of the earlier demo is gone; start over with --fresh',
  );
}

/** @returns the gateway's URL */
async function startServices(
  { config, log, eventLog, services, health }: Started,
  say: Say,
): Promise<string> {
  let url: string | undefined;
  const context = { log, eventLog, health };
  services.start('capture', (signal) => runCapture(config, { ...context, signal }));
  services.start('apply', (signal) => runApply(config, { ...context, signal }));
  services.start('gateway', async (signal) => {
    const start: GatewayStart = { ...context, signal, onListening: (listening) => (url = listening) };
    try {
      await runGateway(config, start);
    } catch (error) {
      if (!isPortTaken(error)) throw error;
      say(`port ${config.gatewayPort} is in use; taking another one`);
      await runGateway({ ...config, gatewayPort: 0 }, start);
    }
  });
  await services.waitFor(() => url !== undefined, 'the gateway listens', { everyMs: 5 });
  return url ?? '';
}

/** Asked only when it happens: whether a port is free can change between asking and taking it. */
function isPortTaken(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as { code?: unknown } | undefined) : undefined;
  return cause?.code === 'EADDRINUSE';
}

/** Both at the same time; when one fails, only after the other has ended, so that each undo is registered. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}
