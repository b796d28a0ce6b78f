/** What `payflow up` starts or opens before its services: the database and the event log. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Logger } from 'pino';
import { SETTINGS } from '../../shared/settings.ts';
import { connectionOf } from '../../shared/database/connection-url.ts';
import { decideTls } from '../../shared/database/tls-choice.ts';
import type { Config } from '../../shared/config.ts';
import { EmbeddedPostgres } from '../../shared/database/embedded-postgres.ts';
import type { Releaser } from '../../shared/lifecycle.ts';
import { EmbeddedLog } from '../../shared/log/embedded-log.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { openEventLog } from '../../shared/log/open-event-log.ts';
import { schemaFile } from '../../shared/paths.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';

const DATABASE = 'payflow';

export interface UpDatabase {
  readonly url: string;
  /** Of an embedded server: the file that its superuser's password stands in. */
  readonly passwordFile: string | null;
}

type OnRelease = (undo: Releaser) => void;
type Say = (text: string) => void;

/** DATABASE_URL, else an embedded server whose data stays in DATA_DIR. */
export async function openDatabase(config: Config, onRelease: OnRelease, say: Say): Promise<UpDatabase> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, passwordFile: null };
  const folder = join(config.dataDir, 'postgres');
  const server = await EmbeddedPostgres.start({ folder });
  onRelease(() => server.stop());
  const created = await createDatabase(server.url('postgres'));
  const url = server.url(DATABASE);
  // Somebody who has neither a database nor a mapping of his own is looking around: give him a shop.
  if (created && config.mappingFile === SETTINGS.mappingFile.default) {
    await runSql(url, await readFile(schemaFile('postgres', 'reference.sql'), 'utf8'));
    say('a new database with the reference schema was made');
  }
  return { url, passwordFile: join(EmbeddedPostgres.dataFolder(folder), 'password') };
}

async function createDatabase(adminUrl: string): Promise<boolean> {
  return withClient(adminUrl, async (client) => {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount !== 0) return false;
    await client.query(`CREATE DATABASE ${DATABASE}`);
    return true;
  });
}

async function runSql(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}

async function withClient<T>(url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(await decideTls(connectionOf(url)));
  try {
    await client.connect();
    return await body(client);
  } catch (error) {
    throw wrapPostgresError(error);
  } finally {
    await client.end();
  }
}

/** The embedded log's. */
export function eventLogFile(dataDir: string): string {
  return join(dataDir, 'event-log.db');
}

/** Kafka where KAFKA_BROKERS is set, else one file in DATA_DIR. */
export function openLog(config: Config, log: Logger, onRelease: OnRelease): EventLog {
  const eventLog =
    config.kafkaBrokers === undefined
      ? new EmbeddedLog({ file: eventLogFile(config.dataDir), log })
      : openEventLog(config, { clientId: 'payflow-up', log });
  onRelease(() => eventLog.close());
  return eventLog;
}
