/** SQL of dead letters as operators act on them: locked in order of seq, closed once, with who and why. */
import { nameKey } from '../../shared/catalog/same-name.ts';
import type { LetterFilter } from '../../shared/operations.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { parentsIn } from '../rows/apply-units.ts';
import type { Rejection } from '../rows/change.ts';
import { changesFromJson } from '../../shared/records/stored-changes.ts';
import { indexLetters, rowsOfLetter } from '../rows/dead-letter-rows.ts';
import type { CentralModel } from '../rows/model.ts';
import { textArray, type Session, type Text, type TextRow } from '../rows/sql.ts';
import type { LaterSeqs } from './overtaken.ts';

export interface Letter {
  readonly id: string;
  readonly terminal: string;
  readonly incarnation: string;
  readonly state: string;
  readonly decidedBy: Text;
  readonly changes: readonly UnitChange[];
  readonly storeId: string;
  readonly trusted: boolean;
  readonly receivedAtMs: number;
}

/** By id, or by filter; both only what `inOrder` says, from a place on. */
export interface Wanted {
  readonly ids?: readonly string[] | undefined;
  readonly filter?: LetterFilter | undefined;
}

/** Behind the last one that was handled, in the order (terminal, first seq, id). */
export interface Cursor {
  readonly terminal: string;
  readonly seq: string;
  readonly id: string;
}

/** Letters of the terminal that comes next. */
export async function nextLetters(
  session: Session,
  model: CentralModel,
  { ids, filter }: Wanted,
  { after, limit }: { readonly after: Cursor | null; readonly limit: number },
): Promise<{ terminal: string; letters: Cursor[] } | null> {
  const rows = await session.rows(
    `SELECT d.terminal_id, d.first_seq, d.dead_letter_id FROM payflow_sync.dead_letter d
      WHERE d.state = 'open' AND ($1::text[] IS NULL OR d.dead_letter_id = ANY ($1::text[]::bigint[]))
        AND ($2::text IS NULL OR d.terminal_id = $2)
        AND ($3::text IS NULL OR COALESCE(d.last_code, d.code) = $3)
        AND ($4::text IS NULL OR d.refused_at >= $4::timestamptz)
        AND ($5::text IS NULL OR EXISTS (
              SELECT 1 FROM payflow_sync.dead_letter_row r
               WHERE r.dead_letter_id = d.dead_letter_id AND r.table_key = $5 AND r.role <> 'parent'))
        AND ($6::text IS NULL OR (d.terminal_id, d.first_seq, d.dead_letter_id) > ($6, $7::bigint, $8::bigint))
      ORDER BY d.terminal_id, d.first_seq, d.dead_letter_id LIMIT ${limit}`,
    [
      ids === undefined ? null : textArray(ids),
      filter?.terminalId ?? null,
      filter?.code ?? null,
      filter?.since ?? null,
      tableKey(model, filter?.table),
      after?.terminal ?? null,
      after?.seq ?? null,
      after?.id ?? null,
    ],
  );
  const terminal = rows[0]?.[0];
  if (terminal === undefined || terminal === null) return null;
  const letters = rows.filter((row) => row[0] === terminal).map(cursorOf);
  return { terminal, letters };
}

function cursorOf([terminal, seq, id]: TextRow): Cursor {
  return { terminal: terminal ?? '', seq: seq ?? '0', id: id ?? '0' };
}

/** @param table its local or its central name */
function tableKey(model: CentralModel, table: string | undefined): Text {
  if (table === undefined) return null;
  return nameKey(model.tables.get(table)?.local ?? table);
}

/** What is known of letters that were asked for by id and are not open, or not there. */
export async function closedAmong(session: Session, ids: readonly string[]) {
  const rows = await session.rows(
    `SELECT v.id, d.terminal_id, d.state, d.decided_by, to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
       FROM unnest($1::text[]) AS v (id) LEFT JOIN payflow_sync.dead_letter d ON d.dead_letter_id = v.id::bigint
      WHERE d.state IS DISTINCT FROM 'open'`,
    [textArray(ids)],
  );
  return rows.map(([id, terminal, state, by, at]) => ({
    id: id ?? '',
    terminal: terminal ?? null,
    message:
      state == null
        ? `there is no dead letter ${id}`
        : `dead letter ${id} is ${state} already${at === null ? '' : ` since ${at} UTC`}${by == null ? '' : `, by ${by}`}`,
    isThere: state != null,
  }));
}

