/**
 * Records of a down stream. What they need is here before the SQLite transaction begins (a schema may have to be
 * waited for), but a row is decoded only when it is applied: thousands of decoded rows that wait for their turn
 * are what the garbage collector would be busy with, and what the agent's memory would be full of.
 */
import type { Logger } from 'pino';
import { CONTROL_KEY_PREFIX, STREAM_ID_KEY, type StoredRecord } from '../../shared/log/event-log.ts';
import { MAPPING_TABLE, parseRowKey, type ChangeRecord } from '../../shared/records/change-record.ts';
import { asPayflowError, type PayflowError } from '../../shared/errors.ts';
import {
  changeIn,
  decodeControl,
  frameOf,
  type ChangeFrame,
  type SchemaSource,
} from '../../shared/records/envelope.ts';
import type { StreamState } from './checkpoints.ts';
import type { ImageReader, RowChange } from '../rows/image.ts';
import {
  comparePositions,
  decodePositionHeader,
  POSITION_BYTES,
  POSITION_HEADER,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';

export interface Incoming {
  readonly record: StoredRecord;
  /** null: the stream's own id record, or a record without a place. */
  readonly position: Position | null;
  readonly last: boolean;
  readonly content:
    | { readonly kind: 'row'; readonly frame: ChangeFrame }
    | { readonly kind: 'stream-id'; readonly streamId: string }
    /** The stream holds every row of this central table. */
    | { readonly kind: 'seeded'; readonly table: string; readonly epoch: number }
    /** From here on its rows are written again. */
    | { readonly kind: 'seeding'; readonly table: string }
    | { readonly kind: 'control' }
    | Unreadable;
}

export interface Unreadable {
  readonly kind: 'unreadable';
  readonly table: string;
  readonly id: string;
  readonly error: PayflowError;
}

/**
 * @throws PayflowError SCHEMA_UNKNOWN while the schemas topic lacks a schema; a record that can never be read
 * comes back as `unreadable`
 */
export async function decodeIncoming(
  records: readonly StoredRecord[],
  schemas: SchemaSource,
  log: Logger,
): Promise<Incoming[]> {
  const incoming: Incoming[] = [];
  for (const record of records) {
    if (isControlKey(record)) incoming.push({ record, ...placeOf(record), content: control(record) });
    else {
      const item = row(record, schemas, log);
      incoming.push(item instanceof Promise ? await item : item);
    }
  }
  return incoming;
}

function placeOf(record: StoredRecord): { position: Position | null; last: boolean } {
  const header = record.headers[POSITION_HEADER];
  if (header === undefined) return { position: null, last: true };
  const { position, lastOfTransaction } = decodePositionHeader(header);
  return { position, last: lastOfTransaction };
}

function isControlKey(record: StoredRecord): boolean {
  return record.key === null || record.key[0] === CONTROL_KEY_PREFIX.charCodeAt(0);
}

function control(record: StoredRecord): Incoming['content'] {
  if (record.value === null) return { kind: 'control' };
  if (record.key?.toString('utf8') === STREAM_ID_KEY) {
    return { kind: 'stream-id', streamId: record.value.toString('utf8') };
  }
  const decoded = decodeControl(record);
  if (decoded === undefined) return { kind: 'control' };
  const { control: content, position } = decoded;
  switch (content.kind) {
    case 'heartbeat':
      return { kind: 'stream-id', streamId: content.streamId };
    case 'seed-complete':
      return { kind: 'seeded', table: content.table, epoch: position.epoch };
    case 'seed-begin':
      return { kind: 'seeding', table: content.table };
    case 'takeover':
      return { kind: 'control' };
  }
}

function row(record: StoredRecord, schemas: SchemaSource, log: Logger): Incoming | Promise<Incoming> {
  try {
    const frame = frameOf(record, schemas);
    if (!(frame instanceof Promise)) return rowItem(record, frame, log);
    return frame
      .then((known) => rowItem(record, known, log))
      .catch((error: unknown) => broken(record, error, log));
  } catch (error) {
    return broken(record, error, log);
  }
}

function rowItem(record: StoredRecord, frame: ChangeFrame, log: Logger): Incoming {
  const place = { position: frame.position, last: frame.lastOfTransaction };
  // Read before anything else of its batch is: whether it can be is wanted now.
  const content = frame.table === MAPPING_TABLE ? readChange(record, frame, log) : frame;
  if ('kind' in content && content.kind === 'unreadable') return { record, ...place, content };
  return { record, position: place.position, last: place.last, content: { kind: 'row', frame } };
}

function broken(record: StoredRecord, thrown: unknown, log: Logger): Incoming {
  return { record, ...placeOf(record), content: unreadable(record, thrown, log) };
}

/** The whole change of a record, for tables of our own, or that it can never be read. */
export function readChange(record: StoredRecord, frame: ChangeFrame, log: Logger): ChangeRecord | Unreadable {
  try {
    return changeIn(record, frame);
  } catch (error) {
    return unreadable(record, error, log);
  }
}

/** What a record of a mapped table brings to its row here, or that it can never be read. */
export function readRow(
  record: StoredRecord,
  frame: ChangeFrame,
  images: ImageReader,
  log: Logger,
): RowChange | Unreadable {
  try {
    return images.read(record.value, frame.schema);
  } catch (error) {
    return unreadable(record, error, log);
  }
}

/** Listed and left behind: one broken record must not stop all others. */
function unreadable(record: StoredRecord, thrown: unknown, log: Logger): Unreadable {
  const error = asPayflowError(thrown);
  if (error.code !== 'RECORD_MALFORMED') throw error;
  log.error({ code: error.code, offset: record.offset, err: error }, error.message);
  const { table, id } = parseRowKey(record.key?.toString('utf8') ?? '');
  return { kind: 'unreadable', table, id, error };
}

export interface TransactionBounds {
  /** Records that are enough, at the end of a transaction. */
  readonly wanted: number;
  /** And no more than those, unless the first transaction has more. */
  readonly isMost?: boolean | undefined;
  /** Beyond either a transaction is cut. */
  readonly rows: number;
  readonly bytes: number;
}

/** What a record costs beside its key and its value: objects, headers. */
const RECORD_OVERHEAD_BYTES = 500;

export function bytesOf({ key, value }: StoredRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}

/**
 * How many records from the front make one SQLite transaction: whole central transactions, until there are
 * `wanted` records, or a part of one that is larger than the bounds. A transaction ends where its last record is
 * flagged, or where another one begins (beyond the horizon compaction may have removed the flagged one). A
 * mapping record stands alone, so that what follows it is read under the new mapping.
 * @returns 0 while the only transaction is not here whole
 */
export function takeTransactions(pending: readonly Incoming[], bounds: TransactionBounds): number {
  let whole = 0;
  let torn = false;
  let bytes = 0;
  for (let i = 0; i < pending.length; i += 1) {
    if (i >= bounds.rows || bytes >= bounds.bytes) return whole === 0 ? i : whole;
    const item = pending[i] as Incoming;
    if (isMapping(item)) return i === 0 ? 1 : i;
    bytes += bytesOf(item.record);
    torn = isPlaceless(item) ? torn : !endsTransaction(item, nextPlaced(pending, i));
    if (torn) continue;
    if (bounds.isMost === true && whole > 0 && i >= bounds.wanted) return whole;
    whole = i + 1;
    if (whole >= bounds.wanted) return whole;
  }
  const full = pending.length >= bounds.rows || bytes >= bounds.bytes;
  return whole === 0 && full ? pending.length : whole;
}

/** @param rest what follows the item, as far as it is known */
export function isEndOfTransaction(item: Incoming, rest: readonly Incoming[]): boolean {
  return endsTransaction(item, nextPlaced(rest, -1));
}

function endsTransaction(item: Incoming, next: Incoming | undefined): boolean {
  return item.last || (next !== undefined && !sameTransaction(item, next));
}

/**
 * A record of no transaction: the stream's id, or capture's note that it took the stream over, which after a
 * crash stands in the midst of the transaction that it goes on with.
 */
export function isPlaceless({ position }: Incoming): boolean {
  return position === null || position.lsn === ZERO_POSITION.lsn;
}

function nextPlaced(pending: readonly Incoming[], at: number): Incoming | undefined {
  for (let i = at + 1; i < pending.length; i += 1) {
    const item = pending[i] as Incoming;
    if (!isPlaceless(item)) return item;
  }
  return undefined;
}

/** Central tables of which there are at least so many rows. */
export function tablesOfMany(items: readonly Incoming[], rows: number): string[] {
  if (items.length < rows) return [];
  const counts = new Map<string, number>();
  for (const { content } of items) {
    if (content.kind !== 'row') continue;
    const { table } = content.frame;
    counts.set(table, (counts.get(table) ?? 0) + 1);
  }
  return [...counts].flatMap(([table, count]) => (count >= rows ? [table] : []));
}

export function isMapping(item: Incoming): boolean {
  return item.content.kind === 'row' && item.content.frame.table === MAPPING_TABLE;
}

export interface MappingRecord {
  readonly version: number;
  readonly source: string;
  /** undefined: a centre of an older version. */
  readonly horizonDays: number | undefined;
}

/** @returns null where the record holds none that can be read */
export function mappingIn(item: Incoming, log: Logger): MappingRecord | null {
  if (item.content.kind !== 'row') return null;
  const change = readChange(item.record, item.content.frame, log);
  if ('kind' in change) return null;
  const source = change.after?.['source'];
  if (typeof source !== 'string') return null;
  const days = change.after?.['horizon_days'];
  return {
    version: Number(change.after?.['version'] ?? 0),
    source,
    horizonDays: typeof days === 'number' ? days : undefined,
  };
}

function sameTransaction(a: Incoming, b: Incoming): boolean {
  return (
    a.position !== null &&
    b.position !== null &&
    a.position.epoch === b.position.epoch &&
    a.position.lsn === b.position.lsn
  );
}

/** The stream's state after these records. */
export function streamStateAfter(state: StreamState, items: readonly Incoming[]): StreamState {
  let position: Position = state.position;
  let newestRecordMs = state.newestRecordMs;
  let streamId = state.streamId;
  let nextOffset = state.nextOffset;
  for (const { position: at, record, content } of items) {
    if (at !== null && comparePositions(at, position) > 0) position = at;
    newestRecordMs = Math.max(newestRecordMs, record.timestampMs);
    nextOffset = record.offset + 1;
    if (content.kind === 'stream-id') streamId = content.streamId;
  }
  return { topic: state.topic, streamId, nextOffset, position, newestRecordMs };
}

/** As it stands in the record's header: nothing has to be encoded again. */
export function positionBytes(record: StoredRecord): Buffer {
  const header = record.headers[POSITION_HEADER];
  return header === undefined ? Buffer.alloc(POSITION_BYTES) : header.subarray(0, POSITION_BYTES);
}
