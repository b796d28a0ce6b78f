/**
 * Who put there what stands in a row, and when: of the row as a whole, and of each column that a till wrote since. Pure.
 *
 *   the row hashes  | a column has    | its clock and writer
 *   as we left it   | an entry        |
 *   ----------------+-----------------+------------------------------------------------------------------
 *   yes             | yes             | the entry's
 *   yes             | no              | those of the rest: of the till that inserted the row, or head office's
 *   no              | either          | head office's: the row's own timestamp, not before what a till wrote last
 *
 * Amounts and the timestamp itself take no part: stock moves all day, and says nothing of who named the row.
 */
import type { Position } from '../../shared/records/position.ts';
import { CENTRE } from './standing.ts';

/** A place in the WAL, before the commit of whoever wrote it and behind all that it could see. */
export type WrittenAt = Pick<Position, 'epoch'> & { readonly lsn: bigint };

/** Of what was written before anybody took down where: behind no image. */
export const LONG_AGO: WrittenAt = { epoch: 0, lsn: 0n };

export interface ValueVersion {
  readonly clockMs: number;
  /** Terminal, or CENTRE. */
  readonly writer: string;
  /** Number of the till's change; 0: head office's, or of an earlier version. */
  readonly seq: number;
  readonly at: WrittenAt;
}

export interface RowVersion {
  readonly rest: ValueVersion;
  readonly columns: ReadonlyMap<string, ValueVersion>;
}

export const NO_VERSION: RowVersion = {
  rest: { clockMs: 0, writer: CENTRE, seq: 0, at: LONG_AGO },
  columns: new Map(),
};

export function versionOf({ rest, columns }: RowVersion, column: string): ValueVersion {
  return columns.get(column) ?? rest;
}

/** What was written to the row last. */
export function latestOf({ rest, columns }: RowVersion): ValueVersion {
  let latest = rest;
  for (const version of columns.values()) if (isLater(version, latest)) latest = version;
  return latest;
}

/** Ties: head office, then the higher terminal id. */
export function isLater(
  one: Pick<ValueVersion, 'clockMs' | 'writer'>,
  other: Pick<ValueVersion, 'clockMs' | 'writer'>,
): boolean {
  if (one.clockMs !== other.clockMs) return one.clockMs > other.clockMs;
  if (one.writer === other.writer || other.writer === CENTRE) return false;
  return one.writer === CENTRE || one.writer > other.writer;
}

/** Whether a value was written after an image was taken that shows, or does not show, it. */
export function isBehind({ at }: ValueVersion, image: WrittenAt): boolean {
  return at.epoch === image.epoch ? at.lsn > image.lsn : at.epoch > image.epoch;
}

/**
 * The row as head office has left it.
 * @param stored as the last till left it; null: no till has written the row
 * @param timestampMs what the row itself says, ms since 1970; null: it says nothing
 * @param nowMs of the centre: no timestamp is believed beyond it
 */
export function headOfficeVersion(
  stored: RowVersion | null,
  timestampMs: number | null,
  nowMs: number,
): RowVersion {
  const believed = Math.min(timestampMs ?? 0, nowMs);
  const clockMs = Math.max(believed, stored === null ? 0 : latestOf(stored).clockMs);
  return { rest: { clockMs, writer: CENTRE, seq: 0, at: LONG_AGO }, columns: new Map() };
}

/** Columns that one change wrote share its version. */
type Stored = [
  clockMs: number,
  writer: string,
  seq: number,
  epoch: number,
  lsn: string,
  ...columns: string[],
];

/** As `row_version.columns` keeps them; null: there are none. */
export function columnsToJson(columns: RowVersion['columns']): string | null {
  if (columns.size === 0) return null;
  const groups: { readonly version: ValueVersion; readonly stored: Stored }[] = [];
  for (const [name, version] of columns) {
    const known = groups.find((group) => isSameVersion(group.version, version));
    if (known !== undefined) {
      known.stored.push(name);
      continue;
    }
    const { clockMs, writer, seq, at } = version;
    groups.push({ version, stored: [clockMs, writer, seq, at.epoch, String(at.lsn), name] });
  }
  return JSON.stringify(groups.map(({ stored }) => stored));
}

export function columnsFromJson(text: string | null): RowVersion['columns'] {
  if (text === null) return NO_VERSION.columns;
  const columns = new Map<string, ValueVersion>();
  for (const [clockMs, writer, seq, epoch, lsn, ...names] of JSON.parse(text) as Stored[]) {
    const version = { clockMs, writer, seq, at: { epoch, lsn: BigInt(lsn) } };
    for (const name of names) columns.set(name, version);
  }
  return columns;
}

function isSameVersion(a: ValueVersion, b: ValueVersion): boolean {
  return (
    a === b ||
    (a.seq === b.seq &&
      a.clockMs === b.clockMs &&
      a.writer === b.writer &&
      a.at.epoch === b.at.epoch &&
      a.at.lsn === b.at.lsn)
  );
}
