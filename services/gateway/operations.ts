/**
 * What operators ask of central-apply: put into payflow_sync.operation, with who and why, and waited for. The
 * gateway writes no business row itself.
 */
import type { Pool } from 'pg';
import { isErrorCode } from '../shared/agent-protocol.ts';
import { PayflowError } from '../shared/errors.ts';
import { sleep } from '../shared/lifecycle.ts';
import {
  OPERATIONS_CHANNEL,
  VERIFY_OPERATIONS,
  type OperationFailure,
  type OperationKind,
} from '../shared/operations.ts';
import { firstRow, iso, rows } from './database.ts';

export interface OperationView {
  readonly operationId: string;
  readonly kind: string;
  readonly state: 'waiting' | 'done' | 'failed';
  readonly requestedBy: string;
  readonly why: string | null;
  readonly requestedAt: string;
  readonly finishedAt: string | null;
  /** By kind; null while it waits. */
  readonly result: unknown;
  readonly error: OperationFailure | null;
}

export interface OperationRequest {
  readonly kind: OperationKind;
  readonly args: unknown;
  readonly by: string;
  readonly why?: string | undefined;
}

type OperationRow = Omit<OperationView, 'result' | 'error'> & { readonly result: unknown };

const COLUMNS = `operation_id AS "operationId", kind, state, requested_by AS "requestedBy", why,
  ${iso('requested_at')} AS "requestedAt", ${iso('finished_at')} AS "finishedAt",
  CASE WHEN state <> 'waiting' THEN result::json END AS result`;

const LOOK_MS = 100;

export async function requestOperation(pool: Pool, request: OperationRequest): Promise<OperationView> {
  const { kind, args, by, why } = request;
  const row = await firstRow<OperationRow>(
    pool,
    `WITH asked AS (INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why)
       VALUES ($1, $2, $3, $4) RETURNING *)
     SELECT ${COLUMNS}, pg_notify('${OPERATIONS_CHANNEL}', operation_id::text) FROM asked`,
    [kind, JSON.stringify(args), by, why ?? null],
  );
  if (row === undefined) throw new PayflowError('INTERNAL', 'INSERT … RETURNING gave no row');
  return toView(row);
}

/** @throws PayflowError NOT_FOUND */
export async function readOperation(pool: Pool, operationId: string): Promise<OperationView> {
  const row = await firstRow<OperationRow>(
    pool,
    `SELECT ${COLUMNS} FROM payflow_sync.operation WHERE operation_id::text = $1`,
    [operationId],
  );
  if (row === undefined) throw new PayflowError('NOT_FOUND', `there is no operation ${operationId}`);
  return toView(row);
}

/** One that was asked for here. */
export async function readOwnOperation(pool: Pool, operationId: string): Promise<OperationView> {
  const text = `SELECT ${COLUMNS} FROM payflow_sync.operation WHERE operation_id = $1::uuid`;
  const row = await firstRow<OperationRow>(pool, text, [operationId]);
  if (row === undefined) throw new PayflowError('NOT_FOUND', `there is no operation ${operationId}`);
  return toView(row);
}

/** The operation as it is once it is finished, or when the time is up. */
export async function awaitOperation(
  pool: Pool,
  operationId: string,
  waitMs: number,
  now: () => number = Date.now,
): Promise<OperationView> {
  const deadline = now() + waitMs;
  for (;;) {
    const view = await readOperation(pool, operationId);
    const leftMs = deadline - now();
    if (view.state !== 'waiting' || leftMs <= 0) return view;
    await sleep(Math.min(LOOK_MS, leftMs));
  }
}

/** Without the questions of `verify`. Newest first. @param before the place of the last one of the page before */
export async function listOperations(
  pool: Pool,
  { before, limit }: { readonly before: string | null; readonly limit: number },
): Promise<OperationView[]> {
  const found = await rows<OperationRow>(
    pool,
    `SELECT ${COLUMNS} FROM payflow_sync.operation
      WHERE kind <> ALL ($3) AND ($1::text IS NULL OR (requested_at, operation_id) <
            (SELECT requested_at, operation_id FROM payflow_sync.operation WHERE operation_id::text = $1))
      ORDER BY requested_at DESC, operation_id DESC LIMIT $2`,
    [before, limit, VERIFY_OPERATIONS],
  );
  return found.map(toView);
}

/** @throws PayflowError what a failed operation failed with */
export function orItsFailure(view: OperationView): OperationView {
  if (view.error === null) return view;
  const { code, message, details } = view.error;
  throw new PayflowError(isErrorCode(code) ? code : 'INTERNAL', message, { details: { ...details } });
}

function toView({ result, ...row }: OperationRow): OperationView {
  if (row.state !== 'failed') return { ...row, result, error: null };
  return { ...row, result: null, error: result as OperationFailure };
}
