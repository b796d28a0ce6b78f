/** Records of a down stream, decoded before the SQLite transaction begins: decoding may have to wait for a schema. */
import type { Logger } from 'pino';
import { CONTROL_KEY_PREFIX, STREAM_ID_KEY, type StoredRecord } from '../shared/log/event-log.ts';
import { MAPPING_TABLE, parseRowKey, type ChangeRecord } from '../shared/change-record.ts';
import { asPayflowError, type PayflowError } from '../shared/errors.ts';
import { decodeChange, decodeControl, type SchemaSource } from '../shared/envelope.ts';
import { decodePositionHeader, POSITION_HEADER, type Position } from '../shared/position.ts';

export interface Incoming {
  readonly record: StoredRecord;
  /** null: the stream's own id record, or a record without a place. */
  readonly position: Position | null;
  readonly last: boolean;
  readonly content:
    | { readonly kind: 'row'; readonly change: ChangeRecord }
    | { readonly kind: 'stream-id'; readonly streamId: string }
    | { readonly kind: 'control' }
    | {
        readonly kind: 'unreadable';
        readonly table: string;
        readonly id: string;
        readonly error: PayflowError;
      };
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
    const header = record.headers[POSITION_HEADER];
    const place = header === undefined ? { position: null, last: true } : placeOf(header);
    const content = isControlKey(record) ? control(record) : row(record, schemas);
    incoming.push({ record, ...place, content: content instanceof Promise ? await content : content });
    const { content: read } = incoming[incoming.length - 1] as Incoming;
    if (read.kind === 'unreadable') {
      log.error({ code: read.error.code, offset: record.offset, err: read.error }, read.error.message);
    }
  }
  return incoming;
}

function placeOf(header: Buffer): { position: Position; last: boolean } {
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
  if (decoded?.control.kind !== 'heartbeat') return { kind: 'control' };
  return { kind: 'stream-id', streamId: decoded.control.streamId };
}

function row(
  record: StoredRecord,
  schemas: SchemaSource,
): Incoming['content'] | Promise<Incoming['content']> {
  try {
    const change = decodeChange(record, schemas);
    if (!(change instanceof Promise)) return { kind: 'row', change };
    return change
      .then((decoded) => ({ kind: 'row' as const, change: decoded }))
      .catch((e) => unreadable(record, e));
  } catch (error) {
    return unreadable(record, error);
  }
}

function unreadable(record: StoredRecord, thrown: unknown): Incoming['content'] {
  const error = asPayflowError(thrown);
  if (error.code !== 'RECORD_MALFORMED') throw error;
  const { table, id } = parseRowKey(record.key?.toString('utf8') ?? '');
  return { kind: 'unreadable', table, id, error };
}

/**
 * How many records from the front make one SQLite transaction: whole central transactions, as many as fit, or
 * a part of one that is larger. A transaction ends where its last record is flagged, or where another one
 * begins (beyond the horizon compaction may have removed the flagged one). A mapping record stands alone, so
 * that what follows it is read under the new mapping.
 * @returns 0 while the only transaction is not here whole
 */
export function takeTransactions(pending: readonly Incoming[], maxRecords: number): number {
  let whole = 0;
  for (let i = 0; i < pending.length && i < maxRecords; i += 1) {
    const item = pending[i] as Incoming;
    if (isMapping(item)) return i === 0 ? 1 : i;
    const next = pending[i + 1];
    if (item.last || item.position === null || (next !== undefined && !sameTransaction(item, next)))
      whole = i + 1;
  }
  return whole === 0 && pending.length >= maxRecords ? maxRecords : whole;
}

export function isMapping(item: Incoming): boolean {
  return item.content.kind === 'row' && item.content.change.table === MAPPING_TABLE;
}

function sameTransaction(a: Incoming, b: Incoming): boolean {
  return (
    a.position !== null &&
    b.position !== null &&
    a.position.epoch === b.position.epoch &&
    a.position.lsn === b.position.lsn
  );
}
