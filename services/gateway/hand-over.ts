/**
 * `terminals unfence ID --incarnation X`: an operator says which of a till's files goes on. One transaction, under
 * the lock that central-apply takes on the till's progress, so that it comes between two groups; what is held is
 * only marked here and carried out by central-apply (decided-held.ts), which alone writes on behalf of tills.
 *
 * | X is                                                  | then                                                 |
 * |-------------------------------------------------------|------------------------------------------------------|
 * | unknown                                               | refused, with the incarnations that are known        |
 * | one from which exactly one waiting file went on       | that file is meant: it has another name by now       |
 * | one from which several waiting files went on          | the file that still bears it, as below               |
 * | the current one                                       | it goes on where it stands                           |
 * | another one                                           | it becomes the current one, where it stood when it last was, else from its first unit; what it sends is compared with the evidence up to the highest seq that any file of this till has used |
 *
 * All other incarnations are superseded. What is held of X is released, what is held of the others given up.
 * Typed twice, the second time finds the current one and changes nothing more.
 */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { adoptStatements, inOrderStatements, markHeldStatement } from '../shared/database/hand-over-sql.ts';
import { inTransaction } from '../shared/database/postgres.ts';
import { firstRow, iso, rows, type Queryable } from './database.ts';
import { noteOperation, type Actor } from './operation-log.ts';

export interface IncarnationRow {
  readonly incarnation: string;
  /** followed: another file announced itself as going on from it; superseded: an operator chose another one. */
  readonly state: 'current' | 'superseded' | 'followed' | 'waiting';
  /** Under which name the same file sent before, where it said so. */
  readonly predecessor: string | null;
  readonly firstSeenAt: string | null;
  readonly lastSeenAt: string | null;
  /** Units and changes that it has sent, by their numbers. */
  readonly units: number;
  readonly changes: number;
  readonly heldRecords: number;
  readonly heldReasons: readonly string[];
}

/** The current one first, then the newest. */
export async function listIncarnations(db: Queryable, terminalId: string): Promise<IncarnationRow[]> {
  return rows<IncarnationRow>(
    db,
    `WITH known AS (
       SELECT i.incarnation, CASE WHEN i.incarnation = p.incarnation THEN 'current' ELSE i.state END AS state,
              i.predecessor, i.first_seen_at, i.last_seen_at,
              CASE WHEN i.incarnation = p.incarnation THEN p.last_unit ELSE i.last_unit END AS units,
              CASE WHEN i.incarnation = p.incarnation THEN greatest(p.last_seq, i.last_seq) ELSE i.last_seq END AS last_seq,
              i.first_seq
         FROM payflow_sync.incarnation i LEFT JOIN payflow_sync.progress p USING (terminal_id)
        WHERE i.terminal_id = $1
       UNION ALL
       SELECT p.incarnation, 'current', NULL, NULL, p.updated_at, p.last_unit, p.last_seq, 1
         FROM payflow_sync.progress p
        WHERE p.terminal_id = $1 AND NOT EXISTS (SELECT FROM payflow_sync.incarnation i
                WHERE i.terminal_id = p.terminal_id AND i.incarnation = p.incarnation))
     SELECT k.incarnation, k.state, k.predecessor, ${iso('k.first_seen_at')} AS "firstSeenAt",
            ${iso('k.last_seen_at')} AS "lastSeenAt", k.units::float8 AS units,
            CASE WHEN k.units = 0 THEN 0 ELSE greatest(0, k.last_seq - greatest(k.first_seq, 1) + 1) END::float8 AS changes,
            count(h.held_id)::int AS "heldRecords",
            coalesce(array_agg(DISTINCT h.reason) FILTER (WHERE h.reason IS NOT NULL), '{}') AS "heldReasons"
       FROM known k LEFT JOIN payflow_sync.held h ON h.terminal_id = $1 AND h.incarnation = k.incarnation
      GROUP BY k.incarnation, k.state, k.predecessor, k.first_seen_at, k.last_seen_at, k.units, k.last_seq, k.first_seq
      ORDER BY k.state <> 'current', k.last_seen_at DESC, k.incarnation`,
    [terminalId],
  );
}

/** What is decided of, as read under lock. */
export interface HandOverFacts {
  readonly terminalId: string;
  readonly current: string | null;
  readonly others: readonly Pick<IncarnationRow, 'incarnation' | 'state' | 'predecessor'>[];
}

