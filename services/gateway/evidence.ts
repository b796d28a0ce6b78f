/**
 * What people look at afterwards: decided conflicts and refused changes, newest first, as they are stored. Nobody
 * is shown them but through evidence-view.ts.
 */
import type { ShownChange } from '../shared/mapping/masking.ts';
import { iso, rows, type Queryable } from './database.ts';

/** A part of a list. */
export interface Part {
  /** Only rows older than this id. */
  readonly before: string | null;
  readonly limit: number;
}

export interface ConflictRow {
  readonly conflictId: string;
  readonly table: string;
  readonly centralId: string | null;
  readonly terminalId: string;
  readonly seq: number;
  readonly centralRow: unknown;
  readonly terminalRow: unknown;
  readonly winner: 'central' | 'terminal';
  readonly rule: string;
  readonly decidedAt: string;
}

const CONFLICTS = `
  SELECT conflict_id::text AS "conflictId", table_name AS "table", central_id AS "centralId",
         terminal_id AS "terminalId", seq::float8 AS seq, central_row::json AS "centralRow",
         terminal_row::json AS "terminalRow", winner, rule, ${iso('decided_at')} AS "decidedAt"
  FROM payflow_sync.conflict WHERE $1::bigint IS NULL OR conflict_id < $1
  ORDER BY conflict_id DESC LIMIT $2`;

export interface DeadLetterRow {
  readonly deadLetterId: string;
  readonly terminalId: string;
  readonly incarnation: string;
  readonly unit: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly code: string;
  readonly constraint: string | null;
  readonly message: string;
  readonly state: 'open' | 'applied' | 'discarded';
  readonly refusedAt: string;
  readonly decidedAt: string | null;
  /** As stored, for masking its message; null where they are large. */
  readonly changes: readonly ShownChange[] | null;
}

/** Larger ones are not read for a list. */
const LOOKED_THROUGH_BYTES = 65_536;

const DEAD_LETTERS = `
  SELECT dead_letter_id::text AS "deadLetterId", terminal_id AS "terminalId", incarnation,
         unit::float8 AS unit, first_seq::float8 AS "firstSeq", last_seq::float8 AS "lastSeq", code,
         constraint_name AS "constraint", message, state, ${iso('refused_at')} AS "refusedAt",
         ${iso('decided_at')} AS "decidedAt",
         CASE WHEN octet_length(changes) <= ${LOOKED_THROUGH_BYTES} THEN changes::json END AS changes
  FROM payflow_sync.dead_letter WHERE $1::bigint IS NULL OR dead_letter_id < $1
  ORDER BY dead_letter_id DESC LIMIT $2`;

export function newestConflicts(db: Queryable, { before, limit }: Part): Promise<ConflictRow[]> {
  return rows(db, CONFLICTS, [before, limit]);
}

export function newestDeadLetters(db: Queryable, { before, limit }: Part): Promise<DeadLetterRow[]> {
  return rows(db, DEAD_LETTERS, [before, limit]);
}
