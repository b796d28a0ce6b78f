/** What commands at the centre open: the database, the event log, the mapping, the gateway. */
import { readFileSync } from 'node:fs';
import type { Pool } from 'pg';
import { mappingPath, requireSettings, type Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { withReleasers } from '../shared/lifecycle.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import type { Mapping } from '../shared/mapping/mapping.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import { createPool } from '../shared/database/postgres.ts';
import type { Cli } from './cli.ts';

const APPLICATION = 'payflow-cli';

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
  const { databaseUrl } = requireSettings(cli.config, 'databaseUrl');
  return withReleasers(async (onRelease) => {
    const log = cli.commandLog();
    const pool = createPool({ connectionString: databaseUrl, applicationName: APPLICATION, max: 4, log });
    onRelease(() => pool.end());
    return body(pool);
  });
}

/** Runs `body` with the pool and the event log. */
export async function withCentre<T>(
  cli: Cli,
  body: (centre: { pool: Pool; eventLog: EventLog }) => Promise<T>,
): Promise<T> {
  return withDatabase(cli, async (pool) =>
    withReleasers(async (onRelease) => {
      const eventLog = openEventLog(cli.config, { clientId: APPLICATION, log: cli.commandLog() });
      onRelease(() => eventLog.close());
      return body({ pool, eventLog });
    }),
  );
}
