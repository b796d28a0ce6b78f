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

/** Of payflow_sync.hold w; its message may quote a row's values. */
const WAIT = `json_build_object(
  'code', CASE WHEN w.code IN ('HELD_TOO_MUCH', 'REFUSED_TOO_MUCH') THEN w.code ELSE 'CENTRE_CAUSE' END,
  'sqlState', CASE WHEN w.code NOT IN ('HELD_TOO_MUCH', 'REFUSED_TOO_MUCH') THEN w.code END,
  'table', nullif(w.cause_table, ''), 'constraint', nullif(w.constraint_name, ''),
  'since', ${iso('w.since')}, 'tries', w.tries)`;

/**
 * In the order of their ids. What is held and open is counted once for all: counted for each, the planner reads all of it
 * for every till as soon as one till has most of it (300 ms for 20 tills beside 20,000 records of another).
 */
export async function listTerminals(pool: Pool, filter: TerminalFilter = {}): Promise<TerminalRow[]> {
  return rows<TerminalRow>(
    pool,
    `WITH chosen AS (
       SELECT * FROM payflow_sync.terminal
        WHERE ($1::text IS NULL OR terminal_id = $1) AND ($2::text IS NULL OR store_id = $2)
          AND ($3::text IS NULL OR terminal_id > $3)
        ORDER BY terminal_id LIMIT $4),
     held AS (
       SELECT terminal_id, count(*)::int AS held FROM payflow_sync.held
        WHERE terminal_id IN (SELECT terminal_id FROM chosen) GROUP BY terminal_id),
     letter AS (
       SELECT terminal_id, count(*)::int AS open,
              (count(*) FILTER (WHERE code = 'CHANGE_NOT_ALLOWED'))::int AS not_allowed,
              (count(*) FILTER (WHERE code = 'EVIDENCE_GONE'))::int AS evidence_gone
         FROM payflow_sync.dead_letter
        WHERE state = 'open' AND terminal_id IN (SELECT terminal_id FROM chosen) GROUP BY terminal_id)
     SELECT t.terminal_id AS "terminalId", t.store_id AS "storeId",
            CASE WHEN t.status <> 'retired' AND t.retire_offset IS NOT NULL THEN 'retiring' ELSE t.status END AS status,
            CASE WHEN p.standing = 'ok' THEN NULL ELSE p.standing_why END AS why,
            CASE WHEN p.standing = 'ok' THEN NULL ELSE ${iso('p.standing_since')} END AS since, t.up_partition AS partition,
            t.key_version AS "keyVersion", ${iso('t.registered_at')} AS "registeredAt",
            ${iso('t.enrolled_at')} AS "enrolledAt", ${iso('t.last_seen_at')} AS "lastSeenAt",
            p.last_unit::float8 AS "lastUnit", p.last_seq::float8 AS "lastSeq",
            coalesce(h.held, 0) AS held, coalesce(l.open, 0) AS "deadLetters",
            coalesce(l.not_allowed, 0) AS "notAllowed", coalesce(l.evidence_gone, 0) AS "evidenceGone",
            (SELECT coalesce(json_agg(${WAIT} ORDER BY w.since), '[]') FROM payflow_sync.hold w
              WHERE w.terminal_id = t.terminal_id AND w.state <> 'trying') AS waits
     FROM chosen t LEFT JOIN payflow_sync.progress p ON p.terminal_id = t.terminal_id
       LEFT JOIN held h ON h.terminal_id = t.terminal_id LEFT JOIN letter l ON l.terminal_id = t.terminal_id
     ORDER BY t.terminal_id`,
    [filter.terminalId ?? null, filter.storeId ?? null, filter.after ?? null, filter.limit ?? null],
  );
}
