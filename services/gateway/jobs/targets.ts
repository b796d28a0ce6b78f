/** Which tills a sync request means, and whether the one who asks may ask that. */
import type { Pool } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { requireRole, requireRoleOrSelf, type Principal } from '../http/auth.ts';
import { firstRow, rows, type Queryable } from '../database.ts';
import type { JobTarget } from './jobs.ts';

export interface Selection {
  readonly terminalId?: string | undefined;
  readonly storeId?: string | undefined;
  readonly all?: boolean | undefined;
}

/**
 * A till that names nothing means itself.
 * @throws PayflowError VALIDATION, FORBIDDEN, TERMINAL_UNKNOWN, NOT_FOUND, TERMINAL_FENCED, TERMINAL_RETIRED
 */
export async function selectTargets(
  pool: Pool,
  principal: Principal,
  selection: Selection,
): Promise<JobTarget[]> {
  const named = [selection.terminalId, selection.storeId, selection.all === true ? true : undefined];
  const count = named.filter((value) => value !== undefined).length;
  const itself = principal.kind === 'terminal' && count === 0;
  if (!itself && count !== 1) {
    throw new PayflowError('VALIDATION', 'exactly one of terminalId, storeId and all must be given', {
      details: { field: 'terminalId' },
    });
  }
  const terminalId = itself ? principal.terminalId : selection.terminalId;
  requireRoleOrSelf(principal, 'operator', terminalId);
  if (terminalId !== undefined) return [await targetOf(pool, terminalId)];
  return manyTargets(pool, selection.storeId);
}

/** @throws PayflowError TERMINAL_UNKNOWN, TERMINAL_FENCED, TERMINAL_RETIRED */
export async function targetOf(db: Queryable, terminalId: string): Promise<JobTarget> {
  const row = await firstRow<JobTarget & { status: string }>(
    db,
    `SELECT terminal_id AS "terminalId", store_id AS "storeId",
            CASE WHEN retire_offset IS NULL THEN status ELSE 'retired' END AS status
     FROM payflow_sync.terminal WHERE terminal_id = $1`,
    [terminalId],
  );
  if (row === undefined) throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
  if (row.status === 'fenced') throw fencedError(terminalId);
  if (row.status === 'retired') throw retiredError(terminalId);
  return { terminalId, storeId: row.storeId };
}

function fencedError(terminalId: string): PayflowError {
  return new PayflowError('TERMINAL_FENCED', `terminal ${terminalId} is fenced`);
}

export function retiredError(terminalId: string): PayflowError {
  return new PayflowError('TERMINAL_RETIRED', `terminal ${terminalId} is retired`);
}

async function manyTargets(pool: Pool, storeId: string | undefined): Promise<JobTarget[]> {
  const [found, fenced] = await Promise.all([
    targetsInService(pool, { storeId }),
    rows<JobTarget>(
      pool,
      `SELECT terminal_id AS "terminalId", store_id AS "storeId" FROM payflow_sync.terminal
       WHERE status = 'fenced' AND retire_offset IS NULL AND ($1::text IS NULL OR store_id = $1) ORDER BY terminal_id`,
      [storeId ?? null],
    ),
  ]);
  // A fenced till is part of "all": that it was not synced must not be read as done.
  const refused = fenced.map((target) => ({ ...target, refusal: fencedError(target.terminalId) }));
  if (found.length + refused.length > 0) return [...found, ...refused];
  const where = storeId === undefined ? '' : ` in store ${storeId}`;
  throw new PayflowError('NOT_FOUND', `there are no enrolled terminals${where}`);
}

/** The tills that have a token and are not fenced: of a store, among these ids, or all. */
export async function targetsInService(
  pool: Pool,
  among: { readonly storeId?: string | undefined; readonly terminalIds?: readonly string[] },
): Promise<JobTarget[]> {
  return rows<JobTarget>(
    pool,
    `SELECT terminal_id AS "terminalId", store_id AS "storeId" FROM payflow_sync.terminal
     WHERE token_hash IS NOT NULL AND status IN ('registered', 'enrolled') AND retire_offset IS NULL
       AND ($1::text IS NULL OR store_id = $1) AND ($2::text[] IS NULL OR terminal_id = ANY ($2))
     ORDER BY terminal_id`,
    [among.storeId ?? null, among.terminalIds ?? null],
  );
}

/** @throws PayflowError FORBIDDEN unless it is a viewer, or the till that all of the job is about */
export function requireJobAccess(principal: Principal, terminalIds: readonly string[]): void {
  if (principal.kind === 'user') return requireRole(principal, 'viewer');
  for (const terminalId of terminalIds) requireRoleOrSelf(principal, 'viewer', terminalId);
}
