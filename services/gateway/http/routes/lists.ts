/** GET /api/v1/conflicts and /dead-letters, newest first. */
import type { FastifyInstance } from 'fastify';
import { requireRole } from '../auth.ts';
import type { GatewayContext } from '../../context.ts';
import { iso, rows } from '../../database.ts';
import { decodeNumberCursor, nextPage, pageSchema, type PageQuery } from '../page.ts';
import { principalOf } from '../request-principal.ts';

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
}

const DEAD_LETTERS = `
  SELECT dead_letter_id::text AS "deadLetterId", terminal_id AS "terminalId", incarnation,
         unit::float8 AS unit, first_seq::float8 AS "firstSeq", last_seq::float8 AS "lastSeq", code,
         constraint_name AS "constraint", message, state, ${iso('refused_at')} AS "refusedAt",
         ${iso('decided_at')} AS "decidedAt"
  FROM payflow_sync.dead_letter WHERE $1::bigint IS NULL OR dead_letter_id < $1
  ORDER BY dead_letter_id DESC LIMIT $2`;

export function listRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Querystring: PageQuery }>(
      '/conflicts',
      {
        schema: { tags: ['conflicts'], summary: 'Decided conflicts, newest first', querystring: pageSchema },
      },
      async (request) => {
        requireRole(principalOf(request), 'viewer');
        const { limit, cursor } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await rows<ConflictRow>(context.pool, CONFLICTS, [before, limit + 1]);
        const { items, nextCursor } = nextPage(found, limit, (conflict) => conflict.conflictId);
        return { conflicts: items, nextCursor };
      },
    );

    app.get<{ Querystring: PageQuery }>(
      '/dead-letters',
      {
        schema: { tags: ['dead letters'], summary: 'Refused changes, newest first', querystring: pageSchema },
      },
      async (request) => {
        requireRole(principalOf(request), 'viewer');
        const { limit, cursor } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await rows<DeadLetterRow>(context.pool, DEAD_LETTERS, [before, limit + 1]);
        const { items, nextCursor } = nextPage(found, limit, (letter) => letter.deadLetterId);
        return { deadLetters: items, nextCursor };
      },
    );
  };
}
