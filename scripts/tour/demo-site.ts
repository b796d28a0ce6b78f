/**
 * Everything the demo runs on this machine. The centre's services are in this process, wired as `payflow up`
 * does it; each till's agent is a process of its own, behind a network that can be cut.
 */
import { createToken, removeToken } from '../../services/gateway/http/auth.ts';
import { registerTerminal } from '../../services/gateway/terminals.ts';
import { GatewayClient } from '../../services/cli/gateway-client.ts';
import { PayflowError } from '../../services/shared/errors.ts';
import { DEFAULT_UP_PARTITIONS } from '../../services/shared/log/topics.ts';
import { enrolTill, isEnrolled } from '../../services/terminal-agent/identity.ts';
import { compareTill, type Comparison } from '../support/compare.ts';
import { openCentre, STORE, type DemoCentre, type OpenOptions } from './demo-centre.ts';
import { DemoTill } from './demo-till.ts';
import type { TillStart } from './till-process.ts';

/** While the gateway is asked whether something has come about: it answers 600 requests a minute, then 429. */
export const ASKED_SELDOM = { everyMs: 200 };

export interface DemoSite extends DemoCentre {
  /** Of the role operator; goes with the demo. */
  readonly token: string;
  readonly gateway: GatewayClient;
  readonly tills: readonly [DemoTill, DemoTill];
  /** Holds a till against the centre, by other code than the engine's. */
  compare(till: DemoTill): Promise<Comparison>;
}

export async function openSite(open: OpenOptions): Promise<DemoSite> {
  const { onRelease, signal } = open;
  const centre = await openCentre(open);
  const { pool, mapping, gatewayUrl, folder, services, health } = centre;
  const { token, tokenId } = await createToken(pool, { name: 'demo', role: 'operator' });
  onRelease(() => removeToken(pool, tokenId));
  const tills = [await openTill(centre, 'T1', open), await openTill(centre, 'T2', open)] as const;
  // Last in, first out: the services end before what they use is closed.
  onRelease(() => services.stop());
  for (const till of tills) await startTill(centre, till);
  await services.waitFor(
    () => health.ready,
    () => `ready: ${notReady(centre)}`,
  );
  folder.setComplete();
  return {
    ...centre,
    token,
    gateway: new GatewayClient({ url: gatewayUrl, token, signal }),
    tills,
    compare: ({ id, file, storeId }) => compareTill({ pool, mapping, terminalId: id, storeId, file }),
  };
}

async function openTill(
  { folder, config, gatewayUrl }: DemoCentre,
  id: string,
  { onRelease }: OpenOptions,
): Promise<DemoTill> {
  const till = await DemoTill.open({
    id,
    storeId: STORE,
    folder: folder.file(id),
    gateway: { host: config.gatewayHost, port: Number(new URL(gatewayUrl).port) },
  });
  onRelease(() => till.close());
  return till;
}

async function startTill(centre: DemoCentre, till: DemoTill): Promise<void> {
  const { pool, config, services, health, logFile } = centre;
  const { id: terminalId, storeId, dataDir, cable } = till;
  if (!isEnrolled(dataDir)) {
    const upPartitions = DEFAULT_UP_PARTITIONS;
    const { enrolmentCode: code } = await registerTerminal(pool, { terminalId, storeId, upPartitions });
    await enrolTill({ dataDir, gatewayUrl: cable.url, code, terminalId });
  }
  const own = { dataDir, terminalId, terminalDb: till.file, gatewayUrl: cable.url };
  const start: TillStart = {
    kind: 'start',
    // A till never holds DATABASE_URL.
    config: { ...config, databaseUrl: undefined, ...own },
    logFolder: config.dataDir,
    logFile,
  };
  const onHealth = health.part(terminalId);
  services.start(terminalId, (signal) => till.agent.run(start, signal, onHealth));
}

function notReady({ health }: DemoCentre): string {
  const waiting = health.report().filter(({ state }) => state !== 'ready');
  return waiting.map(({ name, state, code = '' }) => `${name} is ${state} ${code}`.trimEnd()).join(', ');
}

/** @throws PayflowError */
export async function isOnline({ gateway }: DemoSite, till: DemoTill): Promise<boolean> {
  const { online } = await gateway.get<{ online?: boolean }>(`/terminals/${till.id}`);
  if (online === undefined)
    throw new PayflowError('INTERNAL', 'the gateway does not say whether a till is online');
  return online;
}
