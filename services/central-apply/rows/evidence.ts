/**
 * What central-apply writes about its own work, in the transaction that does it: outcomes, links, versions,
 * dead letters and conflicts. Outcomes and links come before the business rows, since the WAL keeps the order
 * of statements and capture looks back from a row to the outcome that explains it.
 */
import type { CentralId, Outcome } from '../../shared/records/change-record.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import type { Incoming, IncomingUnit, Rejection } from './change.ts';
import { changesToJson } from '../../shared/records/stored-changes.ts';
import { indexLetters, type LetterRow } from './dead-letter-rows.ts';
import type { FoldedRow } from './folded-row.ts';
import type { TableModel } from './model.ts';
import { columnsToJson, type RowVersion } from './row-version.ts';
import { textArray, unnest, type Text, type Session } from './sql.ts';

/** One change and what became of it. */
export interface Entry {
  readonly incoming: Incoming;
  readonly id: CentralId | null;
  readonly outcome: Outcome;
  /** The row as it stands, where no write of it follows in this transaction. */
  readonly image: ReadonlyMap<string, Text> | null;
  /** The row where it is another store's: the till is told that it has left, and nothing of it. */
  readonly elsewhere: ReadonlyMap<string, Text> | null;
}

/** One row per unit; see the table's comment for the form of `entries`. */
export async function writeOutcomes(
  session: Session,
  entries: ReadonlyMap<IncomingUnit, readonly Entry[]>,
): Promise<void> {
  const units = [...entries];
  if (units.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.outcome (terminal_id, incarnation, unit, entries, hash, up_partition, up_offset)
     SELECT v.c0, v.c1, v.c2::bigint, v.c3, decode(v.c4, 'hex'), v.c5::integer, v.c6::bigint FROM ${unnest(7)}`,
    [
      textArray(units.map(([unit]) => unit.terminal)),
      textArray(units.map(([unit]) => unit.incarnation)),
      textArray(units.map(([{ unit }]) => String(unit.number))),
      textArray(units.map(([unit, list]) => JSON.stringify([...knownJson(unit), ...list.map(entryJson)]))),
      textArray(units.map(([{ unit }]) => unit.hash.toString('hex'))),
      textArray(units.map(([{ source }]) => (source == null ? null : String(source.partition)))),
      textArray(units.map(([{ source }]) => (source == null ? null : String(source.offset)))),
    ],
  );
}

function knownJson({ known = [] }: IncomingUnit): unknown[][] {
  return known.map(({ seq, table, id, outcome, hash }) => [seq, table, id, outcome, hash]);
}

function entryJson({ incoming, id, outcome, image, elsewhere }: Entry): unknown[] {
  const { change, table } = incoming;
  const { hash } = incoming.converted;
  const entry: unknown[] = [change.seq, table?.name ?? change.table, id, outcome, hash];
  if (elsewhere !== null && table !== null) entry.push(whereabouts(table, elsewhere), null);
  else if (image !== null) entry.push(Object.fromEntries(image));
  return entry;
}

/** Capture compares the store with the till's of then: by now it may have been moved to that very store. */
function whereabouts({ key, scope }: TableModel, row: ReadonlyMap<string, Text>): Record<string, Text> {
  const columns = scope.kind === 'global' ? key : [...key, scope.column];
  return Object.fromEntries(columns.map((column) => [column, row.get(column) ?? null]));
}

export interface LinkRow {
  readonly terminal: string;
  readonly table: TableModel;
  readonly identity: string;
  readonly id: CentralId;
}

const REPLACE_LINK = `ON CONFLICT (terminal_id, table_name, identity) DO UPDATE SET central_id = excluded.central_id
  WHERE link.central_id <> excluded.central_id`;

/**
 * @param replace whether the till rows may have a link already; where none has, PostgreSQL need not look for it,
 *   which is a third of the work. Nobody else writes links of these terminals: their progress rows are locked.
 */
export async function writeLinks(
  session: Session,
  links: readonly LinkRow[],
  { replace }: { readonly replace: boolean },
): Promise<void> {
  if (links.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.link (terminal_id, table_name, identity, central_id)
     SELECT v.c0, v.c1, v.c2, v.c3 FROM ${unnest(4)} ${replace ? REPLACE_LINK : ''}`,
    [
      textArray(links.map(({ terminal }) => terminal)),
      textArray(links.map(({ table }) => table.name)),
      textArray(links.map(({ identity }) => identity)),
      textArray(links.map(({ id }) => id)),
    ],
  );
}

/**
 * A row that the till itself deleted is no longer its row: brought back under the same identity later, it is
 * a new one and not a repeat of its first insert.
 */
export async function removeLinks(session: Session, links: readonly Omit<LinkRow, 'id'>[]): Promise<void> {
  if (links.length === 0) return;
  await session.rows(
    `DELETE FROM payflow_sync.link l USING ${unnest(3)}
      WHERE l.terminal_id = v.c0 AND l.table_name = v.c1 AND l.identity = v.c2`,
    [
      textArray(links.map(({ terminal }) => terminal)),
      textArray(links.map(({ table }) => table.name)),
      textArray(links.map(({ identity }) => identity)),
    ],
  );
}

export interface VersionRow extends RowVersion {
  readonly table: TableModel;
  readonly id: CentralId;
  /** Hex. */
  readonly hash: string;
}

