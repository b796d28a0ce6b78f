/**
 * One look at everything. What can't be asked is said and passed over: `doctor` is for the day on which something is
 * down. Facts are read here; what they mean is decided in the files `…-findings.ts`.
 */
import type { Pool } from 'pg';
import { DEFAULT_UP_PARTITIONS, DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { checkCentre } from '../../central-capture/setup/setup.ts';
import {
  systemStatus,
  type Readiness,
  type SystemStatus,
  type TerminalStatus,
} from '../../gateway/status.ts';
import type { LocalCatalogReply } from '../../shared/agent-protocol.ts';
import { readCentralCatalog, type CentralTable } from '../../shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import { parity } from '../../shared/catalog/parity.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { Config } from '../../shared/config.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { productVersion } from '../../shared/version.ts';
import { rethrowWrapped } from '../../shared/database/postgres.ts';
import { PayflowError } from '../../shared/errors.ts';
import {
  attentionFindings,
  readinessFindings,
  setupFindings,
  stateFindings,
  tableFindings,
} from './centre-findings.ts';
import { readDatabase, type DatabaseFacts } from './database-facts.ts';
import { databaseFindings } from './database-findings.ts';
import { diskFindings } from './disk-findings.ts';
import { readDisk } from './disk-facts.ts';
import { asked, findingsOf, inTime, ok, reachedBy, warning, type Asked, type Finding } from './finding.ts';
import { readLog, type LogFacts } from './log-facts.ts';
import { logFindings } from './log-findings.ts';
import { neededRights } from './needed-rights.ts';
import { parityFindings, silentTill, tillFindings, type TillRules } from './till-findings.ts';

export interface DiagnosisParts {
  readonly config: Config;
  readonly mapping: Asked<Mapping>;
  readonly pool: Asked<Pool>;
  readonly eventLog: Asked<EventLog>;
  readonly readiness: Asked<Readiness>;
  readonly gateway: Asked<GatewayClient>;
  /** File of the embedded log, and whether the embedded server's data lies in DATA_DIR; of an `up` on this machine. */
  readonly onDisk: { readonly logFile: string | null; readonly hasDatabase: boolean };
  /** ms since 1970. */
  readonly now: () => number;
}

/** An offset of clocks from which somebody is told. */
const SKEW_WARN_MS = 5_000;
/** Catalogs of tills are asked for so many at once. */
const TILLS_AT_ONCE = 8;
/** A log that answers takes milliseconds. */
const LOG_TIMEOUT_MS = 10_000;
/** The gateway itself has just answered. */
const SILENCE: ReadonlySet<string> = new Set(['GATEWAY_UNREACHABLE', 'SYNC_TIMEOUT']);
const NO_AGENTS = { get: () => undefined, status: () => undefined };

/** What does not answer is waited for once: what else would be asked of it is passed over. */
export async function diagnose(all: DiagnosisParts): Promise<Finding[]> {
  const database = await databaseLook(all);
  const pool = reachedBy(all.pool, database, 'PostgreSQL');
  const { status, whyUnreported } = await statusOf({ ...all, pool });
  const tills = status.kind === 'known' ? status.value.terminals : [];
  const log = await logLook(all, tills);
  const eventLog = reachedBy(all.eventLog, log, 'the event log');
  const parts = { ...all, pool, eventLog };
  const central = await centralTables(parts);
  return [
    ...findingsOf('configuration', 'the mapping', { answer: all.mapping, judge: mappingFindings }),
    ...findingsOf('database', 'PostgreSQL', {
      answer: database,
      judge: (facts) => databaseFindings(facts, SKEW_WARN_MS),
    }),
    ...findingsOf('log', 'the event log', { answer: log, judge: logFindings }),
    ...diskLook(parts, database, log),
    ...findingsOf('tables', 'what setup makes', { answer: await setupLook(parts), judge: setupFindings }),
    ...findingsOf('services', 'the gateway', { answer: all.readiness, judge: readinessFindings }),
    ...findingsOf('attention', 'the state of the centre', {
      answer: status,
      judge: (known) => [
        ...stateFindings(known),
        ...(central.kind === 'known' && all.mapping.kind === 'known'
          ? tableFindings(all.mapping.value, central.value, known)
          : []),
        ...attentionFindings(known),
      ],
    }),
    ...(status.kind === 'known'
      ? await tillsLook(parts, { status: status.value, whyUnreported, central })
      : []),
  ];
}

function mappingFindings({ tables }: Mapping): Finding[] {
  return [ok('configuration', `the mapping is valid, ${tables.length} tables`)];
}

async function databaseLook({ pool, mapping, config, now }: DiagnosisParts): Promise<Asked<DatabaseFacts>> {
  const rights = neededRights(mapping.kind === 'known' ? mapping.value : undefined);
  const question = { prefix: config.topicPrefix, rights, now };
  return after(pool, async (known) => asked(() => readDatabase(known, question)));
}

async function logLook(
  { eventLog, config, now }: DiagnosisParts,
  tills: readonly TerminalStatus[],
): Promise<Asked<LogFacts>> {
  const stores = [...new Set(tills.map(({ storeId }) => storeId))];
  const question = {
    prefix: config.topicPrefix,
    stores,
    now,
    signal: AbortSignal.timeout(LOG_TIMEOUT_MS),
  };
  return after(eventLog, async (known) => asked(() => answering(() => readLog(known, question))));
}

/** A broker that takes connections and says nothing would be waited for much longer. */
async function answering<T>(question: () => Promise<T>): Promise<T> {
  const late = () => new PayflowError('LOG_UNREACHABLE', `no answer in ${LOG_TIMEOUT_MS / 1000} s`);
  return inTime(question, { timeoutMs: LOG_TIMEOUT_MS, late });
}

function diskLook(
  { config, onDisk, now }: DiagnosisParts,
  database: Asked<DatabaseFacts>,
  log: Asked<LogFacts>,
): readonly Finding[] {
  const disk = readDisk({ ...onDisk, folder: config.dataDir });
  if (disk === undefined) return [];
  return diskFindings(disk, {
    freeMb: config.freeMb,
    logSinceMs: log.kind === 'known' ? log.value.sinceMs : null,
    walBytesPerDay: database.kind === 'known' ? database.value.walBytesPerDay : null,
    nowMs: now(),
  });
}

async function setupLook({ pool, eventLog, mapping, config }: DiagnosisParts): Promise<Asked<string[]>> {
  return after(pool, async (knownPool) =>
    after(eventLog, async (knownLog) =>
      after(readable(mapping), async (knownMapping) => {
        const options = {
          pool: knownPool,
          eventLog: knownLog,
          mapping: knownMapping,
          prefix: config.topicPrefix,
          horizonDays: config.horizonDays,
          upPartitions: DEFAULT_UP_PARTITIONS,
        };
        return asked(() => answering(() => checkCentre(options)));
      }),
    ),
  );
}

/** What is wrong with it is said once. */
function readable(mapping: Asked<Mapping>): Asked<Mapping> {
  if (mapping.kind !== 'failed') return mapping;
  return { kind: 'unasked', why: 'the mapping is not usable, as said above', remedy: 'Mend that first.' };
}

/** From the gateway, with what agents report; where it is away, what the database alone says. */
async function statusOf({
  gateway,
  pool,
  config,
  now,
}: DiagnosisParts): Promise<{ status: Asked<SystemStatus>; whyUnreported: string | null }> {
  const answer = await after(gateway, async (client) => asked(() => client.get<SystemStatus>('/status')));
  if (answer.kind === 'known') return { status: answer, whyUnreported: null };
  const sources = { prefix: config.topicPrefix, agents: NO_AGENTS, now: () => new Date(now()) };
  const status = await after(pool, async (known) => asked(() => systemStatus({ pool: known, ...sources })));
  return { status, whyUnreported: answer.kind === 'failed' ? answer.error.message : answer.why };
}

interface TillsQuestion {
  readonly status: SystemStatus;
  /** Why nothing is known of what tills report; null: the gateway has said it. */
  readonly whyUnreported: string | null;
  readonly central: Asked<Central>;
}

async function tillsLook(
  parts: DiagnosisParts,
  { status, whyUnreported, central }: TillsQuestion,
): Promise<Finding[]> {
  const { config, now } = parts;
  const rules: TillRules = {
    nowMs: now(),
    mappingVersion: status.mappingVersion,
    version: productVersion(),
    freeMb: config.freeMb,
    horizonDays: config.horizonDays ?? DEFAULT_HORIZON_DAYS,
    isConnectionKnown: whyUnreported === null,
  };
  const tills = status.terminals.filter((till) => till.status !== 'retired');
  const found: Finding[] = [];
  let well = 0;
  for (let from = 0; from < tills.length; from += TILLS_AT_ONCE) {
    const some = tills.slice(from, from + TILLS_AT_ONCE);
    const each = await Promise.all(
      some.map(async (till) => [...tillFindings(till, rules), ...(await parityLook(parts, central, till))]),
    );
    well += each.filter((findings) => findings.length === 0).length;
    found.push(...each.flat());
  }
  if (tills.length === 0) return [ok('tills', 'no till is registered')];
  if (whyUnreported === null) return [ok('tills', `${well} of ${tills.length} tills are well`), ...found];
  const what = `which tills are online, and what they report, is not known: ${whyUnreported}`;
  return [warning('tills', what, 'Mend what is said of the gateway, and run doctor again.'), ...found];
}

type Central = ReadonlyMap<string, CentralTable>;

async function centralTables({ pool, mapping }: DiagnosisParts): Promise<Asked<Central>> {
  return after(pool, async (known) =>
    after(mapping, async ({ tables }) =>
      asked(() =>
        readCentralCatalog(
          known,
          tables.map((table) => table.central),
        ).catch(rethrowWrapped),
      ),
    ),
  );
}

/** What can't be asked now was said before; a till that is offline has said what is known of it. */
async function parityLook(
  { gateway, mapping }: DiagnosisParts,
  central: Asked<Central>,
  { terminalId, online }: TerminalStatus,
): Promise<readonly Finding[]> {
  if (!online || gateway.kind !== 'known' || mapping.kind !== 'known' || central.kind !== 'known') return [];
  const path = `/terminals/${encodeURIComponent(terminalId)}/catalog`;
  const answer = await asked(() => gateway.value.get<LocalCatalogReply>(path));
  if (answer.kind === 'failed' && SILENCE.has(answer.error.code)) return [silentTill(terminalId)];
  return findingsOf('tills', `${terminalId}: its tables`, {
    answer,
    judge: (reply) => {
      // Made by the agent's readLocalCatalog; the gateway has checked that it is a list of tables.
      const tables = reply.tables as unknown as readonly LocalTable[];
      const local = new Map(tables.map((table) => [table.name, table]));
      return parityFindings(terminalId, parity(mapping.value, central.value, local));
    },
  });
}

async function after<T, U>(answer: Asked<T>, then: (value: T) => Promise<Asked<U>>): Promise<Asked<U>> {
  return answer.kind === 'known' ? then(answer.value) : answer;
}
