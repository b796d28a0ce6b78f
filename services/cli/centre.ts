/** What commands at the centre open: the database, the event log, the mapping, the gateway. */
import { readFileSync } from 'node:fs';
import type { Pool } from 'pg';
import { mappingPath, requireSettings, type Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { withReleasers } from '../shared/lifecycle.ts';
import { EmbeddedLog } from '../shared/log/embedded-log.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import type { Mapping } from '../shared/mapping/mapping.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import { createPool } from '../shared/database/postgres.ts';
import type { Cli } from './cli.ts';
import { findUp } from './up/running-up.ts';

const APPLICATION = 'payflow-cli';

/**
 * The configuration of a command at the centre. Beside a running `up` what is not set is what that one uses: another
 * prefix or mapping would set up another centre in its database.
 */
export function centreConfig(cli: Cli): Config {
  const { config, env } = cli;
  const up = findUp(config.dataDir);
  if (up === undefined) return config;
  return {
    ...config,
    databaseUrl: config.databaseUrl ?? up.databaseUrl ?? undefined,
    gatewayUrl: config.gatewayUrl ?? up.gatewayUrl,
    topicPrefix: env['TOPIC_PREFIX'] === undefined ? up.topicPrefix : config.topicPrefix,
    mappingFile: env['MAPPING_FILE'] === undefined ? up.mappingFile : config.mappingFile,
  };
}

/** @throws PayflowError CONFIG_INVALID when MAPPING_FILE cannot be read, MAPPING_INVALID */
export function readMapping(config: Config): Mapping {
  return parseMapping(readMappingText(config));
}

export function readMappingText(config: Config): string {
  const path = mappingPath(config);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new PayflowError('CONFIG_INVALID', `MAPPING_FILE ${path} cannot be read`, {
      cause,
      details: { variables: ['MAPPING_FILE'] },
    });
  }
}

/** Runs `body` with a pool on DATABASE_URL. */
export async function withDatabase<T>(cli: Cli, body: (pool: Pool) => Promise<T>): Promise<T> {
  const { databaseUrl } = requireSettings(centreConfig(cli), 'databaseUrl');
  return withReleasers(async (onRelease) => {
    const log = cli.commandLog();
    const pool = createPool({ connectionString: databaseUrl, applicationName: APPLICATION, max: 4, log });
    onRelease(() => pool.end());
    return body(pool);
  });
}

export interface OwnLog {
  /** File of an embedded log, where neither KAFKA_BROKERS nor a running `up` says which one it is. */
  readonly ownLog?: string | undefined;
}

/** That of a running `up` is a file which any number of processes may use. */
export function openCentreLog(cli: Cli, { ownLog }: OwnLog = {}): EventLog {
  const { config } = cli;
  const log = cli.commandLog();
  const isKafka = config.kafkaBrokers !== undefined;
  const file = isKafka ? undefined : (findUp(config.dataDir)?.eventLogFile ?? ownLog);
  if (file != null) return new EmbeddedLog({ file, log, maintenanceMs: 0 });
  return openEventLog(config, { clientId: APPLICATION, log });
}

/** Runs `body` with the pool and the event log. */
export async function withCentre<T>(
  cli: Cli,
  body: (centre: { pool: Pool; eventLog: EventLog }) => Promise<T>,
  own: OwnLog = {},
): Promise<T> {
  return withDatabase(cli, async (pool) =>
    withReleasers(async (onRelease) => {
      const eventLog = openCentreLog(cli, own);
      onRelease(() => eventLog.close());
      return body({ pool, eventLog });
    }),
  );
}