export async function writeVersions(session: Session, rows: readonly VersionRow[]): Promise<void> {
  if (rows.length === 0) return;
  // In one order for all appliers.
  const sorted = [...rows].sort((a, b) => compare(a.table.name, b.table.name) || compare(a.id, b.id));
  const columns: ((row: VersionRow) => Text)[] = [
    ({ table }) => table.name,
    ({ id }) => id,
    ({ rest }) => String(Math.round(rest.clockMs)),
    ({ rest }) => rest.writer,
    ({ hash }) => hash,
    ({ rest }) => String(rest.seq),
    ({ rest }) => String(rest.at.epoch),
    ({ rest }) => String(rest.at.lsn),
    (row) => columnsToJson(row.columns),
  ];
  await session.rows(
    `INSERT INTO payflow_sync.row_version
       (table_name, central_id, clock_ms, terminal_id, row_hash, seq, epoch, lsn, columns)
     SELECT v.c0, v.c1, v.c2::bigint, v.c3, decode(v.c4, 'hex'), v.c5::bigint, v.c6::integer, v.c7::numeric, v.c8
       FROM ${unnest(columns.length)}
     ON CONFLICT (table_name, central_id) DO UPDATE
       SET clock_ms = excluded.clock_ms, terminal_id = excluded.terminal_id, row_hash = excluded.row_hash,
           seq = excluded.seq, epoch = excluded.epoch, lsn = excluded.lsn, columns = excluded.columns,
           written_at = excluded.written_at`,
    columns.map((column) => textArray(sorted.map(column))),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Of deleted rows. */
export async function removeVersions(
  session: Session,
  rows: readonly { readonly table: TableModel; readonly id: CentralId }[],
): Promise<void> {
  if (rows.length === 0) return;
  await session.rows(
    `DELETE FROM payflow_sync.row_version r USING ${unnest(2)} WHERE r.table_name = v.c0 AND r.central_id = v.c1`,
    [textArray(rows.map(({ table }) => table.name)), textArray(rows.map(({ id }) => id))],
  );
}

/** A refused part of a unit. */
export interface DeadLetter {
  readonly from: IncomingUnit;
  readonly changes: readonly UnitChange[];
  /** What it is about and refers to. */
  readonly rows: readonly LetterRow[];
  readonly rejection: Rejection;
}

export async function writeDeadLetters(session: Session, letters: readonly DeadLetter[]): Promise<void> {
  if (letters.length === 0) return;
  const columns: ((letter: DeadLetter) => Text)[] = [
    ({ from }) => from.terminal,
    ({ from }) => from.incarnation,
    ({ from }) => String(from.unit.number),
    ({ changes }) => String(changes[0]?.seq ?? 0),
    ({ changes }) => String(changes.at(-1)?.seq ?? 0),
    ({ changes }) => changesToJson(changes),
    ({ rejection }) => rejection.code,
    ({ rejection }) => rejection.constraint,
    ({ rejection }) => rejection.message.replaceAll('\0', ''),
    ({ rejection }) => rejection.table ?? null,
    ({ rejection }) => rejection.kind ?? null,
    ({ from }) => from.storeId,
    ({ from }) => String(from.trusted),
    ({ from }) => String(Math.round(from.receivedAtMs)),
    ({ from }) => (from.mappingVersion === undefined ? null : String(from.mappingVersion)),
  ];
  const written = await session.rows(
    `INSERT INTO payflow_sync.dead_letter
       (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, constraint_name, message,
        table_name, write_kind, store_id, trusted, received_at_ms, mapping_version, indexed)
     SELECT v.c0, v.c1, v.c2::bigint, v.c3::bigint, v.c4::bigint, v.c5, v.c6, v.c7, v.c8, v.c9, v.c10,
            v.c11, v.c12::boolean, v.c13::bigint, v.c14::integer, true FROM ${unnest(columns.length)}
     RETURNING dead_letter_id, terminal_id, incarnation, first_seq`,
    columns.map((column) => textArray(letters.map(column))),
  );
  const ids = new Map(written.map(([id, ...name]) => [name.join('\0'), id ?? '']));
  await indexLetters(
    session,
    letters.map(({ from, changes, rows }) => {
      const name = [from.terminal, from.incarnation, String(changes[0]?.seq ?? 0)];
      return { deadLetterId: ids.get(name.join('\0')) ?? '', terminal: from.terminal, rows };
    }),
  );
}

export interface Conflict {
  readonly incoming: Incoming;
  readonly row: FoldedRow;
  readonly table: TableModel;
  readonly id: CentralId;
  readonly centralRow: ReadonlyMap<string, Text> | null;
  /** What the till wanted, by central column. */
  readonly terminalRow: ReadonlyMap<string, Text>;
  readonly winner: 'central' | 'terminal';
  readonly rule: string;
}

export async function writeConflicts(session: Session, conflicts: readonly Conflict[]): Promise<void> {
  if (conflicts.length === 0) return;
  const json = (row: ReadonlyMap<string, Text> | null) =>
    row === null ? null : JSON.stringify(Object.fromEntries(row));
  const columns: ((conflict: Conflict) => Text)[] = [
    ({ table }) => table.name,
    ({ id }) => id,
    ({ incoming }) => incoming.from.terminal,
    ({ incoming }) => String(incoming.change.seq),
    ({ centralRow }) => json(centralRow),
    ({ terminalRow }) => json(terminalRow),
    ({ winner }) => winner,
    ({ rule }) => rule,
    ({ row }) => json(row.current),
  ];
  await session.rows(
    `INSERT INTO payflow_sync.conflict
       (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule, standing)
     SELECT v.c0, v.c1, v.c2, v.c3::bigint, v.c4, v.c5, v.c6, v.c7, v.c8 FROM ${unnest(columns.length)}`,
    columns.map((column) => textArray(conflicts.map(column))),
  );
}
