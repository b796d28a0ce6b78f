/**
 * SQL of payflow_sync.hold: tills that wait at the centre, and what is known of the cause. Kept in the database, so
 * that another process or a restart goes on with it and every process sees with whom a failure is shared.
 */
import type { Pool } from 'pg';
import { connect } from '../shared/database/postgres.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { causeOf, writeOf, type Failure, type HoldState } from './refusal-ladder.ts';
import { Session, textArray, unnest } from './rows/sql.ts';

/** A till that waits for a cause to end. Times are the database's clock, ms. */
export interface Hold {
  readonly terminal: string;
  readonly partition: number;
  readonly state: HoldState;
  readonly cause: string;
  readonly write: string;
  readonly table: string;
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
  readonly tries: number;
  readonly triedAtMs: number;
  readonly passedAtMs: number | null;
}

export interface Holds {
  readonly byTerminal: ReadonlyMap<string, Hold>;
  readonly nowMs: number;
}

const MS = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)`;

/** Every till that is held for a cause at the centre: seldom any, never many. */
export async function readHolds(pool: Pool): Promise<Holds> {
  const client = await connect(pool);
  try {
    return await holdsIn(new Session(client));
  } finally {
    client.release();
  }
}

async function holdsIn(session: Session): Promise<Holds> {
  const rows = await session.rows(
    `SELECT ${MS('clock_timestamp()')}, h.terminal_id, t.up_partition, h.state, h.cause_table, h.write_kind, h.code,
            h.constraint_name, h.message, ${MS('h.since')}, h.tries, ${MS('h.tried_at')}, ${MS('h.passed_at')}
       FROM (SELECT 1) one
       LEFT JOIN payflow_sync.hold h ON h.reason = 'centre'
       LEFT JOIN payflow_sync.terminal t ON t.terminal_id = h.terminal_id`,
  );
  const byTerminal = new Map<string, Hold>();
  for (const [, terminal, partition, state, table, kind, code, constraint, message, ...numbers] of rows) {
    if (terminal === null || terminal === undefined) continue;
    const [since, tries, triedAt, passedAt] = numbers;
    const cause = {
      table: table ?? '',
      kind: (kind ?? '') as Failure['kind'],
      code: code ?? '',
      constraint: constraint ?? '',
    };
    byTerminal.set(terminal, {
      terminal,
      partition: Number(partition),
      state: state as HoldState,
      cause: causeOf(cause),
      write: writeOf(cause),
      table: cause.table,
      code: cause.code,
      message: message ?? '',
      sinceMs: Number(since),
      tries: Number(tries),
      triedAtMs: Number(triedAt),
      passedAtMs: passedAt === null || passedAt === undefined ? null : Number(passedAt),
    });
  }
  return { byTerminal, nowMs: Number(rows[0]?.[0] ?? 0) };
}

/** A till that is to wait, and for what. */
export interface NewHold {
  readonly terminal: string;
  readonly state: HoldState;
  readonly failure: Failure;
  /** Dead letters that others were left with for the same cause: tried again when it ends. */
  readonly letters?: readonly string[] | undefined;
}

/** Of a till of which more is refused than is kept (exceptions.ts): what ends it is an operator's decision. */
export const REFUSED_TOO_MUCH: Failure = {
  table: '',
  kind: '',
  code: 'REFUSED_TOO_MUCH',
  constraint: '',
  message: 'too many of its changes are refused, and nobody has decided on them',
  schema: null,
  column: null,
  isCentres: true,
};

/** The code by which people look it up. */
export function holdCode({ code }: Pick<Failure, 'code'>): ErrorCode {
  return code === REFUSED_TOO_MUCH.code ? 'REFUSED_TOO_MUCH' : 'CENTRE_CAUSE';
}

/**
 * Another cause than before begins its own time. Tries are counted on, lest a part that fails for a new reason each
 * time is tried for ever; only what the centre was to blame for does not count against the next cause.
 */
export async function saveHolds(session: Session, holds: readonly NewHold[]): Promise<void> {
  if (holds.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.hold AS h
       (terminal_id, reason, state, cause_table, write_kind, code, constraint_name, message, letters)
     SELECT v.c0, 'centre', v.c1, v.c2, v.c3, v.c4, v.c5, v.c6, v.c7 FROM ${unnest(8)} ORDER BY v.c0
     ON CONFLICT (terminal_id, reason) DO UPDATE
       SET state = excluded.state, cause_table = excluded.cause_table, write_kind = excluded.write_kind,
           code = excluded.code, constraint_name = excluded.constraint_name, message = excluded.message,
           letters = COALESCE(excluded.letters, h.letters), tried_at = clock_timestamp(),
           since = CASE WHEN ${SAME_CAUSE} THEN h.since ELSE clock_timestamp() END,
           tries = CASE WHEN ${SAME_CAUSE} OR h.state <> 'centre' THEN h.tries + 1 ELSE 1 END,
           passed_at = CASE WHEN ${SAME_CAUSE} THEN h.passed_at END`,
    [
      textArray(holds.map(({ terminal }) => terminal)),
      textArray(holds.map(({ state }) => state)),
      textArray(holds.map(({ failure }) => clean(failure.table))),
      textArray(holds.map(({ failure }) => failure.kind)),
      textArray(holds.map(({ failure }) => clean(failure.code))),
      textArray(holds.map(({ failure }) => clean(failure.constraint))),
      textArray(holds.map(({ failure }) => clean(failure.message))),
      textArray(holds.map(({ letters = [] }) => (letters.length === 0 ? null : JSON.stringify(letters)))),
    ],
  );
}

