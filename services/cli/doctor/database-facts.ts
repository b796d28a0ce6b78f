/** What PostgreSQL says of itself, for `doctor`. Reads only. */
import type { Pool } from 'pg';
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

/** What the login of a service that is connected now may not do. */
export interface MissingRight {
  readonly service: string;
  readonly login: string;
  readonly table: string;
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
  readonly nowMs: number;
}

const SERVER_SQL = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNumber",
       pg_is_in_recovery() AS "isReplica", current_setting('wal_level') AS "walLevel",
       current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int AS "slotsFree",
       current_setting('max_wal_senders')::int
         - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender')::int AS "sendersFree",
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

/** $1 names, $2 whether tills write them. A table that is not there is another check's concern. */
const RIGHTS_SQL = `
WITH login AS (
  SELECT DISTINCT application_name AS service, usename AS login FROM pg_stat_activity
   WHERE datname = current_database() AND application_name IN ('payflow-capture', 'payflow-apply')),
needed AS (
  SELECT l.service, l.login, t.name, r.privilege
  FROM login l, unnest($1::text[], $2::bool[]) AS t (name, written),
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS r (privilege, place)
  WHERE to_regclass(t.name) IS NOT NULL AND (r.place = 1 OR (l.service = 'payflow-apply' AND t.written)))
SELECT service, login, name AS "table", array_agg(privilege) AS rights FROM needed
WHERE NOT has_table_privilege(login, to_regclass(name), privilege)
GROUP BY service, login, name ORDER BY service, name`;

/** @throws PayflowError DB_UNREACHABLE, DB_AUTH and whatever else PostgreSQL answers */
export async function readDatabase(
  pool: Pool,
  { prefix, tables, now }: DatabaseQuestion,
): Promise<DatabaseFacts> {
  try {
    await pool.query('SELECT 1');
    const askedMs = now();
    const { rows } = await pool.query<ServerRow>(SERVER_SQL);
    const answeredMs = now() - askedMs;
    const [server] = rows as [ServerRow];
    const slots = await pool.query<SlotFacts>(SLOTS_SQL, [slotName(prefix)]);
    const sessions = await pool.query<SessionFacts>(SESSIONS_SQL);
    const rights = await pool.query<MissingRight>(RIGHTS_SQL, [
      tables.map(({ name }) => name),
      tables.map(({ isWritten }) => isWritten),
    ]);
    const { nowMs, ...facts } = server;
    return {
      ...facts,
      answeredMs,
      clockOffsetMs: nowMs - (askedMs + answeredMs / 2),
      slots: slots.rows,
      sessions: sessions.rows,
      missingRights: rights.rows,
    };
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

export interface DatabaseQuestion {
  readonly prefix: string;
  /** Central tables of the mapping, as SQL writes their names; whether changes of tills go into them. */
  readonly tables: readonly { readonly name: string; readonly isWritten: boolean }[];
  /** ms since 1970. */
  readonly now: () => number;
}
