/**
 * The till rows that open dead letters are about (payflow_sync.dead_letter_row), kept so that three questions
 * have an answer without reading every letter: what hangs on this one, whose parents does it want, and which of
 * its values has the same till written since. A refused seq 10 that is retried next month must not overwrite
 * what seq 20 of that till wrote to the same row; only the columns can tell, since nothing else of seq 20 is kept.
 */
import { nameKey } from '../../shared/catalog/same-name.ts';
import { OPERATIONS_CHANNEL } from '../../shared/operations.ts';
import type { RowRef, UnitChange } from '../../shared/records/unit-record.ts';
import type { Entry } from './evidence.ts';
import { textArray, unnest, type Session, type Text } from './sql.ts';

/** Stands for every column: the row was inserted or deleted. */
export const WHOLE_ROW = '*';

export type LetterRole = 'inserted' | 'changed' | 'parent';

export interface LetterRow {
  /** Local. */
  readonly table: string;
  readonly name: string;
  readonly centralId: string | null;
  readonly role: LetterRole;
}

/** Names a till row among those of its table; null for one that PostgreSQL's texts cannot name. */
export function letterRowName({ identity, centralId }: RowRef): string | null {
  const name = identity === '' ? `#${centralId ?? ''}` : identity;
  return name.includes('\0') || name === '#' ? null : name;
}

/** Pure. @param parentOf local table and column → local parent table */
export function rowsOfLetter(
  changes: readonly UnitChange[],
  parentOf: (table: string, column: string) => string | null,
): LetterRow[] {
  const rows = new Map<string, LetterRow>();
  const weight: Record<LetterRole, number> = { inserted: 2, changed: 1, parent: 0 };
  const add = (table: string, ref: RowRef, role: LetterRole) => {
    const name = letterRowName(ref);
    // Pieces of a change that is not whole name no table.
    if (name === null || table === '') return;
    const key = `${nameKey(table)}\0${name}`;
    const known = rows.get(key);
    if (known !== undefined && weight[known.role] >= weight[role]) return;
    const centralId = ref.centralId?.includes('\0') === true ? null : ref.centralId;
    rows.set(key, { table, name, centralId, role });
  };
  for (const { table, op, row, references } of changes) {
    add(table, row, op === 'c' || op === 'r' ? 'inserted' : 'changed');
    for (const { column, target } of references) {
      const parent = parentOf(table, column);
      if (target !== null && parent !== null) add(parent, target, 'parent');
    }
  }
  return [...rows.values()];
}

export interface IndexedLetter {
  readonly deadLetterId: string;
  readonly terminal: string;
  readonly rows: readonly LetterRow[];
}

