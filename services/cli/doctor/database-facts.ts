/** What PostgreSQL says of itself, for `doctor`. Reads only. */
import type { Pool } from 'pg';
import { shareLockClass } from '../../central-apply/partition-share.ts';
import type { ServiceLogin } from '../../central-capture/setup/grants.ts';
import { slotName } from '../../shared/database/slot-names.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';

/** A slot keeps WAL back for whoever reads it. */
export interface SlotFacts {
  readonly name: string;
  readonly isOurs: boolean;
  readonly active: boolean;
  /** WAL that the server keeps for it; null: the server says nothing. */
  readonly keptBytes: number | null;
  /** As pg_replication_slots has it: reserved, extended, unreserved, lost. */
  readonly walStatus: string | null;
  /** Bytes that may still be written before the server may drop it; null: no limit. */
  readonly safeBytes: number | null;
}

/** A session that keeps others waiting, or could. */
export interface SessionFacts {
  readonly pid: number;
  readonly application: string;
  readonly login: string;
  /** Since its transaction began. */
  readonly openMs: number;
  readonly isIdle: boolean;
  /** Sessions of ours that wait for a lock of this one. */
  readonly keepsWaiting: number;
}

/** What a service has to be allowed. */
export interface NeededRight {
  readonly service: ServiceLogin;
  readonly schema: string;
  /** null: the right is on the schema. */
  readonly table: string | null;
  readonly right: string;
}

/** What the login of a service that is connected now may not do. */
export interface MissingRight {
  readonly service: ServiceLogin;
  readonly login: string;
  /** Name of the schema or table. */
  readonly name: string;
  readonly rights: readonly string[];
}

export interface DatabaseFacts {
  readonly version: string;
  /** 170002 is 17.2. */
  readonly versionNumber: number;
  readonly answeredMs: number;
  readonly isReplica: boolean;
  readonly walLevel: string;
  readonly slotsFree: number;
  readonly sendersFree: number;
  /** Server's clock minus this machine's, as far as the time of the question allows to say. */
  readonly clockOffsetMs: number;
  /** WAL written in a day, on average since the server counts it; null: it has not for long enough. */
  readonly walBytesPerDay: number | null;
  /** Our login may see what sessions of others do. */
  readonly seesSessions: boolean;
  /** synchronous_standby_names takes capture in: commits at the centre wait for it. */
  readonly waitsForCapture: boolean;
  /** Partitions of the up stream that a central-apply reads. */
  readonly partitionsRead: number;
  readonly slots: readonly SlotFacts[];
  readonly sessions: readonly SessionFacts[];
  readonly missingRights: readonly MissingRight[];
}

/** Transactions that are older keep slots, locks or both. */
const LONG_OPEN = '5 minutes';

interface ServerRow {
  readonly version: string;
  readonly versionNumber: number;
  readonly isReplica: boolean;
  readonly walLevel: string;
  readonly slotsFree: number;
  readonly sendersFree: number;
  readonly walBytesPerDay: number | null;
  readonly seesSessions: boolean;
  readonly waitsForCapture: boolean;
  readonly partitionsRead: number;
  readonly nowMs: number;
}

/** $1: class of the locks by which processes of central-apply share the partitions; the largest number is no partition. */
const SERVER_SQL = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNumber",
       pg_is_in_recovery() AS "isReplica", current_setting('wal_level') AS "walLevel",
       current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int AS "slotsFree",
       current_setting('max_wal_senders')::int
         - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender')::int AS "sendersFree",
       (SELECT wal_bytes::float8 * 86400 / extract(epoch FROM clock_timestamp() - stats_reset)::float8 FROM pg_stat_wal
         WHERE stats_reset < clock_timestamp() - interval '1 hour') AS "walBytesPerDay",
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS "seesSessions",
       EXISTS (SELECT FROM pg_stat_replication
                WHERE application_name = 'payflow-capture' AND sync_state <> 'async') AS "waitsForCapture",
       (SELECT count(DISTINCT objid) FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid = $1::bigint::oid
           AND objid <> 2147483647::oid
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))::int AS "partitionsRead",
       extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs"`;

