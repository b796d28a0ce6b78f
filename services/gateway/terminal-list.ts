/** Tills as status, API and `terminals list` show them: how far each is, and what of it waits for a person. */
import type { Pool } from 'pg';
import { iso, rows } from './database.ts';

export interface TerminalRow {
  readonly terminalId: string;
  readonly storeId: string;
  /** retiring: what is in the log is still being applied. */
  readonly status: 'registered' | 'enrolled' | 'fenced' | 'retiring' | 'retired';
  /** Why it is fenced or retired, and since when. */
  readonly why: string | null;
  readonly since: string | null;
  readonly partition: number;
  readonly keyVersion: number;
  readonly registeredAt: string;
  readonly enrolledAt: string | null;
  readonly lastSeenAt: string | null;
  /** What central-apply has of it; null before its first unit. */
  readonly lastUnit: number | null;
  readonly lastSeq: number | null;
  readonly held: number;
  readonly deadLetters: number;
  /** Of these: changes that the till may not make, as of another store's rows. */
  readonly notAllowed: number;
  /** Of these: changes of a restored file that are older than the evidence. */
  readonly evidenceGone: number;
  /** What all that it sends waits for at the centre; empty in the ordinary case. */
  readonly waits: readonly TerminalWait[];
}

export interface TerminalWait {
  readonly code: 'CENTRE_CAUSE' | 'HELD_TOO_MUCH' | 'REFUSED_TOO_MUCH';
  /** SQLSTATE, where PostgreSQL refuses something. */
  readonly sqlState: string | null;
  readonly table: string | null;
  readonly constraint: string | null;
  readonly since: string;
  readonly tries: number;
}

export interface TerminalFilter {
  readonly terminalId?: string | undefined;
  readonly storeId?: string | undefined;
  /** Only ids after this one. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

/** Of payflow_sync.hold h; its message may quote a row's values. */
const WAIT = `json_build_object(
  'code', CASE WHEN h.code IN ('HELD_TOO_MUCH', 'REFUSED_TOO_MUCH') THEN h.code ELSE 'CENTRE_CAUSE' END,
  'sqlState', CASE WHEN h.code NOT IN ('HELD_TOO_MUCH', 'REFUSED_TOO_MUCH') THEN h.code END,
  'table', nullif(h.cause_table, ''), 'constraint', nullif(h.constraint_name, ''),
  'since', ${iso('h.since')}, 'tries', h.tries)`;

/** In the order of their ids. */
export async function listTerminals(pool: Pool, filter: TerminalFilter = {}): Promise<TerminalRow[]> {
  return rows<TerminalRow>(
    pool,
    `SELECT t.terminal_id AS "terminalId", t.store_id AS "storeId",
            CASE WHEN t.status <> 'retired' AND t.retire_offset IS NOT NULL THEN 'retiring' ELSE t.status END AS status,
            CASE WHEN p.standing = 'ok' THEN NULL ELSE p.standing_why END AS why,
            CASE WHEN p.standing = 'ok' THEN NULL ELSE ${iso('p.standing_since')} END AS since, t.up_partition AS partition,
            t.key_version AS "keyVersion", ${iso('t.registered_at')} AS "registeredAt",
            ${iso('t.enrolled_at')} AS "enrolledAt", ${iso('t.last_seen_at')} AS "lastSeenAt",
            p.last_unit::float8 AS "lastUnit", p.last_seq::float8 AS "lastSeq",
            (SELECT count(*) FROM payflow_sync.held h WHERE h.terminal_id = t.terminal_id)::int AS held,
            (SELECT count(*) FROM payflow_sync.dead_letter d
              WHERE d.terminal_id = t.terminal_id AND d.state = 'open')::int AS "deadLetters",
            (SELECT count(*) FROM payflow_sync.dead_letter d WHERE d.terminal_id = t.terminal_id
                AND d.state = 'open' AND d.code = 'CHANGE_NOT_ALLOWED')::int AS "notAllowed",
            (SELECT count(*) FROM payflow_sync.dead_letter d WHERE d.terminal_id = t.terminal_id
                AND d.state = 'open' AND d.code = 'EVIDENCE_GONE')::int AS "evidenceGone",
            (SELECT coalesce(json_agg(${WAIT} ORDER BY h.since), '[]') FROM payflow_sync.hold h
              WHERE h.terminal_id = t.terminal_id AND h.state <> 'trying') AS waits
     FROM payflow_sync.terminal t LEFT JOIN payflow_sync.progress p USING (terminal_id)
     WHERE ($1::text IS NULL OR t.terminal_id = $1) AND ($2::text IS NULL OR t.store_id = $2)
       AND ($3::text IS NULL OR t.terminal_id > $3)
     ORDER BY t.terminal_id LIMIT $4`,
    [filter.terminalId ?? null, filter.storeId ?? null, filter.after ?? null, filter.limit ?? null],
  );
}
