/**
 * Rows in each other's way: values of a UNIQUE column that were swapped at the centre and arrive one by one.
 * Each alone is refused; once the images of all of them are here they are written together, by taking the
 * rows out and putting them back whole. Inside one transaction, so nobody ever sees a row missing.
 */
import { inSavepoint, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { AppTriggers } from './app-triggers.ts';
import type { ParkedRow } from './parked.ts';
import { isRefusal } from './refusal.ts';
import type { Flight } from '../settle/flight.ts';
import { fromParked } from './arrival.ts';
import { encodeImage, type Image } from './image.ts';
import { sameValue } from './row-key.ts';
import type { TillTable, TillTables } from './till-tables.ts';

interface Member {
  readonly parked: ParkedRow;
  readonly image: Image;
  readonly values: readonly SqliteValue[];
  readonly rowKey: SqliteValue;
}

/** More rows than this in one knot are left to a person. */
const MAX_GROUP = 200;

export interface UnblockScope {
  readonly db: SqliteDatabase;
  readonly tables: TillTables;
  readonly table: TillTable;
  readonly triggers: AppTriggers;
  readonly flight: Flight;
}

/**
 * Tries to write a refused row together with the rows in its way.
 * @param refused all refused rows of the table, by central id
 * @returns the central ids that were written; empty when it cannot be done (yet)
 */
export function unblock(
  { db, tables, table, triggers, flight }: UnblockScope,
  start: ParkedRow,
  refused: ReadonlyMap<string, ParkedRow>,
): string[] {
  const group = gather({ tables, table, flight }, start, refused);
  if (group === null || group.length < 2) return [];
  // Before the savepoint: rolling back to it would bring the app's triggers back.
  for (const kind of ['insert', 'update', 'delete'] as const) triggers.suspend(table.name, kind);
  try {
    inSavepoint(db, () => writeAnew(table, group));
    for (const { parked } of group)
      for (const change of flight.ofRow(table.name, parked.centralId))
        flight.settle(change, change.answer ?? 'applied');
    return group.map((member) => member.parked.centralId);
  } catch (error) {
    if (isRefusal(error) || error instanceof Vanished) return [];
    throw error;
  }
}

function writeAnew({ writer, rows: links }: TillTable, group: readonly Member[]): void {
  const rows = group.map((member) => ({ member, row: writer.read(member.rowKey) }));
  for (const { member } of rows) writer.delete(member.rowKey);
  for (const { member, row } of rows) {
    if (row === undefined) throw new Vanished();
    writer.show(row, { ...member.image, values: member.values });
    const rowKey = writer.putBack(row);
    writer.setStatus(rowKey, 'synced');
    const { position, centralId } = member.parked;
    const identity = links.get(centralId)?.identity ?? null;
    const base = encodeImage(member.image);
    links.put(centralId, { rowKey, position, deleted: false, base, identity, refused: false });
  }
}

type GroupScope = Pick<UnblockScope, 'tables' | 'table' | 'flight'>;

class Vanished extends Error {}

/** The row, the rows in its way, the rows in theirs … null where one of them has no image waiting. */
function gather(
  scope: GroupScope,
  start: ParkedRow,
  refused: ReadonlyMap<string, ParkedRow>,
): Member[] | null {
  const group = new Map<string, Member>();
  const queue = [start];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (group.has(next.centralId)) continue;
    const member = toMember(scope, next);
    if (member === null || group.size >= MAX_GROUP) return null;
    group.set(next.centralId, member);
    for (const blocker of blockers(scope.table, member)) {
      const parked = blocker === undefined ? undefined : refused.get(blocker);
      if (parked === undefined) return null;
      queue.push(parked);
    }
  }
  return [...group.values()];
}

function toMember({ tables, table, flight }: GroupScope, parked: ParkedRow): Member | null {
  const { image } = fromParked(table.bound, parked.image);
  const row = table.rows.get(parked.centralId);
  if (
    image === null ||
    image.unfit !== undefined ||
    row === undefined ||
    row.rowKey === null ||
    flight.ofRow(table.name, parked.centralId).some(({ answer }) => answer === null)
  )
    return null;
  const { values, missing } = tables.resolve(image);
  if (missing.length > 0) return null;
  return { parked, image, values, rowKey: row.rowKey };
}

/** Central ids of the local rows that hold a unique value this row wants; undefined for one without link. */
function blockers(table: TillTable, member: Member): (string | undefined)[] {
  const { local } = table.bound;
  return [local.key, ...local.uniques].flatMap((columns) => {
    const values = columns.map((name) => {
      const at = member.image.set.columns.findIndex((column) => column.local === name);
      return member.values[at] ?? null;
    });
    if (values.some((value) => sameValue(value, null))) return [];
    const other = table.writer.findOther(columns, values, member.rowKey);
    return other === null ? [] : [table.rows.centralIdOf(other)];
  });
}