const SLOTS_SQL = `
SELECT slot_name AS name, slot_name = $1 AS "isOurs", active, wal_status AS "walStatus",
       safe_wal_size::float8 AS "safeBytes",
       CASE WHEN NOT pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END AS "keptBytes"
FROM pg_replication_slots ORDER BY slot_name`;

/** pg_blocking_pids of our sessions only: of all it would itself cost locks. */
const SESSIONS_SQL = `
WITH waiting AS (
  SELECT unnest(pg_blocking_pids(pid)) AS pid FROM pg_stat_activity
   WHERE application_name LIKE 'payflow-%' AND wait_event_type = 'Lock')
SELECT a.pid, a.application_name AS application, coalesce(a.usename, '') AS login,
       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::float8 AS "openMs",
       a.state LIKE 'idle in transaction%' AS "isIdle",
       (SELECT count(*) FROM waiting w WHERE w.pid = a.pid)::int AS "keepsWaiting"
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND (a.xact_start < clock_timestamp() - interval '${LONG_OPEN}' OR a.pid IN (SELECT pid FROM waiting))
ORDER BY "keepsWaiting" DESC, "openMs" DESC LIMIT 20`;

/**
 * $1 services, $2 schemas, $3 tables, $4 rights: one each. Names are looked up here, since to_regclass fails where our own
 * login may not enter the schema. What is not there is another check's concern.
 */
const RIGHTS_SQL = `
WITH login AS (
  SELECT DISTINCT substring(application_name FROM '^payflow-(capture|apply|gateway)') AS service, usename AS login
    FROM pg_stat_activity
   WHERE datname = current_database() AND application_name ~ '^payflow-(capture|apply|gateway)' AND usename IS NOT NULL),
needed AS (
  SELECT service, right_, s.oid AS schema_oid, c.oid AS table_oid, t.place,
         concat_ws('.', quote_ident(schema_name), quote_ident(table_name)) AS name
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
         WITH ORDINALITY AS t (service, schema_name, table_name, right_, place)
    JOIN pg_namespace s ON s.nspname = schema_name
    LEFT JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = table_name
   WHERE table_name IS NULL OR c.oid IS NOT NULL)
SELECT service, login, name, array_agg(right_ ORDER BY place) AS rights FROM login JOIN needed USING (service)
 WHERE NOT CASE WHEN table_oid IS NULL THEN has_schema_privilege(login, schema_oid, right_)
                ELSE has_table_privilege(login, table_oid, right_) END
 GROUP BY service, login, name ORDER BY service, login, name`;

/** @throws PayflowError DB_UNREACHABLE, DB_AUTH and whatever else PostgreSQL answers */
export async function readDatabase(
  pool: Pool,
  { prefix, rights, now }: DatabaseQuestion,
): Promise<DatabaseFacts> {
  try {
    await pool.query('SELECT 1');
    const askedMs = now();
    const { rows } = await pool.query<ServerRow>(SERVER_SQL, [shareLockClass(prefix)]);
    const answeredMs = now() - askedMs;
    const [server] = rows as [ServerRow];
    const slots = await pool.query<SlotFacts>(SLOTS_SQL, [slotName(prefix)]);
    const sessions = await pool.query<SessionFacts>(SESSIONS_SQL);
    const missing = await pool.query<MissingRight>(RIGHTS_SQL, [
      rights.map(({ service }) => service),
      rights.map(({ schema }) => schema),
      rights.map(({ table }) => table),
      rights.map(({ right }) => right),
    ]);
    const { nowMs, ...facts } = server;
    return {
      ...facts,
      answeredMs,
      clockOffsetMs: nowMs - (askedMs + answeredMs / 2),
      slots: slots.rows,
      sessions: sessions.rows,
      missingRights: missing.rows,
    };
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

export interface DatabaseQuestion {
  readonly prefix: string;
  readonly rights: readonly NeededRight[];
  /** ms since 1970. */
  readonly now: () => number;
}