/** One letter, locked; null when it is not there. */
export async function lockLetter(session: Session, id: string): Promise<Letter | null> {
  const [row] = await session.rows(
    `SELECT d.dead_letter_id, d.terminal_id, d.incarnation, d.state, d.decided_by, d.changes,
            COALESCE(d.store_id, t.store_id, ''), COALESCE(d.trusted, true),
            COALESCE(d.received_at_ms, floor(extract(epoch FROM d.refused_at) * 1000)::bigint)
       FROM payflow_sync.dead_letter d LEFT JOIN payflow_sync.terminal t USING (terminal_id)
      WHERE d.dead_letter_id = $1::bigint FOR UPDATE OF d`,
    [id],
  );
  if (row === undefined) return null;
  const [letterId, terminal, incarnation, state, decidedBy, changes, storeId, trusted, receivedAtMs] = row;
  return {
    id: letterId ?? '',
    terminal: terminal ?? '',
    incarnation: incarnation ?? '',
    state: state ?? '',
    decidedBy: decidedBy ?? null,
    changes: changesFromJson(changes ?? '[]'),
    storeId: storeId ?? '',
    trusted: trusted === 't',
    receivedAtMs: Number(receivedAtMs),
  };
}

/**
 * What later changes of the till wrote to the letter's rows: by `<nameKey of the local table>\0<row name>`, and by the
 * `nameKey` of the column. An earlier version noted columns as the till wrote them.
 */
export async function readLater(session: Session, id: string): Promise<Map<string, LaterSeqs>> {
  const rows = await session.rows(
    `SELECT table_key, row_name, overtaken FROM payflow_sync.dead_letter_row
      WHERE dead_letter_id = $1::bigint AND overtaken <> '{}'`,
    [id],
  );
  return new Map(
    rows.map(([table, name, overtaken]) => {
      const seqs = JSON.parse(overtaken ?? '{}') as Record<string, number>;
      const byKey = new Map<string, number>();
      for (const [column, seq] of Object.entries(seqs)) {
        byKey.set(nameKey(column), Math.max(byKey.get(nameKey(column)) ?? 0, seq));
      }
      return [`${table}\0${name}`, byKey];
    }),
  );
}

/**
 * Open letters that hang directly on this one: later ones of the same till that are about its rows or refer to
 * rows that it inserts.
 * @param onlyInserted what can't ever be applied without it; else also later changes of rows it only changes
 */
export async function dependantsOf(
  session: Session,
  id: string,
  { onlyInserted }: { readonly onlyInserted: boolean },
): Promise<Cursor[]> {
  const rows = await session.rows(
    `SELECT DISTINCT d.terminal_id, d.first_seq, d.dead_letter_id
       FROM payflow_sync.dead_letter own JOIN payflow_sync.dead_letter_row r USING (dead_letter_id)
       JOIN payflow_sync.dead_letter_row o ON o.terminal_id = r.terminal_id AND o.table_key = r.table_key
        AND o.row_name = r.row_name AND o.dead_letter_id <> r.dead_letter_id
       JOIN payflow_sync.dead_letter d ON d.dead_letter_id = o.dead_letter_id AND d.state = 'open'
      WHERE own.dead_letter_id = $1::bigint AND d.incarnation = own.incarnation AND d.first_seq > own.first_seq
        AND (r.role = 'inserted' OR (NOT $2::boolean AND r.role = 'changed' AND o.role <> 'parent'))
      ORDER BY d.first_seq, d.dead_letter_id`,
    [id, String(onlyInserted)],
  );
  return rows.map(cursorOf);
}

export interface MissingParent {
  readonly letterId: string;
  readonly table: string;
  readonly name: string;
  readonly state: 'open' | 'discarded';
  readonly decidedBy: Text;
  readonly why: Text;
}