export async function indexLetters(session: Session, letters: readonly IndexedLetter[]): Promise<void> {
  const rows = letters.flatMap(({ deadLetterId, terminal, rows: own }) =>
    own.map((row) => ({ deadLetterId, terminal, ...row })),
  );
  if (rows.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.dead_letter_row (dead_letter_id, terminal_id, table_name, row_name, central_id, role)
     SELECT v.c0::bigint, v.c1, v.c2, v.c3, v.c4, v.c5 FROM ${unnest(6)}
     ON CONFLICT (dead_letter_id, table_name, row_name) DO NOTHING`,
    [
      textArray(rows.map(({ deadLetterId }) => deadLetterId)),
      textArray(rows.map(({ terminal }) => terminal)),
      textArray(rows.map(({ table }) => table)),
      textArray(rows.map(({ name }) => name)),
      textArray(rows.map(({ centralId }) => centralId)),
      textArray(rows.map(({ role }) => role)),
    ],
  );
}

/** The newest seq per column's `nameKey`, of one row. */
type Columns = Map<string, number>;

interface Later {
  readonly terminal: string;
  readonly tableKey: string;
  readonly names: Set<string>;
  readonly centralId: Text;
  readonly columns: Columns;
}

/**
 * Tells open dead letters of the same tills and rows which columns were written past them. Whatever became of
 * such a change but a refusal, it is the till's newer word.
 * @param refused terminals that got a dead letter just now
 */
export async function noteOvertaken(
  session: Session,
  entries: readonly Entry[],
  refused: ReadonlySet<string>,
): Promise<void> {
  const later = new Map<string, Later>();
  for (const { incoming, id, outcome } of entries) {
    const { from, change } = incoming;
    const name = letterRowName(change.row);
    if (from.openLetters !== true && !refused.has(from.terminal)) continue;
    if (outcome === 'rejected' || name === null) continue;
    const tableKey = nameKey(change.table);
    const key = `${from.terminal}\0${tableKey}\0${id ?? `#${name}`}`;
    const known = later.get(key);
    const row = known ?? {
      terminal: from.terminal,
      tableKey,
      names: new Set<string>(),
      centralId: id,
      columns: new Map<string, number>(),
    };
    later.set(key, row);
    row.names.add(name);
    for (const column of writtenColumns(change)) {
      row.columns.set(column, Math.max(row.columns.get(column) ?? 0, change.seq));
    }
  }
  if (later.size === 0) return;
  const healed = await merge(session, [...later.values()]);
  if (healed.length > 0) await tryAgain(session, healed);
}

function writtenColumns({ op, columns }: UnitChange): string[] {
  if (op !== 'u') return [WHOLE_ROW];
  return columns.map(({ name }) => nameKey(name));
}

/** @returns open letters of which an inserted row came again, whole, and was taken this time */
async function merge(session: Session, later: readonly Later[]): Promise<string[]> {
  const rows = later.flatMap((row) => [...row.names].map((name) => ({ ...row, name })));
  // By name or by central id: a row may have got its name only after the letter was written.
  const changed = await session.rows(
    `WITH later AS (
       SELECT v.c0 AS terminal_id, v.c1 AS table_key, v.c2 AS row_name, v.c3 AS central_id, v.c4::jsonb AS columns
         FROM ${unnest(5)}),
     met AS (
       SELECT r.dead_letter_id, r.table_name, r.row_name, e.key, max(e.value::bigint) AS seq
         FROM payflow_sync.dead_letter_row r
         JOIN later l ON l.terminal_id = r.terminal_id AND l.table_key = r.table_key
          AND (l.row_name = r.row_name OR l.central_id = r.central_id)
         JOIN payflow_sync.dead_letter d ON d.dead_letter_id = r.dead_letter_id AND d.state = 'open',
         LATERAL (SELECT * FROM jsonb_each_text(l.columns) UNION ALL
                  SELECT * FROM jsonb_each_text(r.overtaken::jsonb)) e
        WHERE r.role <> 'parent'
        GROUP BY r.dead_letter_id, r.table_name, r.row_name, e.key)
     UPDATE payflow_sync.dead_letter_row r SET overtaken = m.overtaken
       FROM (SELECT dead_letter_id, table_name, row_name, jsonb_object_agg(key, seq)::text AS overtaken,
                    max(seq) FILTER (WHERE key = '${WHOLE_ROW}') AS whole
               FROM met GROUP BY dead_letter_id, table_name, row_name) m,
            payflow_sync.dead_letter d
      WHERE d.dead_letter_id = m.dead_letter_id AND r.dead_letter_id = m.dead_letter_id AND r.table_name = m.table_name AND r.row_name = m.row_name
        AND r.overtaken <> m.overtaken
     RETURNING r.dead_letter_id, r.role = 'inserted' AND m.whole > d.last_seq`,
    [
      textArray(rows.map(({ terminal }) => terminal)),
      textArray(rows.map(({ tableKey }) => tableKey)),
      textArray(rows.map(({ name }) => name)),
      textArray(rows.map(({ centralId }) => centralId)),
      textArray(rows.map(({ columns }) => JSON.stringify(Object.fromEntries(columns)))),
    ],
  );
  return [...new Set(changed.flatMap(([id, isHealed]) => (isHealed === 't' ? [id ?? ''] : [])))];
}

/**
 * A till offers a row again when the app edits one that was refused. What else is in its dead letter, the lines of
 * a sale, may go through now, and nobody need ask for that.
 */
async function tryAgain(session: Session, ids: readonly string[]): Promise<void> {
  await session.rows(
    `WITH asked AS (
       INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why)
       VALUES ('dead-letter-retry', $1, 'central-apply', 'its till sent the row again, and it was taken')
       RETURNING operation_id)
     SELECT pg_notify('${OPERATIONS_CHANNEL}', operation_id::text) FROM asked`,
    [JSON.stringify({ ids })],
  );
}
