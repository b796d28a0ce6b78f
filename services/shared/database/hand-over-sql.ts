/**
 * Another file of a till becomes the one that goes on: because an operator says so (gateway), or because it announced
 * itself and nothing speaks against it (central-apply). Inside a transaction that holds the till's progress row.
 */

export interface HandOverOf {
  readonly terminalId: string;
  /** The file that goes on. */
  readonly incarnation: string;
  /** What the current one is called from then on. */
  readonly left: 'superseded' | 'followed';
}

export interface Statement {
  readonly sql: string;
  readonly values: readonly string[];
}

/**
 * To be run in order; not for the current incarnation. The till's new place is where that file stood when it last was
 * current, else its first unit.
 */
export function adoptStatements({ terminalId, incarnation, left }: HandOverOf): readonly Statement[] {
  return [
    { sql: LEAVE, values: [terminalId, left] },
    { sql: TAKE_PLACE, values: [terminalId, incarnation] },
    {
      sql: `UPDATE payflow_sync.incarnation SET state = 'current' WHERE terminal_id = $1 AND incarnation = $2`,
      values: [terminalId, incarnation],
    },
    ...inOrderStatements(terminalId),
  ];
}

/** The till is in order: what people see, and what it is told itself. */
export function inOrderStatements(terminalId: string): readonly Statement[] {
  return [
    { sql: STANDING, values: [terminalId] },
    { sql: STATUS, values: [terminalId] },
  ];
}

/** What is held of the file that goes on is released, of the others given up; returns the new reasons. */
export function markHeldStatement(terminalId: string, incarnation: string): Statement {
  return { sql: MARK_HELD, values: [terminalId, incarnation] };
}

const LEAVE = `
  INSERT INTO payflow_sync.incarnation AS i (terminal_id, incarnation, state, first_seq, last_seq, last_unit,
         applied_unit, applied_seq, chain_hash, exceptions, first_seen_at, last_seen_at)
  SELECT terminal_id, incarnation, $2, 1, last_seq, last_unit, last_unit, last_seq, chain_hash, exceptions,
         updated_at, updated_at
    FROM payflow_sync.progress WHERE terminal_id = $1
  ON CONFLICT (terminal_id, incarnation) DO UPDATE
    SET state = excluded.state, last_seq = greatest(i.last_seq, excluded.last_seq),
        last_unit = greatest(i.last_unit, excluded.last_unit),
        applied_unit = excluded.applied_unit, applied_seq = excluded.applied_seq,
        chain_hash = excluded.chain_hash, exceptions = excluded.exceptions`;

const TAKE_PLACE = `
  UPDATE payflow_sync.progress p
     SET incarnation = i.incarnation, last_unit = i.applied_unit, last_seq = i.applied_seq,
         chain_hash = coalesce(i.chain_hash, decode(repeat('00', 32), 'hex')), exceptions = i.exceptions,
         registration = 0,
         known_seq = greatest(p.known_seq, (SELECT max(last_seq) FROM payflow_sync.incarnation
                                             WHERE terminal_id = p.terminal_id)),
         updated_at = clock_timestamp()
    FROM payflow_sync.incarnation i
   WHERE p.terminal_id = $1 AND i.terminal_id = p.terminal_id AND i.incarnation = $2`;

/** A till that is being retired stays so: its announcement may have been sent before. */
const STANDING = `
  UPDATE payflow_sync.progress SET standing = 'ok', standing_why = NULL, standing_since = now()
   WHERE terminal_id = $1 AND standing = 'fenced'`;

const STATUS = `
  UPDATE payflow_sync.terminal
     SET status = CASE WHEN public_key IS NULL THEN 'registered' ELSE 'enrolled' END
   WHERE terminal_id = $1 AND status = 'fenced'`;

const MARK_HELD = `
  UPDATE payflow_sync.held SET reason = CASE WHEN incarnation = $2 THEN 'released' ELSE 'given up' END
   WHERE terminal_id = $1 AND CASE WHEN incarnation = $2 THEN reason IN ('fenced', 'superseded')
           ELSE incarnation IN (SELECT incarnation FROM payflow_sync.incarnation WHERE terminal_id = $1) END
   RETURNING reason`;
