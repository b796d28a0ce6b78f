/** Wires the gateway: configuration → pool → agents, jobs → HTTP and sockets → schedule → wait. */
import type { AddressInfo } from 'node:net';
import { requireSettings, type Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { superviseOnce, withReleasers, type Health } from '../shared/lifecycle.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import { takePort, type OnPortTaken } from '../shared/listening.ts';
import { createRegistry } from '../shared/metrics.ts';
import { createPool } from '../shared/database/postgres.ts';
import type { ServiceContext } from '../shared/service-context.ts';
import { Agents } from './agents.ts';
import { TrustedProxies } from './client-address.ts';
import { DEFAULT_LIMITS, DEFAULT_RECHECK_MS, type GatewayContext, type GatewayLimits } from './context.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { EvidenceView } from './evidence-view.ts';
import { JobStore } from './jobs/job-store.ts';
import { removeOldJobs } from './jobs/job-retention.ts';
import { Jobs } from './jobs/jobs.ts';
import { Markers } from './jobs/markers.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { statusMetrics } from './status-metrics.ts';
import { abandonRetired } from './jobs/retired-tills.ts';
import { checkSchedule, scheduledTerminals, startSchedule } from './jobs/schedule.ts';
import { createServer } from './http/server.ts';
import { Sockets } from './sockets.ts';
import { targetOf, targetsInService } from './jobs/targets.ts';
import { readTls } from './tls.ts';
import { VerifyStore } from './verify/run-store.ts';
import { VerifyRuns } from './verify/verify-runs.ts';

export interface GatewayStart extends ServiceContext {
  /** Told once it listens; the port is the one taken where GATEWAY_PORT is 0. */
  readonly onListening?: (url: string) => void;
  /** Another port may stand in for a GATEWAY_PORT that is in use. */
  readonly onPortTaken?: OnPortTaken;
  /** Told whenever an agent has connected. */
  readonly onAgent?: (terminalId: string) => void;
  readonly limits?: Partial<GatewayLimits>;
  readonly recheckMs?: number;
}

/**
 * Runs the gateway until the signal is aborted.
 * @throws PayflowError CONFIG_INVALID, DB_AUTH, DB_NOT_SET_UP at start
 */
export async function runGateway(config: Config, start: GatewayStart): Promise<void> {
  const { databaseUrl } = requireSettings(config, 'databaseUrl');
  checkSchedule('SYNC_SCHEDULE', config.syncSchedule);
  checkSchedule('VERIFY_SCHEDULE', config.verifySchedule);
  const tls = readTls(config);
  const limits = { ...DEFAULT_LIMITS, ...start.limits };
  const log = start.log.child({ service: 'gateway' });
  await withReleasers(async (onRelease) => {
    const pool = createPool({ connectionString: databaseUrl, applicationName: 'payflow-gateway', log });
    onRelease(() => pool.end());
    const agents = new Agents();
    if (start.onAgent !== undefined) agents.on({ connected: start.onAgent });
    const markers = new Markers({ pool, prefix: config.topicPrefix });
    const jobs = new Jobs({
      store: new JobStore(pool),
      agents,
      markers,
      storeOf: async (terminalId) => (await targetOf(pool, terminalId)).storeId,
      log,
    });
    onRelease(() => jobs.stop());
    const verify = new VerifyRuns({ pool, agents, markers, targetOf: (id) => targetOf(pool, id), log });
    onRelease(async () => verify.stop());
    const context: GatewayContext = {
      pool,
      prefix: config.topicPrefix,
      agents,
      jobs,
      markers,
      verify,
      registry: start.registry ?? createRegistry(),
      log,
      now: () => new Date(),
      brokers: config.kafkaBrokers,
      eventLog: eventLogOf(config, { ...start, log, onRelease }),
      limits,
      doorkeeper: new Doorkeeper(pool, { failures: limits.failures, log, now: () => performance.now() }),
      proxies: new TrustedProxies(config.trustProxy),
      tls,
      evidence: new EvidenceView(pool, log),
      recheckMs: start.recheckMs ?? DEFAULT_RECHECK_MS,
    };
    gatewayMetrics(context);
    statusMetrics(context);
    const onHealth = start.health?.part('gateway') ?? (() => undefined);
    await resumeJobs(context, config, { signal: start.signal, onHealth });
    if (start.signal.aborted) return;
    onRelease(abandonRetired({ pool, jobs, log, everyMs: context.recheckMs }));
    const kept = [new JobStore(pool), new VerifyStore(pool)];
    onRelease(removeOldJobs({ stores: kept, retentionDays: config.retentionDays, log }));
    const url = await listen(context, config, { onRelease, onPortTaken: start.onPortTaken });
    onRelease(
      startSchedule({
        name: 'sync',
        expression: config.syncSchedule,
        timezone: config.syncTimezone,
        log,
        tick: () => syncScheduled(context),
      }),
    );
    onRelease(
      startSchedule({
        name: 'verify',
        expression: config.verifySchedule,
        timezone: config.syncTimezone,
        log,
        tick: () => verifyScheduled(context),
      }),
    );
    log.info({ url }, 'the gateway listens');
    onHealth({ state: 'ready' });
    start.onListening?.(url);
    await aborted(start.signal);
  });
}

/** What the gateway is given, else one of its own, opened when it is first asked for. */
function eventLogOf(
  config: Config,
  { eventLog: given, log, onRelease }: ServiceContext & { onRelease: (undo: () => Promise<void>) => void },
): () => EventLog {
  let opened = given;
  return () => {
    if (opened !== undefined) return opened;
    const own = openEventLog(config, { clientId: 'payflow-gateway', log });
    onRelease(() => own.close());
    opened = own;
    return own;
  };
}

/** Waits for PostgreSQL, at start too: what a person must mend is thrown, an outage is waited out. */
async function resumeJobs(
  context: GatewayContext,
  config: Config,
  { signal, onHealth }: { signal: AbortSignal; onHealth: (health: Health) => void },
): Promise<void> {
  // Ready only once it listens, so that part is not passed on.
  const onTrouble = (health: Health) => {
    if (health.state !== 'ready') onHealth(health);
  };
  await superviseOnce(signal, { log: context.log, onHealth: onTrouble }, async () => {
    await new JobStore(context.pool).removeFinishedBefore(config.retentionDays);
    // May be repeated, unlike that of the jobs.
    await context.verify.resume();
    await context.jobs.resume();
  });
}

async function listen(
  context: GatewayContext,
  config: Config,
  {
    onRelease,
    onPortTaken,
  }: { onRelease: (undo: () => Promise<void>) => void; onPortTaken: OnPortTaken | undefined },
): Promise<string> {
  const app = await createServer(context);
  onRelease(() => app.close());
  const sockets = new Sockets(context, app.server);
  onRelease(() => sockets.close());
  const { gatewayHost: host, gatewayPort: port } = config;
  try {
    await takePort({ port, listen: (wanted) => app.listen({ host, port: wanted }), onPortTaken });
  } catch (cause) {
    throw new PayflowError('CONFIG_INVALID', `GATEWAY_PORT ${port} on ${host} cannot be listened on`, {
      cause,
    });
  }
  const address = app.server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  return `${context.tls === undefined ? 'http' : 'https'}://${shown}:${address.port}`;
}

async function syncScheduled({ agents, jobs, pool }: GatewayContext): Promise<void> {
  // A till that is still at an earlier job would only collect another one with every tick.
  const terminalIds = scheduledTerminals(agents.list()).filter((terminalId) => !jobs.isBusy(terminalId));
  const targets = await targetsInService(pool, { terminalIds });
  if (targets.length > 0) await jobs.create('both', targets);
}

/** Those that are connected: what a till can't be asked now is asked at the next tick. */
async function verifyScheduled({ agents, verify, pool }: GatewayContext): Promise<void> {
  const terminalIds = agents
    .list()
    .flatMap(({ terminalId }) => (verify.isBusy(terminalId) ? [] : [terminalId]));
  const targets = await targetsInService(pool, { terminalIds });
  if (targets.length > 0) await verify.create(targets, { by: 'VERIFY_SCHEDULE' });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
