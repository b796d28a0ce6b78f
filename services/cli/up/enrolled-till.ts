/** A till of `up`: registered and enrolled by itself, on its first start. */
import type { Pool } from 'pg';
import { makeStoreStream, registerTerminal } from '../../gateway/terminals.ts';
import type { Config } from '../../shared/config.ts';
import { inTransaction } from '../../shared/database/postgres.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import {
  enrolTill,
  isEnrolled,
  loadIdentity,
  ownPublicKey,
  type TerminalIdentity,
} from '../../terminal-agent/identity.ts';
import type { Cli } from '../cli.ts';
import { tillPlaceUnderUp } from '../till/till-place.ts';
import type { TillPlan } from './up-plan.ts';

interface TillSite {
  readonly config: Config;
  readonly pool: Pool;
  readonly eventLog: EventLog;
}

/** Registers and enrols the till on its first start. @returns the configuration its agent runs with */
export async function enrolledTill(
  cli: Cli,
  site: TillSite,
  till: TillPlan,
  gatewayUrl: string,
): Promise<Config> {
  const { config, pool, eventLog } = site;
  const { terminalId, storeId, file } = till;
  const { dataDir } = tillPlaceUnderUp(cli, { file, terminalId, isHeld: true });
  await makeStoreStream({ pool, eventLog, prefix: config.topicPrefix }, storeId);
  if (!isEnrolled(dataDir)) {
    const upPartitions = DEFAULT_UP_PARTITIONS;
    const ownKey = ownPublicKey(dataDir);
    const { enrolmentCode: code } = await inTransaction(pool, (client) =>
      registerTerminal(client, { terminalId, storeId, upPartitions, ownKey }),
    );
    await enrolTill({ dataDir, gatewayUrl, code, terminalId });
  }
  const identity = loadIdentity(dataDir);
  await checkCentre(pool, identity);
  if (identity.storeId !== storeId) {
    throw new PayflowError(
      'USAGE',
      `${terminalId} is enrolled for store ${identity.storeId}, not ${storeId}`,
    );
  }
  return { ...config, databaseUrl: undefined, dataDir, terminalId, terminalDb: file, gatewayUrl };
}

/** @throws PayflowError TERMINAL_OTHER_CENTRE */
async function checkCentre(pool: Pool, { terminalId, databaseId }: TerminalIdentity): Promise<void> {
  const { rows } = await pool.query<{ value: string }>(
    `SELECT value FROM payflow_sync.meta WHERE name = 'database_id'`,
  );
  const here = rows[0]?.value;
  if (here === databaseId) return;
  throw new PayflowError(
    'TERMINAL_OTHER_CENTRE',
    `${terminalId} is enrolled at the centre ${databaseId}, and this one is ${here ?? 'none'}`,
    { details: { enrolment: databaseId, centre: here } },
  );
}
