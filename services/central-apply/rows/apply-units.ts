/**
 * Applies units inside an open transaction: resolve → recognise → lock → decide → write. Every step is one
 * pass over all changes; the database is asked a handful of questions, whatever their number. What cannot be
 * resolved is rejected with all that hangs on it; what PostgreSQL refuses is thrown (DB_REFUSED) and has to
 * be narrowed down by the caller.
 */
import type { CentralId, Outcome } from '../../shared/records/change-record.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { refusalReason, type RefusedSeq } from '../exceptions.ts';
import { writeOf } from '../refusal-ladder.ts';
import { shownAfterwards } from './authority.ts';
import {
  centralRow,
  type Incoming,
  type IncomingUnit,
  type Rejection,
  type Rejections,
  type ResolvedChange,
} from './change.ts';
import { connectedParts, type ParentOf } from './connected-parts.ts';
import { incomingChanges } from './convert.ts';
import { noteOvertaken, rowsOfLetter } from './dead-letter-rows.ts';
import {
  removeLinks,
  writeConflicts,
  writeDeadLetters,
  writeLinks,
  writeOutcomes,
  type DeadLetter,
  type Entry,
  type LinkRow,
} from './evidence.ts';
import { foldAll, type FoldedGroup } from './fold.ts';
import { writeFoldedRows, type WriteOrder } from './folded-rows.ts';
import { wantedReferences } from './guard.ts';
import { makeKeys, readLinks } from './identity.ts';
import type { CentralModel, TableModel } from './model.ts';
import { recognise, type Recognised } from './recognise.ts';
import { lockRows, type LockedRows, type RowName, type WantedRows } from './reader.ts';
import { Resolver } from './resolve.ts';
import { allDone, type Session } from './sql.ts';

export interface ApplyOptions {
  readonly order: WriteOrder;
  /** Changes already known to be refused. */
  readonly rejected?: ReadonlyMap<UnitChange, Rejection>;
  /** Only to see whether PostgreSQL takes the rows: nothing is written about them. */
  readonly probe?: boolean;
  /** These are dead letters that are tried again: what is refused now is returned, and no letter written. */
  readonly retry?: boolean;
}

export interface AppliedUnits {
  readonly outcomes: ReadonlyMap<Outcome, number>;
  /** Changes that are not in the central tables, per terminal. */
  readonly rejected: ReadonlyMap<string, readonly RefusedSeq[]>;
  /** Which kinds of write went through, by `writeOf` (refusal-ladder.ts). */
  readonly passed: ReadonlySet<string>;
  readonly foreign: readonly ForeignChange[];
  /** The parts that were refused. */
  readonly letters?: readonly DeadLetter[] | undefined;
}

/** A change that named a row of another store. */
export interface ForeignChange {
  readonly terminal: string;
  /** Local. */
  readonly table: string;
  /** Else it only refers to that row, and was applied. */
  readonly refused: boolean;
}

/** @throws PayflowError DB_REFUSED when PostgreSQL refuses a row */
export async function applyUnits(
  session: Session,
  model: CentralModel,
  units: readonly IncomingUnit[],
  options: ApplyOptions,
): Promise<AppliedUnits> {
  const changes = units.flatMap((from) => incomingChanges(model, from));
  const work = await resolveAndLock(session, model, changes, options.rejected ?? new Map());
  const { folded } = work;
  const entries = entriesOf(units, changes, work);
  const about = options.probe === true ? new Map<IncomingUnit, Entry[]>() : entries;
  // In this order; each statement is made ready while the one before it runs.
  await allDone([
    writeOutcomes(session, about),
    ...writeLinkChanges(session, work),
    writeFoldedRows(session, model, folded, options.order),
  ]);
  const letters = deadLetters(model, units, work.rejections);
  const all = [...entries.values()].flat();
  if (options.probe !== true) {
    if (options.retry !== true) await writeDeadLetters(session, letters);
    await noteOvertaken(session, all, new Set(letters.map(({ from }) => from.terminal)));
    await writeConflicts(session, folded.conflicts);
  }
  return {
    ...summary(all, work.rejections),
    letters,
    passed: writesOf(folded),
    foreign: foreignChanges(work),
  };
}

/** Changes of one unit that stand or fall together. */
export function partsOf(model: CentralModel, changes: readonly Incoming[]): Incoming[][] {
  const byChange = new Map(changes.map((incoming) => [incoming.change, incoming]));
  return connectedParts([...byChange.keys()], parentsIn(model)).map((part) =>
    part.flatMap((change) => byChange.get(change) ?? []),
  );
}

/** Local table and column → the local table it refers to. */
export function parentsIn(model: CentralModel): ParentOf {
  return (table, column) => model.byLocal.get(table)?.byLocal.get(column)?.parent ?? null;
}

