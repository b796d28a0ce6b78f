/**
 * What the till knows about the fate of its own changes, decided without I/O (DESIGN §5). Settlement is state:
 * the newest progress record says it, whatever events were compacted away; origins on row records only say it
 * sooner.
 */
import type { ChangeRecord, Origin, Outcome } from '../shared/records/change-record.ts';
import { PayflowError } from '../shared/errors.ts';
import { answersUnit } from '../shared/records/origin-units.ts';
import {
  comparePositions,
  decodePosition,
  encodePosition,
  ZERO_POSITION,
  type Position,
} from '../shared/records/position.ts';
import type { Standing } from './standing.ts';

export interface Me {
  readonly terminal: string;
  readonly incarnation: string;
}

export type ExceptionKind = 'held' | 'rejected' | 'discarded';
export interface SeqRange {
  readonly first: number;
  readonly last: number;
  readonly kind: ExceptionKind;
  /** Why an operator gave it up. */
  readonly reason?: string | undefined;
}

/** A progress record of this till. */
export interface Progress {
  readonly incarnation: string;
  readonly lastSeq: number;
  readonly lastUnit: number;
  /** Ascending, disjoint. */
  readonly exceptions: readonly SeqRange[];
  /** What the till must have read of the catalog stream before it may settle by this record. */
  readonly catalog: Position;
  /** Of the last unit, hex; null: not said by the version that stored it. */
  readonly chainHash: string | null;
  /** Of the till, whichever of its files goes on. */
  readonly standing: Standing;
  /** Of the record in its stream: of two, the later one counts. */
  readonly at: Position;
}

/**
 * @param header the record's header `c`; without one nothing has to be waited for
 * @returns null when the record is another till's, or a delete
 * @throws PayflowError RECORD_MALFORMED
 */
export function readProgress(
  record: ChangeRecord,
  header: Buffer | undefined,
  terminal: string,
): Progress | null {
  const row = record.after;
  if (row?.['terminal_id'] !== terminal) return null;
  const catalog = header === undefined ? decodePosition(Buffer.alloc(16)) : decodePosition(header);
  return {
    incarnation: String(row['incarnation']),
    lastSeq: Number(row['last_seq']),
    lastUnit: Number(row['last_unit']),
    exceptions: readExceptions(String(row['exceptions'] ?? '[]')),
    catalog,
    chainHash: Buffer.isBuffer(row['chain_hash']) ? row['chain_hash'].toString('hex') : null,
    standing: readStanding(row['standing'], row['standing_why']),
    at: record.position,
  };
}

/** A centre of the version before says nothing of it. */
function readStanding(kind: unknown, why: unknown): Standing {
  if (kind !== 'fenced' && kind !== 'retired') return { kind: 'ok' };
  return { kind, why: typeof why === 'string' ? why : `the centre says that this till is ${kind}` };
}

function readExceptions(text: string): SeqRange[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) throw malformed(text);
  return parsed.map((entry: unknown) => {
    const [first, last, kind, reason] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof first !== 'number' || typeof last !== 'number' || !isExceptionKind(kind))
      throw malformed(text);
    return typeof reason === 'string' ? { first, last, kind, reason } : { first, last, kind };
  });
}

function malformed(text: string): PayflowError {
  return new PayflowError('RECORD_MALFORMED', `exceptions of a progress record: ${text.slice(0, 200)}`);
}

function isExceptionKind(kind: unknown): kind is ExceptionKind {
  return kind === 'held' || kind === 'rejected' || kind === 'discarded';
}

/** For sync_meta. */
export function progressToText(progress: Progress): string {
  const hex = (position: Position) => encodePosition(position).toString('hex');
  return JSON.stringify({ ...progress, catalog: hex(progress.catalog), at: hex(progress.at) });
}

export function progressFromText(text: string): Progress {
  const stored = JSON.parse(text) as Omit<Progress, 'catalog' | 'at' | 'standing' | 'chainHash'> & {
    catalog: string;
    // Not there in what the version before stored.
    at?: string;
    standing?: Standing;
    chainHash?: string | null;
  };
  const { at, standing = { kind: 'ok' }, chainHash = null } = stored;
  return {
    ...stored,
    chainHash,
    catalog: decodePosition(Buffer.from(stored.catalog, 'hex')),
    standing,
    at: at === undefined ? ZERO_POSITION : decodePosition(Buffer.from(at, 'hex')),
  };
}

/**
 * The newer of two progress records: the later in the stream, which may be read again from its beginning. Of one
 * incarnation the numbers never go back.
 */
export function newerProgress(stored: Progress | null, arrived: Progress): Progress {
  if (stored === null) return arrived;
  if (comparePositions(arrived.at, stored.at) < 0) return stored;
  if (stored.incarnation !== arrived.incarnation) return arrived;
  return comparePositions(arrived.catalog, stored.catalog) < 0 || arrived.lastSeq < stored.lastSeq
    ? stored
    : arrived;
}

/** What a progress record says of one change: its outcome, or that it is still open (or was not reached). */
export type Fate = Outcome | 'held' | 'open';

export function fateByProgress(progress: Progress, seq: number): Fate {
  if (seq > progress.lastSeq) return 'open';
  const kind = exceptionOf(progress.exceptions, seq);
  return kind ?? 'applied';
}

export function exceptionOf(exceptions: readonly SeqRange[], seq: number): ExceptionKind | undefined {
  return rangeOf(exceptions, seq)?.kind;
}

/** Binary search: a till that was away for weeks may come back with thousands of ranges. */
export function rangeOf(exceptions: readonly SeqRange[], seq: number): SeqRange | undefined {
  let low = 0;
  let high = exceptions.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = exceptions[middle] as SeqRange;
    if (seq < range.first) high = middle - 1;
    else if (seq > range.last) low = middle + 1;
    else return range;
  }
  return undefined;
}

