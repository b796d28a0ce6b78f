/**
 * One look at everything. What can't be asked is said and passed over: `doctor` is for the day on which something is
 * down. Facts are read here; what they mean is decided in the files `…-findings.ts`.
 */
import type { Pool } from 'pg';
import { DEFAULT_UP_PARTITIONS, DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { checkCentre } from '../../central-capture/setup/setup.ts';
import { quoteIdent } from '../../central-capture/setup/published-tables.ts';
import {
  systemStatus,
  type Readiness,
  type SystemStatus,
  type TerminalStatus,
} from '../../gateway/status.ts';
import type { LocalCatalogReply } from '../../shared/agent-protocol.ts';
import {
  readCentralCatalog,
  splitTableName,
  type CentralTable,
} from '../../shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import { parity } from '../../shared/catalog/parity.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { Config } from '../../shared/config.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { productVersion } from '../../shared/version.ts';
import { attentionFindings, readinessFindings, setupFindings, stateFindings } from './centre-findings.ts';
import { readDatabase } from './database-facts.ts';
import { databaseFindings } from './database-findings.ts';
import { asked, findingsOf, ok, type Asked, type Finding } from './finding.ts';
import { readLog } from './log-facts.ts';
import { logFindings } from './log-findings.ts';
import { parityFindings, tillFindings, type TillRules } from './till-findings.ts';

export interface DiagnosisParts {
  readonly config: Config;
  readonly mapping: Asked<Mapping>;
  readonly pool: Asked<Pool>;
  readonly eventLog: Asked<EventLog>;
  readonly gateway: Asked<GatewayClient>;
  /** ms since 1970. */
  readonly now: () => number;
}

/** An offset of clocks from which somebody is told. */
const SKEW_WARN_MS = 5_000;
/** Catalogs of tills are asked for so many at once. */
const TILLS_AT_ONCE = 8;
const NO_AGENTS = { get: () => undefined, status: () => undefined };

export async function diagnose(parts: DiagnosisParts): Promise<Finding[]> {
  const { mapping } = parts;
  const status = await statusOf(parts);
  const tills = status.kind === 'known' ? status.value.terminals : [];
  return [
    ...findingsOf('configuration', 'the mapping', {
      answer: mapping,
      judge: (known) => mappingFindings(known),
    }),
    ...(await databaseLook(parts)),
    ...(await logLook(parts, tills)),
    ...(await setupLook(parts)),
    ...(await servicesLook(parts)),
    ...findingsOf('attention', 'the state of the centre', {
      answer: status,
      judge: (known) => [...stateFindings(known), ...attentionFindings(known)],
    }),
    ...(status.kind === 'known' ? await tillsLook(parts, status.value) : []),
  ];
}

function mappingFindings({ tables }: Mapping): Finding[] {
  return [ok('configuration', `the mapping is valid, ${tables.length} tables`)];
}

async function databaseLook({ pool, mapping, config, now }: DiagnosisParts): Promise<readonly Finding[]> {
  const tables =
    mapping.kind !== 'known'
      ? []
      : mapping.value.tables.map(({ central, direction }) => {
          const { schema, table } = splitTableName(central);
          return { name: `${quoteIdent(schema)}.${quoteIdent(table)}`, isWritten: direction !== 'push' };
        });
  const question = { prefix: config.topicPrefix, tables, now };
  const answer = await after(pool, async (known) => asked(() => readDatabase(known, question)));
  return findingsOf('database', 'PostgreSQL', {
    answer,
    judge: (facts) => databaseFindings(facts, SKEW_WARN_MS),
  });
}

async function logLook(
  { eventLog, config, now }: DiagnosisParts,
  tills: readonly TerminalStatus[],
): Promise<readonly Finding[]> {
  const stores = [...new Set(tills.map(({ storeId }) => storeId))];
  const question = { prefix: config.topicPrefix, stores, now };
  const answer = await after(eventLog, async (known) => asked(() => readLog(known, question)));
  return findingsOf('log', 'the event log', { answer, judge: logFindings });
}

async function setupLook({ pool, eventLog, mapping, config }: DiagnosisParts): Promise<readonly Finding[]> {
  const answer = await after(pool, async (knownPool) =>
    after(eventLog, async (knownLog) =>
      after(mapping, async (knownMapping) =>
        asked(() =>
          checkCentre({
            pool: knownPool,
            eventLog: knownLog,
            mapping: knownMapping,
            prefix: config.topicPrefix,
            horizonDays: config.horizonDays,
            upPartitions: DEFAULT_UP_PARTITIONS,
          }),
        ),
      ),
    ),
  );
  return findingsOf('tables', 'what setup makes', { answer, judge: setupFindings });
}

async function servicesLook({ gateway }: DiagnosisParts): Promise<readonly Finding[]> {
  const answer: Asked<Readiness> = await after(gateway, async (client) => asked(() => client.readiness()));
  return findingsOf('services', 'the gateway', { answer, judge: readinessFindings });
}

/** From the gateway, with what agents report; where it is away, what the database alone says. */
async function statusOf({ gateway, pool, config, now }: DiagnosisParts): Promise<Asked<SystemStatus>> {
  const answer = await after(gateway, async (client) => asked(() => client.get<SystemStatus>('/status')));
  if (answer.kind === 'known') return answer;
  const sources = { prefix: config.topicPrefix, agents: NO_AGENTS, now: () => new Date(now()) };
  return after(pool, async (known) => asked(() => systemStatus({ pool: known, ...sources })));
}

async function tillsLook(parts: DiagnosisParts, status: SystemStatus): Promise<Finding[]> {
  const { config, now } = parts;
  const rules: TillRules = {
    nowMs: now(),
    mappingVersion: status.mappingVersion,
    version: productVersion(),
    freeMb: config.freeMb,
    horizonDays: config.horizonDays ?? DEFAULT_HORIZON_DAYS,
  };
  const tills = status.terminals.filter((till) => till.status !== 'retired');
  const central = await centralTables(parts);
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
  const text = tills.length === 0 ? 'no till is registered' : `${well} of ${tills.length} tills are well`;
  return [ok('tills', text), ...found];
}

type Central = ReadonlyMap<string, CentralTable>;

async function centralTables({ pool, mapping }: DiagnosisParts): Promise<Asked<Central>> {
  return after(pool, async (known) =>
    after(mapping, async ({ tables }) =>
      asked(() =>
        readCentralCatalog(
          known,
          tables.map((table) => table.central),
        ),
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