interface Work {
  /** As they were before the group. */
  readonly links: ReadonlyMap<string, CentralId>;
  readonly standing: LockedRows['standing'];
  readonly folded: FoldedGroup;
  readonly rejections: Rejections;
  /** Rows that rejected updates and deletes were about. */
  readonly rejectedRows: ReadonlyMap<Incoming, RowName>;
  readonly staleLinks: Recognised['stale'];
}

/**
 * Repeated until nothing more is rejected: a rejection takes its part of the unit with it, and later changes
 * that need a rejected insert find nothing to refer to and follow.
 */
async function resolveAndLock(
  session: Session,
  model: CentralModel,
  changes: readonly Incoming[],
  given: ReadonlyMap<UnitChange, Rejection>,
): Promise<Work> {
  const rejections: Rejections = new Map();
  const links = await readLinks(session, model, changes);
  for (const incoming of changes) {
    const { from, change, tillRow } = incoming;
    // Its link says that an insert was applied.
    const isForgotten = from.forgotten?.has(change) === true && !(isInsert(change) && links.has(tillRow));
    const why = given.get(change) ?? (isForgotten ? EVIDENCE_GONE : undefined);
    if (why !== undefined) rejections.set(incoming, why);
  }
  const keys = await makeKeys(session, changes, links);
  for (;;) {
    const resolver = new Resolver(model, links, keys.fresh());
    const resolved = resolver.resolve(changes, rejections);
    if (spread(model, changes, rejections)) continue;
    const before = rejections.size;
    const { met, stale: staleLinks } = await recognise(session, model, resolved, rejections);
    if (rejections.size > before) {
      spread(model, changes, rejections);
      continue;
    }
    const rejectedRows = rowsOf(rejections, resolver);
    const locked = await lockRows(session, model, rowsToLock(resolved, met, rejectedRows));
    const folded = foldAll(model, resolved, locked, rejections);
    if (rejections.size > before) {
      spread(model, changes, rejections);
      continue;
    }
    return { links, standing: locked.standing, folded, rejections, rejectedRows, staleLinks };
  }
}

/** Rows that may be there: not those that this group inserts under a key of its own. */
function rowsToLock(
  resolved: readonly ResolvedChange[],
  met: ReadonlySet<ResolvedChange>,
  rejectedRows: ReadonlyMap<Incoming, RowName>,
): WantedRows {
  const isMade = (change: ResolvedChange) => change.idFrom === 'allocated' && !met.has(change);
  const made = new Set(resolved.filter(isMade).map(({ table, id }) => centralRow(table, id)));
  const rest = resolved.filter((change) => !isMade(change) && !made.has(centralRow(change.table, change.id)));
  return { rows: [...rest, ...rejectedRows.values()], made, ...wantedReferences(resolved, made) };
}

const EVIDENCE_GONE: Rejection = {
  code: 'EVIDENCE_GONE',
  constraint: null,
  message: 'it is older than the evidence that is kept, and may have been applied then',
};

function isInsert({ op }: UnitChange): boolean {
  return op === 'c' || op === 'r';
}

/** The central rows of refused updates and deletes: the till is told how they stand. */
function rowsOf(rejections: Rejections, resolver: Resolver): Map<Incoming, RowName> {
  const rows = new Map<Incoming, RowName>();
  for (const incoming of rejections.keys()) {
    const { from, change, table } = incoming;
    if (table === null || isInsert(change)) continue;
    const id = resolver.find(from, table, change.row);
    if (id !== null) rows.set(incoming, { table, id });
  }
  return rows;
}

/** Rejects whatever hangs on a rejected change. @returns whether that added any */
function spread(model: CentralModel, changes: readonly Incoming[], rejections: Rejections): boolean {
  const before = rejections.size;
  const touched = new Set([...rejections.keys()].map(({ from }) => from));
  for (const unit of touched) {
    const ofUnit = changes.filter(({ from }) => from === unit);
    for (const part of partsOf(model, ofUnit)) {
      const cause = part.map((incoming) => rejections.get(incoming)).find((each) => each !== undefined);
      if (cause === undefined) continue;
      for (const incoming of part) if (!rejections.has(incoming)) rejections.set(incoming, cause);
    }
  }
  return rejections.size > before;
}