/** The units that this file has cut. */
export interface OwnUnits {
  readonly lastNumber: number;
  /** Hex; undefined where it is no longer kept. */
  hashOf(number: number): string | undefined;
  /** Of the unit that holds a change; undefined: no unit does, or it is no longer kept. */
  hashHolding(seq: number): Buffer | undefined;
}

/**
 * Two copies of a till's file bear one name until they know of each other, and the centre takes units of either: what
 * it counts is this file's only where its last unit is this file's.
 * @returns what is wrong; null: nothing, or it says nothing of this file
 */
export function progressDoubt(
  progress: Progress,
  me: Pick<Me, 'incarnation'>,
  own: Pick<OwnUnits, 'lastNumber' | 'hashOf'>,
): string | null {
  const { incarnation, lastUnit, chainHash } = progress;
  if (incarnation !== me.incarnation || chainHash === null || lastUnit === 0) return null;
  if (lastUnit > own.lastNumber)
    return 'the centre counts units that this file never made: it is an older copy';
  const hash = own.hashOf(lastUnit);
  if (hash === undefined || hash === chainHash) return null;
  return `the centre has another unit ${lastUnit} of this till: it came from a copy of its file`;
}

/** How far a down stream was read. */
export interface StreamReach {
  readonly position: Position;
  /** False until the reader has come to where the stream ended when it started reading. */
  readonly caughtUp: boolean;
}

export type ProgressVerdict =
  | 'settle'
  /** Another incarnation's: nothing of it concerns this file. */
  | 'foreign'
  /** It counts changes that this file never made: the file is an older copy. */
  | 'ahead'
  | 'wait';

/**
 * Whether entries may be settled by a progress record. Both streams must have been read up to where the
 * record stood, so that every link and image of these entries is here; while a stream is being read from the
 * beginning its order says nothing, so its end is waited for.
 */
export function judgeProgress(
  progress: Progress,
  me: Me,
  highestSeq: number,
  streams: { readonly catalog: StreamReach; readonly store: StreamReach },
): ProgressVerdict {
  if (progress.incarnation !== me.incarnation) return 'foreign';
  if (progress.lastSeq > highestSeq) return 'ahead';
  return isReadTo(progress, streams) ? 'settle' : 'wait';
}

/** Whether both streams have been read to where a progress record stood in them. */
export function isReadTo(
  progress: Pick<Progress, 'catalog'> | null,
  { catalog, store }: { readonly catalog: StreamReach; readonly store: StreamReach },
): boolean {
  if (!catalog.caughtUp || !store.caughtUp) return false;
  return progress === null || comparePositions(catalog.position, progress.catalog) >= 0;
}

/**
 * The origins of a record that answer this file's changes. The name and the number are not enough: a copy of this file
 * bears the name and counts alike. What is not believed is settled by the progress, and linked by its link.
 * @param units the record's header of that name; without one its centre is of an earlier version
 */
export function ownOrigins(
  { origins, units }: Pick<ChangeRecord, 'origins'> & { readonly units: Buffer | undefined },
  me: Me,
  own: Pick<OwnUnits, 'hashHolding'>,
): readonly Origin[] {
  if (origins.length === 0) return NO_ORIGINS;
  return origins.filter(({ terminal, incarnation, seq }, index) => {
    if (terminal !== me.terminal || incarnation !== me.incarnation) return false;
    const hash = own.hashHolding(seq);
    return hash !== undefined && answersUnit(units, index, hash);
  });
}
const NO_ORIGINS: readonly Origin[] = [];

/**
 * Whether a row that is new to the till may be one of its own that has no link yet. Links travel in the store
 * stream, before the rows of their transaction: a row of that stream has nothing to wait for, one of the
 * catalog waits until the store stream has come as far.
 */
export function mayBeOwnRow(
  row: { readonly position: Position; readonly fromCatalog: boolean; readonly ownOrigin: boolean },
  unlinkedInserts: boolean,
  store: StreamReach,
): boolean {
  if (!row.fromCatalog || row.ownOrigin || !unlinkedInserts) return false;
  return !store.caughtUp || comparePositions(store.position, row.position) < 0;
}

export interface FlushCounts {
  published: number;
  applied: number;
  merged: number;
  lost: number;
  rejected: number;
  held: number;
  duplicate: number;
  gone: number;
  discarded: number;
}

export interface FlushEntry {
  readonly table: string;
  readonly seq: number;
  /** null while unsettled. */
  readonly outcome: Outcome | null;
}

export interface FlushReport extends FlushCounts {
  readonly tables: Readonly<Record<string, FlushCounts>>;
}

export function noCounts(): FlushCounts {
  return {
    published: 0,
    applied: 0,
    merged: 0,
    lost: 0,
    rejected: 0,
    held: 0,
    duplicate: 0,
    gone: 0,
    discarded: 0,
  };
}

/** Counts changes, not rows. An unsettled entry counts as held when the progress says so, else as published only. */
export function tallyFlush(entries: Iterable<FlushEntry>, progress: Progress | null): FlushReport {
  const total = noCounts();
  const tables: Record<string, FlushCounts> = {};
  for (const entry of entries) {
    const counts = (tables[entry.table] ??= noCounts());
    for (const each of [total, counts]) {
      each.published += 1;
      if (entry.outcome !== null) each[entry.outcome] += 1;
      else if (isHeld(progress, entry.seq)) each.held += 1;
    }
  }
  return { ...total, tables };
}

/** Whether an unsettled entry is in the exceptions, so that a flush does not wait for it. */
export function isHeld(progress: Progress | null, seq: number): boolean {
  return progress !== null && exceptionOf(progress.exceptions, seq) === 'held';
}
