/**
 * Records of the down streams, from and to bytes: change records (Avro single objects, one schema per table,
 * kept in the schemas topic) and control records (JSON).
 */
import avro from 'avsc';
import { z } from 'zod';
import {
  fingerprintHex,
  fingerprintOf,
  readFingerprint,
  SINGLE_OBJECT_HEADER_BYTES,
} from './avro-fingerprint.ts';
import {
  parseRowKey,
  PROTOCOL_VERSION,
  rowKey,
  type CentralId,
  type CentralRow,
  type ChangeRecord,
  type ControlRecord,
} from './change-record.ts';
import { hasAfter, openChange, readBefore, readHead, readRow, type RowForms } from './change-reader.ts';
import { rowColumns, type ChangeSchema } from './change-schema.ts';
import { ByLocalName } from '../catalog/same-name.ts';
import { PayflowError } from '../errors.ts';
import { CONTROL_KEY_PREFIX, type LogRecord, type StoredRecord } from '../log/event-log.ts';
import { decodePositionHeader, encodePositionHeader, POSITION_HEADER, type Position } from './position.ts';

/** On progress records: 16 bytes, the newest catalog position up to and including their transaction. */
export const CATALOG_POSITION_HEADER = 'c';

/**
 * On deletes, of one byte: the row was deleted at the centre, from a table whose rows outlive that on tills (`delete:`
 * soft, deny, ignore). Such a record has no tombstone behind it, so that compaction keeps it for whoever was away. All
 * other deletes only say that the row is in this stream no more: it is deleted for good, or another store's, or has
 * another key.
 */
export const DELETED_HEADER = 'd';

/** A schema ready for use. */
export interface CompiledSchema extends RowForms {
  readonly fingerprint: bigint;
  readonly schema: ChangeSchema;
  readonly type: avro.Type;
  /** Central column → PostgreSQL type. */
  readonly types: ByLocalName<string>;
}

/** Where `decodeChange` gets its schemas; SchemaRegistry is the one over the schemas topic. */
export interface SchemaSource {
  find(fingerprint: bigint): CompiledSchema | undefined;
  /** @throws PayflowError SCHEMA_UNKNOWN */
  fetch(fingerprint: bigint): Promise<CompiledSchema>;
}

const NO_TYPES: ReadonlyMap<string, string> = new Map();

/** int8 and LSNs as bigint: doubles would lose their last digits. */
const bigintLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

export function compileSchema(schema: ChangeSchema): CompiledSchema {
  const type = avroType(schema);
  const forms = rowColumns(schema);
  return {
    fingerprint: fingerprintOf(JSON.stringify(type.schema())),
    schema,
    type,
    types: new ByLocalName(forms.columns.map((column) => [column.name, column.type])),
    ...forms,
  };
}

/** @throws PayflowError INTERNAL: Avro's own errors bear no code, and would pass for a lost connection */
function avroType(schema: ChangeSchema): avro.Type {
  try {
    return avro.Type.forSchema(structuredClone(schema) as unknown as avro.Schema, {
      typeHook: (part) => (typeof part === 'object' && 'int8' in part ? bigintLong : undefined),
    });
  } catch (cause) {
    throw new PayflowError('INTERNAL', `the names of ${schema.table} make no Avro schema`, { cause });
  }
}

/** Whether the record is capture's own (heartbeat, seeding mark) or the log's, and not a row. */
export function isControl(record: LogRecord): boolean {
  return record.key !== null && record.key[0] === CONTROL_KEY_PREFIX.charCodeAt(0);
}

/** What a row record shows without its value being decoded, and the schema to do that with. */
export interface ChangeFrame {
  readonly table: string;
  readonly id: CentralId;
  readonly position: Position;
  readonly lastOfTransaction: boolean;
  /** null: a tombstone. */
  readonly schema: CompiledSchema | null;
}

/**
 * A row record. At once when its schema is known already, else after a look into the schemas topic.
 * @throws PayflowError RECORD_MALFORMED, SCHEMA_UNKNOWN
 */
export function decodeChange(
  record: StoredRecord,
  schemas: SchemaSource,
): ChangeRecord | Promise<ChangeRecord> {
  const frame = frameOf(record, schemas);
  return frame instanceof Promise ? frame.then((known) => changeIn(record, known)) : changeIn(record, frame);
}

/**
 * The first half of `decodeChange`, for who reads many records and keeps them until they are needed.
 * @throws PayflowError RECORD_MALFORMED, SCHEMA_UNKNOWN
 */
export function frameOf(record: StoredRecord, schemas: SchemaSource): ChangeFrame | Promise<ChangeFrame> {
  const { position, lastOfTransaction } = positionOf(record);
  const { table, id } = parseRowKey(record.key?.toString('utf8') ?? '');
  if (record.value === null) return { table, id, position, lastOfTransaction, schema: null };
  const fingerprint = readFingerprint(record.value);
  if (fingerprint === undefined) throw malformed(record, 'is no Avro single object');
  const known = schemas.find(fingerprint);
  if (known !== undefined) return { table, id, position, lastOfTransaction, schema: known };
  return schemas.fetch(fingerprint).then((schema) => ({ table, id, position, lastOfTransaction, schema }));
}