/** What the outcome rows say, per unit and in order of seq. */
function entriesOf(
  units: readonly IncomingUnit[],
  changes: readonly Incoming[],
  { standing, folded: { rows, results, places }, rejectedRows }: Work,
): Map<IncomingUnit, Entry[]> {
  const entries = new Map<IncomingUnit, Entry[]>(units.map((unit) => [unit, []]));
  // Where a write of the row follows, capture attaches the outcome to it; else the till is shown how it stands.
  const shown = ({ from }: Incoming, { table, id }: RowName): Pick<Entry, 'image' | 'elsewhere'> => {
    const name = centralRow(table, id);
    const place = table.scope.kind === 'global' ? null : places.of(table, id, from.storeId);
    const values = rows.get(name)?.current ?? standing.get(name)?.values ?? null;
    const shows = table.direction === 'pull' ? 'nothing' : shownAfterwards(place);
    if (shows === 'gone') return { image: null, elsewhere: values };
    const follows = rows.get(name)?.isWritten === true;
    return { image: shows === 'nothing' || follows ? null : values, elsewhere: null };
  };
  const nothing = { image: null, elsewhere: null };
  for (const incoming of changes) {
    const result = results.get(incoming);
    const list = entries.get(incoming.from);
    if (result === undefined) {
      const row = rejectedRows.get(incoming) ?? null;
      const shows = row === null ? nothing : shown(incoming, row);
      list?.push({ incoming, id: row?.id ?? null, outcome: 'rejected', ...shows });
      continue;
    }
    const { row, outcome } = result;
    const ignored = incoming.change.op === 'd' && row.table.delete === 'ignore';
    const shows = outcome === 'gone' || ignored ? nothing : shown(incoming, row);
    list?.push({ incoming, id: row.id, outcome, ...shows });
  }
  return entries;
}

function writeLinkChanges(
  session: Session,
  { folded: { links }, links: before, staleLinks }: Work,
): Promise<void>[] {
  const removed: Omit<LinkRow, 'id'>[] = [...staleLinks];
  const moved: LinkRow[] = [];
  const added: LinkRow[] = [];
  for (const [row, { id, ...link }] of links) {
    if (id === null) removed.push(link);
    else (before.has(row) ? moved : added).push({ ...link, id });
  }
  return [
    removeLinks(session, removed),
    writeLinks(session, moved, { replace: true }),
    writeLinks(session, added, { replace: false }),
  ];
}

function deadLetters(
  model: CentralModel,
  units: readonly IncomingUnit[],
  rejections: Rejections,
): DeadLetter[] {
  if (rejections.size === 0) return [];
  const rejected = new Map(units.map((unit) => [unit, [] as Incoming[]]));
  for (const incoming of rejections.keys()) rejected.get(incoming.from)?.push(incoming);
  return [...rejected].flatMap(([from, ofUnit]) => {
    ofUnit.sort((a, b) => a.change.seq - b.change.seq);
    return partsOf(model, ofUnit).flatMap((part): DeadLetter[] => {
      const why = part[0] === undefined ? undefined : rejections.get(part[0]);
      if (why === undefined) return [];
      const changes = part.map(({ change }) => change);
      return [{ from, changes, rows: rowsOfLetter(changes, parentsIn(model)), rejection: why }];
    });
  });
}

function writesOf({ rows }: FoldedGroup): Set<string> {
  const kinds = ['insert', 'update', 'delete', 'read'] as const;
  const byTable = new Map<TableModel, number>();
  for (const { table, writes, standing } of rows.values()) {
    const bits =
      (writes?.insert != null ? 1 : 0) |
      (writes?.update != null ? 2 : 0) |
      (writes?.delete === true ? 4 : 0) |
      (standing === null ? 0 : 8);
    byTable.set(table, (byTable.get(table) ?? 0) | bits);
  }
  const passed = new Set<string>();
  for (const [{ name: table }, bits] of byTable) {
    for (const [place, kind] of kinds.entries())
      if ((bits & (1 << place)) !== 0) passed.add(writeOf({ table, kind }));
  }
  return passed;
}

/** A refusal that took others along counts once. */
function foreignChanges({ rejections, folded }: Work): ForeignChange[] {
  const causes = new Map([...rejections].reverse().map(([incoming, why]) => [why, incoming]));
  const named = ({ from, change }: Incoming, refused: boolean): ForeignChange => ({
    terminal: from.terminal,
    table: change.table,
    refused,
  });
  return [
    ...[...causes].flatMap(([why, incoming]) => (why.isForeign === true ? [named(incoming, true)] : [])),
    ...folded.foreignReferences.map(({ incoming }) => named(incoming, false)),
  ];
}

function summary(
  entries: readonly Entry[],
  rejections: Rejections,
): Pick<AppliedUnits, 'outcomes' | 'rejected'> {
  const outcomes = new Map<Outcome, number>();
  const rejected = new Map<string, RefusedSeq[]>();
  for (const { incoming, outcome } of entries) {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (outcome !== 'rejected') continue;
    const refused = rejected.get(incoming.from.terminal) ?? [];
    const why = rejections.get(incoming);
    const reason = why === undefined ? null : refusalReason(why.code, why.constraint);
    refused.push({ seq: incoming.change.seq, reason });
    rejected.set(incoming.from.terminal, refused);
  }
  return { outcomes, rejected };
}