const SAME_CAUSE = `(h.cause_table, h.write_kind, h.code, h.constraint_name) =
  (excluded.cause_table, excluded.write_kind, excluded.code, excluded.constraint_name)`;

const LONGEST_TEXT = 2_000;

/** What can be stored whatever it was. */
function clean(text: string): string {
  return text.replaceAll('\0', '').slice(0, LONGEST_TEXT);
}

/**
 * They wait no longer. Dead letters that had the same cause are tried again, by the way operators have: what was
 * refused for want of evidence was the centre's fault.
 */
export async function endHolds(session: Session, terminals: readonly string[]): Promise<void> {
  if (terminals.length === 0) return;
  const ended = await session.rows(
    `DELETE FROM payflow_sync.hold WHERE reason = 'centre' AND terminal_id = ANY ($1::text[]) RETURNING letters`,
    [textArray(terminals)],
  );
  const letters = [...new Set(ended.flatMap(([ids]) => (ids == null ? [] : (JSON.parse(ids) as string[]))))];
  if (letters.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why)
     VALUES ('dead-letter-retry', $1, 'central-apply', 'other tills failed in the same way: the centre was to blame')`,
    [JSON.stringify({ ids: letters })],
  );
}

/** Tells the tills that wait that a write like theirs went through for somebody else. */
export async function notePasses(
  session: Session,
  writes: readonly string[],
  { except }: { readonly except: readonly string[] },
): Promise<void> {
  const parts = writes.map((write) => write.split('\0'));
  await session.rows(
    `UPDATE payflow_sync.hold h SET passed_at = clock_timestamp() FROM ${unnest(2)}
      WHERE h.reason = 'centre' AND h.cause_table = v.c0 AND h.write_kind = v.c1 AND h.terminal_id <> ALL ($3::text[])`,
    [
      textArray(parts.map(([table]) => table ?? '')),
      textArray(parts.map(([, kind]) => kind ?? '')),
      textArray(except),
    ],
  );
}

/** How the evidence for a cause outlives a hold: open dead letters that other tills left for it. */
export async function openLettersOf(
  session: Session,
  failure: Failure,
  { terminal, sinceMs }: { readonly terminal: string; readonly sinceMs: number },
): Promise<string[]> {
  const rows = await session.rows(
    `SELECT dead_letter_id FROM payflow_sync.dead_letter
      WHERE state = 'open' AND terminal_id <> $1 AND table_name = $2 AND write_kind = $3 AND code = $4
        AND COALESCE(constraint_name, '') = $5 AND refused_at > to_timestamp($6::numeric / 1000)
      ORDER BY dead_letter_id LIMIT ${LETTERS_AT_ONCE}`,
    [terminal, failure.table, failure.kind, failure.code, failure.constraint, String(Math.floor(sinceMs))],
  );
  return rows.map(([id]) => id ?? '');
}

const LETTERS_AT_ONCE = 1_000;