export type HandOver = { readonly kind: 'resume' } | { readonly kind: 'adopt'; readonly incarnation: string };

/** Pure. @throws PayflowError NOT_FOUND */
export function decideHandOver({ terminalId, current, others }: HandOverFacts, wanted: string): HandOver {
  const successors = others.filter(({ state, predecessor }) => state === 'waiting' && predecessor === wanted);
  const [successor] = successors;
  if (successor !== undefined && successors.length === 1)
    return { kind: 'adopt', incarnation: successor.incarnation };
  if (wanted === current) return { kind: 'resume' };
  if (others.some(({ incarnation }) => incarnation === wanted)) return { kind: 'adopt', incarnation: wanted };
  const known = [...(current === null ? [] : [current]), ...others.map(({ incarnation }) => incarnation)];
  throw new PayflowError(
    'NOT_FOUND',
    `${terminalId} has no incarnation ${wanted}; ${known.length === 0 ? 'it has sent nothing yet' : `there are ${known.join(', ')}`}`,
  );
}

export interface UnfenceResult {
  readonly terminalId: string;
  readonly incarnation: string;
  /** Held records that are applied now, and those that become dead letters. */
  readonly released: number;
  readonly givenUp: number;
}

/** @throws PayflowError TERMINAL_UNKNOWN, TERMINAL_RETIRED, NOT_FOUND */
export async function unfenceTerminal(
  pool: Pool,
  { terminalId, incarnation: wanted, actor }: { terminalId: string; incarnation: string; actor: Actor },
): Promise<UnfenceResult> {
  return inTransaction(pool, async (client) => {
    const facts = await readFacts(client, terminalId);
    const decided = decideHandOver(facts, wanted);
    const incarnation = decided.kind === 'resume' ? wanted : decided.incarnation;
    if (decided.kind === 'adopt') await adopt(client, terminalId, incarnation);
    await supersedeOthers(client, terminalId, incarnation);
    for (const { sql, values } of inOrderStatements(terminalId)) await rows(client, sql, values);
    const result = { terminalId, incarnation, ...(await markHeld(client, terminalId, incarnation)) };
    await noteOperation(client, {
      kind: 'unfence',
      arguments: { terminalId, incarnation: wanted },
      actor,
      result,
    });
    return result;
  });
}

async function readFacts(db: Queryable, terminalId: string): Promise<HandOverFacts> {
  // Progress first, as central-apply does.
  const progress = await firstRow<{ incarnation: string }>(
    db,
    'SELECT incarnation FROM payflow_sync.progress WHERE terminal_id = $1 FOR UPDATE',
    [terminalId],
  );
  const terminal = await firstRow<{ retired: boolean }>(
    db,
    `SELECT status = 'retired' OR retire_offset IS NOT NULL AS retired FROM payflow_sync.terminal
      WHERE terminal_id = $1 FOR UPDATE`,
    [terminalId],
  );
  if (terminal === undefined) {
    throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
  }
  if (terminal.retired) throw new PayflowError('TERMINAL_RETIRED', `terminal ${terminalId} is retired`);
  const found = await listIncarnations(db, terminalId);
  const current = progress?.incarnation ?? null;
  return { terminalId, current, others: found.filter(({ incarnation }) => incarnation !== current) };
}

async function adopt(db: Queryable, terminalId: string, incarnation: string): Promise<void> {
  for (const { sql, values } of adoptStatements({ terminalId, incarnation, left: 'superseded' }))
    await rows(db, sql, values);
}

async function supersedeOthers(db: Queryable, terminalId: string, incarnation: string): Promise<void> {
  await rows(
    db,
    `UPDATE payflow_sync.incarnation SET state = CASE WHEN incarnation = $2 THEN 'current' ELSE 'superseded' END
      WHERE terminal_id = $1`,
    [terminalId, incarnation],
  );
}

async function markHeld(db: Queryable, terminalId: string, incarnation: string) {
  const { sql, values } = markHeldStatement(terminalId, incarnation);
  const marked = await rows<{ reason: string }>(db, sql, values);
  const released = marked.filter(({ reason }) => reason === 'released').length;
  return { released, givenUp: marked.length - released };
}