/**
 * The second half of `decodeChange`.
 * @throws PayflowError RECORD_MALFORMED
 */
export function changeIn(record: StoredRecord, frame: ChangeFrame): ChangeRecord {
  if (record.value !== null && frame.schema !== null) {
    return buildChange(record, record.value, frame.schema, frame);
  }
  return {
    protocol: PROTOCOL_VERSION,
    op: 'd',
    table: frame.table,
    id: frame.id,
    before: null,
    after: null,
    position: frame.position,
    lastOfTransaction: frame.lastOfTransaction,
    xid: 0,
    commitTimeUs: 0n,
    origins: [],
    omitted: [],
    types: NO_TYPES,
  };
}

function buildChange(
  record: StoredRecord,
  value: Buffer,
  schema: CompiledSchema,
  frame: ChangeFrame,
): ChangeRecord {
  try {
    const reader = openChange(value);
    const { protocol, op, xid, commitTimeUs, origins, omitted } = readHead(reader);
    const before = readBefore(reader, schema);
    const after = hasAfter(reader) ? readRow(reader, schema.columns) : null;
    reader.end();
    return {
      protocol,
      op,
      table: frame.table,
      id: frame.id,
      before,
      after,
      position: frame.position,
      lastOfTransaction: frame.lastOfTransaction,
      xid,
      commitTimeUs,
      origins,
      omitted,
      types: schema.types,
    };
  } catch (error) {
    throw malformed(record, `does not fit schema ${fingerprintHex(schema.fingerprint)}`, error);
  }
}

/**
 * A change record as log record, by avsc. (Capture has a faster way from WAL bytes; both must agree.)
 */
export function encodeChange(change: ChangeRecord, schema: CompiledSchema): LogRecord {
  const { table, epoch, lsn, seq } = { table: change.table, ...change.position };
  const row = (values: CentralRow | null): CentralRow | null => {
    if (values === null) return null;
    return Object.fromEntries(schema.columns.map(({ field, name }) => [field, values[name] ?? null]));
  };
  const body = schema.type.toBuffer({
    protocol: change.protocol,
    op: change.op,
    source: { table, epoch, lsn, xid: change.xid, commitTimeUs: change.commitTimeUs, seq },
    origins: change.origins,
    omitted: change.omitted,
    before: change.before === null ? null : { [`${schema.schema.namespace}.Row`]: row(change.before) },
    after: row(change.after),
  });
  const header = Buffer.alloc(SINGLE_OBJECT_HEADER_BYTES);
  header.writeUInt16BE(0xc301, 0);
  header.writeBigUInt64LE(schema.fingerprint, 2);
  return {
    key: Buffer.from(rowKey(table, change.id)),
    value: Buffer.concat([header, body]),
    headers: { [POSITION_HEADER]: encodePositionHeader(change.position, change.lastOfTransaction) },
  };
}

const controlSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('heartbeat'), streamId: z.string(), sentAtMs: z.number() }),
  z.object({ kind: z.literal('seed-begin'), table: z.string() }),
  z.object({ kind: z.literal('seed-complete'), table: z.string() }),
  z.object({ kind: z.literal('takeover'), capture: z.string() }),
]);

/** The newest of each kind (and table) survives compaction. */
export function encodeControl(control: ControlRecord, position: Position): LogRecord {
  return {
    key: Buffer.from(controlKey(control)),
    value: Buffer.from(JSON.stringify(control)),
    headers: { [POSITION_HEADER]: encodePositionHeader(position, true) },
  };
}

/** @returns undefined for control records that this version does not know (and for the log's own) */
export function decodeControl(
  record: StoredRecord,
): { control: ControlRecord; position: Position } | undefined {
  if (record.value === null || record.headers[POSITION_HEADER] === undefined) return undefined;
  try {
    const parsed = controlSchema.safeParse(JSON.parse(record.value.toString('utf8')));
    return parsed.success ? { control: parsed.data, position: positionOf(record).position } : undefined;
  } catch (error) {
    throw malformed(record, 'is no JSON', error);
  }
}

function controlKey(control: ControlRecord): string {
  switch (control.kind) {
    case 'heartbeat':
      return `${CONTROL_KEY_PREFIX}heartbeat`;
    case 'seed-begin':
    case 'seed-complete':
      return `${CONTROL_KEY_PREFIX}${control.kind}:${control.table}`;
    case 'takeover':
      return `${CONTROL_KEY_PREFIX}takeover`;
  }
}

function positionOf(record: StoredRecord): { position: Position; lastOfTransaction: boolean } {
  const header = record.headers[POSITION_HEADER];
  if (header === undefined) throw malformed(record, 'has no position');
  return decodePositionHeader(header);
}

function malformed(record: StoredRecord, what: string, cause?: unknown): PayflowError {
  return new PayflowError('RECORD_MALFORMED', `the record at offset ${record.offset} ${what}`, {
    cause,
    details: { offset: record.offset, key: record.key?.toString('utf8') },
  });
}
