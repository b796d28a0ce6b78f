/**
 * What people look at afterwards: decided conflicts and refused changes, newest first, as they are stored. Nobody
 * is shown them but through evidence-view.ts.
 */
import { nameKey } from '../shared/catalog/same-name.ts';
import type { ShownChange } from '../shared/mapping/masking.ts';
import type { LetterFilter } from '../shared/operations.ts';
import { firstRow, iso, rows, type Queryable } from './database.ts';

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
  /** What an operator made of it afterwards. */
  readonly resolution: unknown;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
}

const CONFLICT_COLUMNS = `
  conflict_id::text AS "conflictId", table_name AS "table", central_id AS "centralId",
  terminal_id AS "terminalId", seq::float8 AS seq, central_row::json AS "centralRow",
  terminal_row::json AS "terminalRow", winner, rule, ${iso('decided_at')} AS "decidedAt",
  resolution::json AS resolution, ${iso('resolved_at')} AS "resolvedAt", resolved_by AS "resolvedBy"`;

const CONFLICTS = `
  SELECT ${CONFLICT_COLUMNS} FROM payflow_sync.conflict
   WHERE ($1::bigint IS NULL OR conflict_id < $1) AND ($3::text IS NULL OR terminal_id = $3)
     AND ($4::text IS NULL OR table_name = $4) AND ($5::text IS NULL OR rule = $5)
     AND ($6::text IS NULL OR decided_at >= $6::timestamptz)
   ORDER BY conflict_id DESC LIMIT $2`;

export interface DeadLetterRow {
  readonly deadLetterId: string;
  readonly terminalId: string;
  readonly incarnation: string;
  readonly unit: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Local tables of the rows that it is about. */
  readonly tables: readonly string[];
  readonly code: string;
  readonly constraint: string | null;
  readonly message: string;
  readonly state: 'open' | 'applied' | 'superseded' | 'discarded';
  readonly refusedAt: string;
  /** Retries that were refused again, and why the last time. */
  readonly tries: number;
  readonly lastTriedAt: string | null;
  readonly lastCode: string | null;
  readonly lastMessage: string | null;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
  readonly why: string | null;
  /** As stored, for masking its message; null where they are large. */
  readonly changes: readonly ShownChange[] | null;
}

/** Larger ones are not read for a list. */
const LOOKED_THROUGH_BYTES = 65_536;

const LETTER_COLUMNS = `
  d.dead_letter_id::text AS "deadLetterId", d.terminal_id AS "terminalId", d.incarnation,
  d.unit::float8 AS unit, d.first_seq::float8 AS "firstSeq", d.last_seq::float8 AS "lastSeq",
  ARRAY(SELECT DISTINCT r.table_name FROM payflow_sync.dead_letter_row r
         WHERE r.dead_letter_id = d.dead_letter_id AND r.role <> 'parent' ORDER BY 1) AS tables,
  d.code, d.constraint_name AS "constraint", d.message, d.state, ${iso('d.refused_at')} AS "refusedAt",
  d.tries, ${iso('d.last_tried_at')} AS "lastTriedAt", d.last_code AS "lastCode", d.last_message AS "lastMessage",
  ${iso('d.decided_at')} AS "decidedAt", d.decided_by AS "decidedBy", d.why,
  CASE WHEN octet_length(d.changes) <= ${LOOKED_THROUGH_BYTES} THEN d.changes::json END AS changes`;

const DEAD_LETTERS = `
  SELECT ${LETTER_COLUMNS} FROM payflow_sync.dead_letter d
   WHERE ($1::bigint IS NULL OR d.dead_letter_id < $1) AND ($3::text IS NULL OR d.terminal_id = $3)
     AND ($4::text IS NULL OR EXISTS (
           SELECT 1 FROM payflow_sync.dead_letter_row r
            WHERE r.dead_letter_id = d.dead_letter_id AND r.table_key = $4 AND r.role <> 'parent'))
     AND ($5::text IS NULL OR COALESCE(d.last_code, d.code) = $5)
     AND ($6::text IS NULL OR d.refused_at >= $6::timestamptz) AND ($7::text IS NULL OR d.state = $7)
   ORDER BY d.dead_letter_id DESC LIMIT $2`;

export type LetterListFilter = LetterFilter & { readonly state?: string | undefined };

export function newestConflicts(
  db: Queryable,
  { before, limit }: Part,
  { terminalId, table, code, since }: LetterFilter = {},
): Promise<ConflictRow[]> {
  return rows(db, CONFLICTS, [before, limit, terminalId ?? null, table ?? null, code ?? null, since ?? null]);
}

export function newestDeadLetters(
  db: Queryable,
  { before, limit }: Part,
  { terminalId, table, code, since, state }: LetterListFilter = {},
): Promise<DeadLetterRow[]> {
  const tableKey = table === undefined ? undefined : nameKey(table);
  const filter = [terminalId, tableKey, code, since, state].map((value) => value ?? null);
  return rows(db, DEAD_LETTERS, [before, limit, ...filter]);
}

export interface WholeConflict extends ConflictRow {
  /** The row as the decision left it; null where it was deleted, or an earlier version did not note it. */
  readonly standing: unknown;
}

export function conflictById(db: Queryable, id: string): Promise<WholeConflict | undefined> {
  return firstRow(
    db,
    `SELECT ${CONFLICT_COLUMNS}, standing::json AS standing FROM payflow_sync.conflict
      WHERE conflict_id = $1::bigint`,
    [id],
  );
}

export interface WholeDeadLetter extends DeadLetterRow {
  /** All of its changes: JSON as in records/stored-changes.ts. */
  readonly stored: string;
  /** Values that the retry which went through had put in. */
  readonly mended: unknown;
}

export function deadLetterById(db: Queryable, id: string): Promise<WholeDeadLetter | undefined> {
  return firstRow(
    db,
    `SELECT ${LETTER_COLUMNS}, d.changes AS stored, d.mended::json AS mended FROM payflow_sync.dead_letter d
      WHERE d.dead_letter_id = $1::bigint`,
    [id],
  );
}