/** Rows that a letter needs and that are themselves in a dead letter, given up or open; the former first. */
export async function missingParents(
  session: Session,
  model: CentralModel,
  id: string,
): Promise<MissingParent[]> {
  const rows = await session.rows(
    `SELECT p.dead_letter_id, p.table_name, p.row_name, d.state, d.decided_by, d.why, r.terminal_id
       FROM payflow_sync.dead_letter_row r
       JOIN payflow_sync.dead_letter_row p ON p.terminal_id = r.terminal_id AND p.table_key = r.table_key
        AND p.row_name = r.row_name AND p.role = 'inserted' AND p.dead_letter_id <> r.dead_letter_id
       JOIN payflow_sync.dead_letter d ON d.dead_letter_id = p.dead_letter_id AND d.state IN ('open', 'discarded')
      WHERE r.dead_letter_id = $1::bigint AND r.role <> 'inserted'
      ORDER BY d.state, p.dead_letter_id`,
    [id],
  );
  const missing: MissingParent[] = [];
  for (const [letterId, table, name, state, decidedBy, why, terminal] of rows) {
    const central = model.byLocal.get(table ?? '')?.name ?? '';
    const [link] = await session.rows(
      'SELECT 1 FROM payflow_sync.link WHERE terminal_id = $1 AND table_name = $2 AND identity = $3',
      [terminal ?? '', central, name ?? ''],
    );
    if (link !== undefined || (state !== 'open' && state !== 'discarded')) continue;
    missing.push({
      letterId: letterId ?? '',
      table: table ?? '',
      name: name ?? '',
      state,
      decidedBy: decidedBy ?? null,
      why: why ?? null,
    });
  }
  return missing;
}

export interface Closing {
  readonly state: 'applied' | 'superseded' | 'discarded';
  readonly by: string;
  readonly why: string | null;
  /** JSON; null: nothing was mended. */
  readonly mended: string | null;
}

export async function closeLetter(
  session: Session,
  id: string,
  { state, by, why, mended }: Closing,
): Promise<void> {
  await session.rows(
    `UPDATE payflow_sync.dead_letter
        SET state = $2, decided_at = clock_timestamp(), decided_by = $3, why = $4, mended = $5
      WHERE dead_letter_id = $1::bigint`,
    [id, state, by, why, mended],
  );
}

export async function noteRefusedAgain(session: Session, id: string, reason: Rejection): Promise<void> {
  await session.rows(
    `UPDATE payflow_sync.dead_letter
        SET tries = tries + 1, last_tried_at = clock_timestamp(), last_code = $2, last_message = $3
      WHERE dead_letter_id = $1::bigint`,
    [id, reason.code, reason.message.replaceAll('\0', '')],
  );
}

const INDEXED_AT_ONCE = 500;

/**
 * Letters that an earlier version wrote get their rows noted, so that they are found by table and by what hangs
 * on them. Which columns the till wrote past them is not known any more; where its last write of the row is
 * younger than the refusal, the whole row counts as overtaken.
 */
export async function indexOldLetters(session: Session, model: CentralModel): Promise<number> {
  const rows = await session.rows(
    `SELECT dead_letter_id, terminal_id, changes FROM payflow_sync.dead_letter
      WHERE NOT indexed AND state IN ('open', 'discarded') ORDER BY dead_letter_id LIMIT ${INDEXED_AT_ONCE}
        FOR UPDATE SKIP LOCKED`,
  );
  if (rows.length === 0) return 0;
  const ids = textArray(rows.map(([id]) => id ?? ''));
  await indexLetters(
    session,
    rows.map(([id, terminal, changes]) => ({
      deadLetterId: id ?? '',
      terminal: terminal ?? '',
      rows: rowsOfLetter(changesFromJson(changes ?? '[]'), parentsIn(model)),
    })),
  );
  const tables = [...model.tables.values()];
  await session.rows(
    `UPDATE payflow_sync.dead_letter_row r SET overtaken = '{"*": ${Number.MAX_SAFE_INTEGER}}'
       FROM payflow_sync.dead_letter d, unnest($2::text[], $3::text[]) AS t (local, central),
            payflow_sync.row_version w
      WHERE r.dead_letter_id = ANY ($1::text[]::bigint[]) AND d.dead_letter_id = r.dead_letter_id
        AND r.role = 'changed' AND t.local = r.table_key AND w.table_name = t.central
        AND EXISTS (
              SELECT 1 FROM (SELECT w.terminal_id, w.clock_ms
                             UNION ALL SELECT c.value ->> 1, (c.value ->> 0)::bigint FROM json_array_elements(w.columns::json) AS c (value)
                            ) AS v (writer, clock_ms)
               WHERE v.writer = r.terminal_id AND v.clock_ms > extract(epoch FROM d.refused_at) * 1000)
        AND w.central_id = COALESCE(r.central_id, (
              SELECT l.central_id FROM payflow_sync.link l WHERE l.terminal_id = r.terminal_id
                 AND l.table_name = t.central AND l.identity = r.row_name))`,
    [ids, textArray(tables.map(({ local }) => nameKey(local))), textArray(tables.map(({ name }) => name))],
  );
  await session.rows(
    'UPDATE payflow_sync.dead_letter SET indexed = true WHERE dead_letter_id = ANY ($1::text[]::bigint[])',
    [ids],
  );
  return rows.length;
}
