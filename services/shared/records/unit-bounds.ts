/**
 * What a unit record may be, beyond being well-formed Avro: checked at the door, so that nothing inside needs to
 * ask again. A till of ours stays far within; what lies outside comes from a defect or from somebody who means harm.
 * Values themselves are not looked at here: what a cashier typed is judged when it is converted.
 */
import { isAnnouncement, type RowRef, type Unit, type UnitChange, type UnitRecord } from './unit-record.ts';

/** Names are ours (UUIDs, hex, terminal ids) but for tables and columns, which SQLite does not bound. */
const LONGEST_NAME = 255;
const LONGEST_IDENTITY = 255;
/** A composite key is a JSON list of its texts. */
const LONGEST_CENTRAL_ID = 2_000;
/** SQLite's own limit of columns. */
export const MOST_COLUMNS = 2_000;
/** A unit has 10,000 changes at most; a record of small units stays far below that too. */
export const MOST_CHANGES = 100_000;
export const MOST_UNITS = 20_000;
/** Of about 192 KB each: a unit of some 2 GB. */
export const MOST_PARTS = 10_000;
/** The calendar of JavaScript, ms. */
const LATEST_MS = 8.64e15;

/** @returns what is wrong, in words; null when nothing is */
export function boundsFault(record: UnitRecord): string | null {
  return headFault(record) ?? (isAnnouncement(record) ? announcementFault(record) : unitsFault(record));
}

/** Nothing but a name and the seqs of what its file has to send. */
function announcementFault({ parts, units }: UnitRecord): string | null {
  const [unit] = units;
  if (unit === undefined || parts > 1 || unit.changes.length > 0) return 'it announces a file and holds more';
  if (unit.firstSeq < 0 || unit.lastSeq < unit.firstSeq) {
    return `it announces changes ${unit.firstSeq} to ${unit.lastSeq}`;
  }
  return null;
}

function headFault({
  incarnation,
  databaseId,
  part,
  parts,
  mappingVersion,
  units,
}: UnitRecord): string | null {
  if (!isName(incarnation) || incarnation === '') return 'its incarnation is no usable name';
  if (!isName(databaseId)) return 'its database id is no usable name';
  if (!(parts >= 1 && parts <= MOST_PARTS && part >= 1 && part <= parts))
    return `it is part ${part} of ${parts}`;
  if (mappingVersion < 0) return `its mapping version is ${mappingVersion}`;
  if (units.length > MOST_UNITS) return `it holds ${units.length} units`;
  if (parts > 1 && units.length !== 1) return `a part of one unit holds ${units.length}`;
  return null;
}

function unitsFault({ units }: UnitRecord): string | null {
  let number = 0;
  let seq = 0;
  let changes = 0;
  for (const unit of units) {
    if (unit.number <= number) return `unit ${unit.number} comes after unit ${number}`;
    if (unit.firstSeq <= seq || unit.lastSeq < unit.firstSeq) {
      return `unit ${unit.number} goes from ${unit.firstSeq} to ${unit.lastSeq}, after ${seq}`;
    }
    changes += unit.changes.length;
    if (changes > MOST_CHANGES) return `it holds more than ${MOST_CHANGES} changes`;
    const fault = changesFault(unit);
    if (fault !== null) return fault;
    number = unit.number;
    seq = unit.lastSeq;
  }
  return null;
}

function changesFault({ firstSeq, lastSeq, changes }: Unit): string | null {
  let seq = firstSeq - 1;
  for (const change of changes) {
    if (change.seq <= seq || change.seq > lastSeq)
      return `change ${change.seq} comes after ${seq}, up to ${lastSeq}`;
    seq = change.seq;
    const fault = changeFault(change);
    if (fault !== null) return `change ${seq}: ${fault}`;
  }
  return null;
}

/** What is wrong with a change, whatever its seq; null: nothing. */
export function changeFault({
  capturedAtMs,
  row,
  columns,
  references,
  others = [],
}: UnitChange): string | null {
  if (Math.abs(capturedAtMs) > LATEST_MS) return 'its time lies outside of any calendar';
  if ([columns, references, others].some(({ length }) => length > MOST_COLUMNS)) {
    return 'it names too many columns';
  }
  if (!isRow(row)) return 'its row has no usable name';
  for (const { target } of references)
    if (target !== null && !isRow(target)) return 'it refers to a row without a usable name';
  return null;
}

function isRow({ identity, centralId }: RowRef): boolean {
  return (
    identity.length <= LONGEST_IDENTITY &&
    !identity.includes('\0') &&
    (centralId === null || (centralId.length <= LONGEST_CENTRAL_ID && !centralId.includes('\0')))
  );
}

/** Also of tables and columns, whose names stand once in a record. */
export function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && !name.includes('\0');
}
