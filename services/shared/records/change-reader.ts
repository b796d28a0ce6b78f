/**
 * Change records read by hand, value by value in wire order. A till reads every row of its streams here, so it
 * can pass over what it does not need, and take a row's values without an object of the row in between.
 */
import { AvroReader, malformed } from './avro-bytes.ts';
import { SINGLE_OBJECT_HEADER_BYTES } from './avro-fingerprint.ts';
import {
  PROTOCOL_VERSION,
  type CentralRow,
  type CentralValue,
  type Origin,
  type Outcome,
  type RowOp,
} from './change-record.ts';
import { OPS, type AvroForm, type RowColumn } from './change-schema.ts';

/** All of a change record but its rows. */
export interface ChangeHead {
  readonly protocol: number;
  readonly op: RowOp;
  readonly xid: number;
  readonly commitTimeUs: bigint;
  readonly origins: readonly Origin[];
  readonly omitted: readonly string[];
}

/** The columns of a schema's two kinds of rows, in wire order. */
export interface RowForms {
  readonly columns: readonly RowColumn[];
  /** What `before` holds where the WAL had the key only. */
  readonly keyColumns: readonly RowColumn[];
}

const OLDEST_PROTOCOL = Math.max(1, PROTOCOL_VERSION - 2);
const NO_ROW = 0;
const WHOLE_ROW = 1;
const KEY_ONLY = 2;
const NO_ORIGINS: readonly Origin[] = [];
const NO_COLUMNS: readonly string[] = [];

/** @param value an Avro single object; the reader stands behind its header */
export function openChange(value: Buffer): AvroReader {
  return new AvroReader(value, SINGLE_OBJECT_HEADER_BYTES);
}

/** @throws PayflowError RECORD_MALFORMED, also for a protocol that this version does not read */
export function readHead(reader: AvroReader): ChangeHead {
  const protocol = reader.long();
  if (protocol < OLDEST_PROTOCOL || protocol > PROTOCOL_VERSION)
    throw malformed(`it has protocol ${protocol}`);
  const op = OPS[reader.long()];
  if (op === undefined) throw malformed('it has an unknown operation');
  // Table, epoch and LSN: the record's key and header say them too.
  reader.skipBytes();
  reader.skipLong();
  reader.skipLong();
  const xid = reader.long();
  const commitTimeUs = reader.bigLong();
  reader.skipLong();
  const origins = reader.array(() => readOrigin(reader));
  const omitted = reader.array(() => reader.string());
  return {
    protocol,
    op,
    xid,
    commitTimeUs,
    origins: origins.length === 0 ? NO_ORIGINS : origins,
    omitted: omitted.length === 0 ? NO_COLUMNS : omitted,
  };
}

/** The old row, which follows the head. */
export function readBefore(reader: AvroReader, { columns, keyColumns }: RowForms): CentralRow | null {
  switch (reader.long()) {
    case NO_ROW:
      return null;
    case WHOLE_ROW:
      return readRow(reader, columns);
    case KEY_ONLY:
      return readRow(reader, keyColumns);
    default:
      throw malformed('it has an unknown kind of row');
  }
}

export function skipBefore(reader: AvroReader, { columns, keyColumns }: RowForms): void {
  const branch = reader.long();
  if (branch === NO_ROW) return;
  if (branch !== WHOLE_ROW && branch !== KEY_ONLY) throw malformed('it has an unknown kind of row');
  for (const { form } of branch === WHOLE_ROW ? columns : keyColumns) skipValue(reader, form);
}

/** Whether the new row follows, value by value; the old one must have been read or passed over. */
export function hasAfter(reader: AvroReader): boolean {
  const branch = reader.long();
  if (branch !== NO_ROW && branch !== WHOLE_ROW) throw malformed('it has an unknown kind of row');
  return branch === WHOLE_ROW;
}

export function readRow(reader: AvroReader, columns: readonly RowColumn[]): CentralRow {
  const row: Record<string, CentralValue> = {};
  for (const { name, form } of columns) row[name] = readValue(reader, form);
  return row;
}

export function readValue(reader: AvroReader, form: AvroForm): CentralValue {
  if (!reader.present()) return null;
  switch (form) {
    case 'string':
      return reader.string();
    case 'int':
      return reader.long();
    case 'long':
      return reader.bigLong();
    case 'double':
      return reader.double();
    case 'boolean':
      return reader.boolean();
    case 'bytes':
      return reader.bytes();
  }
}

export function skipValue(reader: AvroReader, form: AvroForm): void {
  if (!reader.present()) return;
  switch (form) {
    case 'string':
    case 'bytes':
      return reader.skipBytes();
    case 'int':
    case 'long':
      return reader.skipLong();
    case 'double':
      return reader.skip(8);
    case 'boolean':
      return reader.skip(1);
  }
}

function readOrigin(reader: AvroReader): Origin {
  return {
    terminal: reader.string(),
    incarnation: reader.string(),
    seq: reader.long(),
    outcome: reader.string() as Outcome,
  };
}
