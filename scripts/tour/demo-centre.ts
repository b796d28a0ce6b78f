/** The centre of the demo: PostgreSQL with the shop, the event log, capture, apply and gateway. */
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Pool } from 'pg';
import { runApply } from '../../services/central-apply/main.ts';
import { runCapture } from '../../services/central-capture/main.ts';
import { ensureStoreStream, setupCentre } from '../../services/central-capture/setup/setup.ts';
import { openDatabase, openLog, usablePort } from '../../services/cli/up/up-resources.ts';
import { runGateway } from '../../services/gateway/main.ts';
import { loadConfig, type Config } from '../../services/shared/config.ts';
import { HealthBoard } from '../../services/shared/health.ts';
import type { Releaser } from '../../services/shared/lifecycle.ts';
import type { EventLog } from '../../services/shared/log/event-log.ts';
import { createLogger } from '../../services/shared/logging.ts';
import type { Mapping } from '../../services/shared/mapping/mapping.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { packageRoot, schemaFile } from '../../services/shared/paths.ts';
import { createPool } from '../../services/shared/database/postgres.ts';
import { DEFAULT_UP_PARTITIONS } from '../../services/shared/log/topics.ts';
import { DemoFolder } from './demo-folder.ts';
import { startBrokers, type DemoBrokers } from './demo-log.ts';
import { DemoServices } from './demo-services.ts';
import { HeadOffice } from './head-office.ts';
import type { DemoOptions } from './options.ts';

/** Both tills of the demo stand here. */
export const STORE = '1';

export interface OpenOptions {
  readonly options: DemoOptions;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
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

/** Where the services log; beside the folder, so that it outlives --fresh. */
function logFileOf(options: DemoOptions): string {
  return `${folderOf(options)}.log`;
}

function folderOf({ kafka }: DemoOptions): string {
  return `${packageRoot()}/.payflow/${kafka ? 'demo-kafka' : 'demo'}`;
}

export async function openCentre(open: OpenOptions): Promise<DemoCentre> {
  const { options, onRelease, env, signal } = open;
  const folder = DemoFolder.take(folderOf(options), options.fresh, onRelease);
  const isNew = !folder.complete;
  const logFile = logFileOf(options);
  const log = await fileLogger(logFile, env, onRelease);
  open.onLogFile(logFile);
  const [brokers, database] = await both(
    options.kafka ? startBrokers(onRelease) : Promise.resolve(null),
    openDatabase(loadConfig({ DATA_DIR: folder.path }), onRelease, () => undefined),
  );
  const config = await demoConfig(open, { folder, databaseUrl: database.url, brokers });
  const eventLog = openLog(config, log, onRelease);
  const pool = createPool({ connectionString: database.url, applicationName: 'payflow-demo', max: 4, log });
  onRelease(() => pool.end());
  const headOffice = new HeadOffice(pool);
  if (isNew) await headOffice.enterShop();
  const mapping = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'));
  const { topicPrefix: prefix, horizonDays } = config;
  await setupCentre({ pool, eventLog, prefix, mapping, horizonDays, upPartitions: DEFAULT_UP_PARTITIONS });
  await ensureStoreStream(eventLog, prefix, STORE, horizonDays);
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
  const gatewayUrl = await startServices({ config, log, eventLog, services, health });
  return { ...parts, services, health, gatewayUrl, logFile };
}

async function startServices(
  centre: Pick<DemoCentre, 'config' | 'log' | 'eventLog' | 'services' | 'health'>,
): Promise<string> {
  const { config, log, eventLog, services, health } = centre;
  let url: string | undefined;
  const context = { log, eventLog, health };
  services.start('capture', (signal) => runCapture(config, { ...context, signal }));
  services.start('apply', (signal) => runApply(config, { ...context, signal }));
  services.start('gateway', (signal) =>
    runGateway(config, { ...context, signal, onListening: (listening) => (url = listening) }),
  );
  await services.waitFor(() => url !== undefined, 'the gateway listens', { everyMs: 5 });
  return url ?? '';
}

async function demoConfig(
  { env, say }: OpenOptions,
  { folder, databaseUrl, brokers }: { folder: DemoFolder; databaseUrl: string; brokers: DemoBrokers | null },
): Promise<Config> {
  const config = loadConfig({
    DATABASE_URL: databaseUrl,
    DATA_DIR: folder.path,
    GATEWAY_PORT: env['GATEWAY_PORT'],
    LOG_LEVEL: env['LOG_LEVEL'],
    KAFKA_BROKERS: brokers?.brokers,
    TOPIC_PREFIX: brokers?.prefix,
  });
  const gatewayPort = await usablePort(config.gatewayPort, config.gatewayHost, 'port', say);
  return { ...config, gatewayPort };
}

async function fileLogger(
  file: string,
  env: NodeJS.ProcessEnv,
  onRelease: (undo: Releaser) => void,
): Promise<Logger> {
  const destination = createWriteStream(file);
  await once(destination, 'open');
  onRelease(async () => {
    const closed = once(destination, 'close');
    destination.end();
    await closed;
  });
  return createLogger({
    level: loadConfig({ LOG_LEVEL: env['LOG_LEVEL'] }).logLevel,
    destination,
    pretty: false,
  });
}

/** Both at the same time; when one fails, only after the other has ended, so that each undo is registered. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}
