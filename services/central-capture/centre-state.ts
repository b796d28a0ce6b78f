/** What capture has to know of the centre before it starts. */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { readCentralCatalog } from '../shared/catalog/central-catalog.ts';
import { PayflowError } from '../shared/errors.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import type { Mapping } from '../shared/mapping/mapping.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';
import { MAPPING_TABLE } from '../shared/records/change-record.ts';
import { formatLsn, formatPosition, parseLsn, type Lsn } from '../shared/records/position.ts';
import { publicationName, slotName } from '../shared/database/slot-names.ts';
import { catalogTopic, storeIdOfTopic } from '../shared/log/topics.ts';
import { requireSameServer } from './setup/history.ts';
import { requireSamePublication } from './setup/publication.ts';
import { mappedTableNames } from './setup/published-tables.ts';
import { requireKeys, requireLogicalWal, requireScopes } from './setup/server-checks.ts';
import { tableScopes } from './routing/scope.ts';
import { tablesIn, wantSeeding } from './seeding/wanted.ts';
import type { StreamWriter } from './streams/stream-writer.ts';

export interface Remembered {
  readonly streamId: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface CentreState {
  /** server_version_num */
  readonly serverVersion: number;
  readonly epoch: number;
  readonly mapping: Mapping;
  /** How long tills may be away. */
  readonly horizonDays: number;
  /** End of the server's WAL: nothing can stand later in a stream of this epoch. */
  readonly walEnd: Lsn;
  /** Up to here the slot was told that all is durable. */
  readonly confirmed: Lsn;
  /** Stores of registered tills, and those that have a stream already. */
  readonly stores: readonly string[];
  /** How far each stream was durable, by topic. */
  readonly remembered: ReadonlyMap<string, Remembered>;
  /** A snapshot of which all has come out of the WAL; empty when nobody noted one. */
  readonly seen: string;
  /** Transactions that are in the WAL and wait for a synchronous standby before anybody sees them. */
  readonly committing: readonly number[];
}

interface CentreRow {
  readonly serverVersion: number;
  readonly horizonDays: number;
  readonly epoch: number;
  readonly version: number;
  readonly source: string;
  readonly wal_end: string;
  readonly confirmed: string | null;
  readonly seen: string | null;
}

/**
 * Also finds whatever a person must mend at the centre. It asks nothing of the event log, so that this is said
 * at once also while the log is away.
 * @throws PayflowError DB_WAL_LEVEL, DB_NOT_SET_UP, SLOT_LOST, PUBLICATION_LOST, MAPPING_INVALID, TABLE_NO_KEY
 */
export async function readCentreState(
  pool: Pool,
  { prefix, horizonDays }: { readonly prefix: string; readonly horizonDays: number | undefined },
): Promise<CentreState> {
  try {
    await requireLogicalWal(pool);
    await checkSetUp(pool, prefix);
    await setHorizon(pool, horizonDays);
    const { rows } = await pool.query<CentreRow>(
      `SELECT (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch') AS epoch,
              current_setting('server_version_num')::int AS "serverVersion",
              version, source, horizon_days AS "horizonDays", pg_current_wal_insert_lsn()::text AS wal_end,
              (SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1) AS confirmed,
              (SELECT max(seen) FROM payflow_sync.stream WHERE topic = $2) AS seen
       FROM payflow_sync.mapping`,
      [slotName(prefix), catalogTopic(prefix)],
    );
    const facts = rows[0];
    if (facts === undefined) throw new PayflowError('DB_NOT_SET_UP', 'no mapping is published');
    const mapping = parseMapping(facts.source, facts.version);
    const mapped = mappedTableNames(mapping);
    const catalog = await readCentralCatalog(pool, mapped);
    requireKeys(mapped, catalog);
    requireScopes(mapping, catalog);
    return {
      serverVersion: facts.serverVersion,
      epoch: facts.epoch,
      mapping,
      horizonDays: facts.horizonDays,
      walEnd: parseLsn(facts.wal_end),
      confirmed: parseLsn(facts.confirmed ?? '0/0'),
      seen: facts.seen ?? '',
      stores: await readStores(pool, prefix),
      remembered: await readRemembered(pool),
      committing: await readCommitting(pool),
    };
  } catch (error) {
    throw error instanceof PayflowError ? error : wrapPostgresError(error);
  }
}

/**
 * Whether the stream is another one than was written before, ends before what was durable in it, or begins later than
 * it did (compaction never moves its first offset).
 */
export function hasLost(writer: StreamWriter, state: CentreState): boolean {
  const { stream, streamId, firstOffset, lastOffset } = writer;
  const known = state.remembered.get(stream.topic);
  if (known === undefined) return firstOffset > 0;
  return known.streamId !== streamId || lastOffset <= known.lastOffset || firstOffset > known.firstOffset;
}

/**
 * A stream that was made anew, or has lost its end or its beginning, has lost rows, and so has one that was left out
 * by a slot which somebody moved: the tables that travel in it are seeded again. (Tills see the new stream id, their
 * offset past the end or before the beginning, or another record than they read before it, and read from the beginning.)
 */
export async function reseedAfterLoss(
  { pool, prefix, log }: { readonly pool: Pool; readonly prefix: string; readonly log: Logger },
  streams: readonly StreamWriter[],
  { state, isMoved }: { readonly state: CentreState; readonly isMoved: boolean },
): Promise<void> {
  const lost = streams.filter((stream) => hasLost(stream, state));
  if (lost.length === 0 && !isMoved) return;
  const error =
    lost.length > 0
      ? new PayflowError(
          'LOG_LOST_DATA',
          `records are missing from ${lost.map((stream) => stream.stream.topic).join(', ')}`,
        )
      : new PayflowError(
          'SLOT_MOVED',
          `the slot has confirmed ${formatLsn(state.confirmed)}, beyond what stands in the streams`,
        );
  const topics = (isMoved ? streams : lost).map(({ stream }) => stream.topic);
  const tables = tablesIn(topics, { prefix, scopes: tableScopes(state.mapping, MAPPING_TABLE) });
  log.error({ code: error.code, tables, err: error }, `${error.message}; the tables are seeded again`);
  try {
    await wantSeeding(pool, state.epoch, tables);
  } catch (failure) {
    throw wrapPostgresError(failure);
  }
}

/** How far each of them is durable. */
export async function rememberStreams(
  pool: Pool,
  streams: readonly StreamWriter[],
  { begin }: { readonly begin: 'at 0' | 'where they do' } = { begin: 'where they do' },
): Promise<void> {
  await query(
    pool,
    `INSERT INTO payflow_sync.stream (topic, stream_id, last_offset, position, first_offset)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
     ON CONFLICT (topic) DO UPDATE
       SET stream_id = EXCLUDED.stream_id, last_offset = EXCLUDED.last_offset,
           position = EXCLUDED.position, first_offset = EXCLUDED.first_offset, updated_at = now()`,
    [
      streams.map(({ stream }) => stream.topic),
      streams.map(({ streamId }) => streamId),
      streams.map(({ lastOffset }) => lastOffset),
      streams.map(({ durable }) => formatPosition(durable)),
      streams.map(({ firstOffset }) => (begin === 'at 0' ? 0 : firstOffset)),
    ],
  );
}

/** The streams tell of another history than the database: nothing is sent before setup has begun a new epoch. */
export async function noteOtherHistory(pool: Pool, { message, details }: PayflowError): Promise<void> {
  await query(
    pool,
    `INSERT INTO payflow_sync.stream (topic, stream_id, last_offset, position, other_history)
     VALUES ($1, '', -1, '0:0/0:0', $2)
     ON CONFLICT (topic) DO UPDATE SET other_history = EXCLUDED.other_history, updated_at = now()`,
    [details['topic'], message],
  );
}

async function query(pool: Pool, text: string, values: unknown[]): Promise<void> {
  try {
    await pool.query(text, values);
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

/** The mapping's row travels down every stream, and the horizon with it. */
async function setHorizon(pool: Pool, days: number | undefined): Promise<void> {
  if (days === undefined) return;
  const { rowCount } = await pool.query('SELECT FROM payflow_sync.mapping WHERE horizon_days <> $1', [days]);
  if (rowCount !== 0) await pool.query('UPDATE payflow_sync.mapping SET horizon_days = $1', [days]);
}

interface SetUpFacts {
  readonly schema: boolean;
  readonly publication: string | null;
  readonly slot: string | null;
}

async function checkSetUp(pool: Pool, prefix: string): Promise<void> {
  const { rows } = await pool.query<SetUpFacts>(
    `SELECT to_regclass('payflow_sync.mapping') IS NOT NULL
              AND to_regclass('payflow_sync.watched_table') IS NOT NULL
              AND to_regclass('payflow_sync.schema') IS NOT NULL AS schema,
            (SELECT oid::text FROM pg_publication WHERE pubname = $2) AS publication,
            (SELECT coalesce(wal_status, 'reserved') FROM pg_replication_slots WHERE slot_name = $1) AS slot`,
    [slotName(prefix), publicationName(prefix)],
  );
  const [facts] = rows;
  if (facts?.schema !== true) {
    throw new PayflowError('DB_NOT_SET_UP', 'the schema payflow_sync is missing, or of an older version');
  }
  if (facts.slot === null && facts.publication === null) {
    throw new PayflowError('DB_NOT_SET_UP', 'neither publication nor replication slot exist');
  }
  // First: setup, which ends it, leaves no slot for a while.
  await requireSamePublication(pool, publicationName(prefix));
  const name = slotName(prefix);
  if (facts.slot === null) {
    throw new PayflowError('SLOT_LOST', `the replication slot ${name} does not exist`);
  }
  if (facts.slot === 'lost') {
    throw new PayflowError('SLOT_LOST', `the WAL that the replication slot ${name} needs was removed`);
  }
  await requireSameServer(pool);
}

async function readStores(pool: Pool, prefix: string): Promise<string[]> {
  const { rows } = await pool.query<{ store_id: string | null; topic: string | null }>(
    `SELECT DISTINCT store_id, NULL::text AS topic FROM payflow_sync.terminal
     UNION SELECT NULL, topic FROM payflow_sync.stream`,
  );
  const stores = rows.map((row) => row.store_id ?? storeIdOfTopic(prefix, row.topic ?? ''));
  return [...new Set(stores.filter((store) => store !== undefined))];
}

async function readRemembered(pool: Pool): Promise<CentreState['remembered']> {
  const { rows } = await pool.query<Remembered & { readonly topic: string }>(
    `SELECT topic, stream_id AS "streamId", first_offset::float8 AS "firstOffset",
            last_offset::float8 AS "lastOffset" FROM payflow_sync.stream`,
  );
  return new Map(rows.map(({ topic, ...remembered }) => [topic, remembered]));
}

async function readCommitting(pool: Pool): Promise<number[]> {
  const { rows } = await pool.query<{ xid: string }>(
    `SELECT backend_xid::text AS xid FROM pg_stat_activity
     WHERE wait_event = 'SyncRep' AND backend_xid IS NOT NULL`,
  );
  return rows.map((row) => Number(row.xid));
}
