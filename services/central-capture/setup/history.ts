/**
 * Whether this is still the history that the streams tell. After a restore the database goes on from an older
 * point: its WAL positions come again with other contents, so positions only compare under a new epoch.
 */
import type { Pool, PoolClient } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { catalogStream } from '../../shared/log/topics.ts';
import { formatPosition, parseLsn, ZERO_POSITION, type Position } from '../../shared/records/position.ts';
import { readTail } from '../streams/tail.ts';
import type { SetupContext, Todo } from './setup-context.ts';
import { topicExists } from './topic-exists.ts';

/** System identifier and timeline: a restored or promoted server has another one of the two. */
export const SERVER_IDENTITY_SQL = `
  SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
  FROM pg_control_system()`;

/** What capture found when the WAL did not tell again what stands in the streams. */
const OTHER_HISTORY_SQL = 'SELECT max(other_history) FROM payflow_sync.stream';

/** @throws PayflowError SLOT_LOST when setup knew another server, or another history of it */
export async function requireSameServer(client: Pool | PoolClient): Promise<void> {
  const { rows } = await client.query<{ known: string | null; now: string; other: string | null }>(
    `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'server') AS known, (${SERVER_IDENTITY_SQL}) AS now,
            (${OTHER_HISTORY_SQL}) AS other`,
  );
  const [server] = rows;
  if (server?.other !== undefined && server.other !== null) throw new PayflowError('SLOT_LOST', server.other);
  if (server === undefined || server.known === null || server.known === server.now) return;
  throw new PayflowError(
    'SLOT_LOST',
    `the database was restored or moved (server ${server.now}, was ${server.known})`,
  );
}

interface ServerRow {
  readonly known: string | null;
  readonly now: string;
  readonly other: string | null;
  readonly epoch: number;
  readonly end: string;
}

/** Begins a new epoch where the database is not the one that wrote the streams. */
export async function historyTodos(context: SetupContext): Promise<Todo[]> {
  const { client, hasSchema } = context;
  if (!hasSchema) return [{ what: 'note of the server', mend: () => rememberServer(client) }];
  // Before the WAL's end: capture may be at work, and what it sends meanwhile is not ahead of anything.
  const newest = await newestSent(context);
  const { rows } = await client.query<ServerRow>(
    `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'server') AS known, (${SERVER_IDENTITY_SQL}) AS now,
            (${OTHER_HISTORY_SQL}) AS other,
            coalesce((SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch'), 1) AS epoch,
            pg_current_wal_insert_lsn()::text AS end`,
  );
  const [server] = rows;
  if (server === undefined) return [];
  const isAhead =
    newest.epoch > server.epoch || (newest.epoch === server.epoch && newest.lsn > parseLsn(server.end));
  const isOther = server.known !== null && server.known !== server.now;
  if (isAhead || isOther || server.other !== null) {
    const ahead = isAhead ? `the streams are ahead, at ${formatPosition(newest)}` : null;
    const reason = ahead ?? server.other ?? `server ${server.now}`;
    const what = `new epoch, the database was restored or moved (${reason})`;
    const mend = async () => {
      await raiseEpoch(context);
      await rememberServer(client);
    };
    return [{ what, mend }];
  }
  return server.known === null ? [{ what: 'note of the server', mend: () => rememberServer(client) }] : [];
}

/** Above every epoch that the database or the streams know of. */
export async function raiseEpoch(context: SetupContext): Promise<void> {
  await context.client.query(
    `UPDATE payflow_sync.meta
     SET value = 1 + greatest(value::int, $1::int,
                              (SELECT max(split_part(position, ':', 1)::int) FROM payflow_sync.stream))
     WHERE name = 'epoch'`,
    [(await newestSent(context)).epoch],
  );
  await context.client.query('UPDATE payflow_sync.stream SET other_history = NULL');
}

/** The catalog stream has every heartbeat, so it stands for all. */
async function newestSent({ eventLog, prefix }: SetupContext): Promise<Position> {
  const stream = catalogStream(prefix);
  if (!(await topicExists(eventLog, stream.topic))) return ZERO_POSITION;
  const { end } = await eventLog.offsets(stream);
  return (await readTail(eventLog, stream, end)).position;
}

async function rememberServer(client: PoolClient): Promise<void> {
  await client.query(
    `INSERT INTO payflow_sync.meta (name, value) SELECT 'server', (${SERVER_IDENTITY_SQL})
     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
  );
}
