/**
 * From pgoutput's column texts to the Avro bytes of a change record, without strings in between. One encoder
 * per table and relation; the wire order is that of change-schema.ts, and tests hold it against avsc.
 */
import type { CentralKind, CentralTable } from '../../shared/catalog/central-catalog.ts';
import { PROTOCOL_VERSION, type Origin, type RowOp } from '../../shared/records/change-record.ts';
import { changeSchema, OPS, type ChangeSchema } from '../../shared/records/change-schema.ts';
import { SINGLE_OBJECT_HEADER_BYTES } from '../../shared/records/avro-fingerprint.ts';
import type { Lsn } from '../../shared/records/position.ts';
import { maxStringBytes, type AvroWriter } from './avro-writer.ts';
import { NULL_LENGTH, UNCHANGED_LENGTH, type Relation, type Tuple } from '../wal/pgoutput-decoder.ts';

/** What all changes of one transaction have in common. */
export interface TransactionSource {
  readonly epoch: number;
  readonly lsn: Lsn;
  readonly xid: number;
  readonly commitTimeUs: bigint;
}

export interface ChangeInput {
  readonly op: RowOp;
  readonly seq: number;
  readonly before: Tuple | null;
  /** Only the key columns of `before` mean anything. */
  readonly beforeIsKey: boolean;
  readonly after: Tuple | null;
  readonly origins: readonly Origin[];
  /** Names of columns to leave out. */
  readonly omitted: readonly string[];
}

interface EncodedColumn {
  readonly name: string;
  readonly kind: CentralKind;
  /** Where it stands in the relation's tuples. */
  readonly index: number;
  readonly isKey: boolean;
}

const BEFORE_NONE = 0;
const BEFORE_ROW = 1;
const BEFORE_KEY = 2;
const COLUMN_OVERHEAD = 12;
const SOURCE_OVERHEAD = 64;
const TRUE = 0x74;

export class ChangeEncoder {
  readonly schema: ChangeSchema;
  readonly #columns: readonly EncodedColumn[];
  readonly #keyColumns: readonly EncodedColumn[];
  readonly #keyIndexes: readonly number[];
  readonly #keyPrefix: Buffer;
  readonly #header: Buffer;
  #sourceOf: TransactionSource | null = null;
  #source: Buffer = Buffer.alloc(0);

  /**
   * @param header single-object header of the schema, once it is registered
   */
  constructor(schema: ChangeSchema, relation: Relation, table: CentralTable, header: Buffer) {
    this.schema = schema;
    this.#columns = sentColumns(relation, table, schema);
    this.#keyColumns = this.#columns.filter((column) => column.isKey);
    this.#keyIndexes = table.key.map((name) => relation.columns.findIndex((column) => column.name === name));
    this.#keyPrefix = Buffer.from(`${table.name}:`);
    this.#header = header;
  }

  /** `<table>:<central id>`; see change-record.ts. */
  key(writer: AvroWriter, tuple: Tuple): Buffer {
    const [only] = this.#keyIndexes;
    if (this.#keyIndexes.length === 1 && only !== undefined) {
      const length = Math.max(0, tuple.lengths[only] ?? 0);
      writer.begin(this.#keyPrefix.length + length);
      writer.raw(this.#keyPrefix);
      writer.copy(tuple.bytes, tuple.starts[only] ?? 0, length);
      return writer.end();
    }
    return Buffer.concat([this.#keyPrefix, Buffer.from(this.centralId(tuple))]);
  }

  /** The central id as text. */
  centralId(tuple: Tuple): string {
    const texts = this.#keyIndexes.map((index) => tuple.text(index) ?? '');
    return texts.length === 1 ? (texts[0] ?? '') : JSON.stringify(texts);
  }

  sameKey(a: Tuple, b: Tuple): boolean {
    return this.#keyIndexes.every((index) => sameValue(a, b, index));
  }

  encode(writer: AvroWriter, source: TransactionSource, change: ChangeInput): Buffer {
    const sourceBytes = this.#sourceBytes(writer, source);
    writer.begin(this.#maxBytes(change));
    writer.raw(this.#header);
    writer.long(PROTOCOL_VERSION);
    writer.long(OPS.indexOf(change.op));
    writer.raw(sourceBytes);
    writer.long(change.seq);
    encodeOrigins(writer, change.origins);
    encodeOmitted(writer, change.omitted);
    this.#encodeBefore(writer, change);
    if (change.after === null) {
      writer.byte(0);
    } else {
      writer.long(1);
      encodeColumns(writer, this.#columns, change.after, change.omitted);
    }
    return writer.end();
  }

  /** Sent columns by size in this tuple, largest first, without the key: what to omit from a row too large. */
  largestColumns(tuple: Tuple): { name: string; bytes: number }[] {
    return this.#columns
      .filter((column) => !column.isKey)
      .map((column) => ({ name: column.name, bytes: tuple.lengths[column.index] ?? 0 }))
      .sort((a, b) => b.bytes - a.bytes);
  }

  #encodeBefore(writer: AvroWriter, { before, beforeIsKey, omitted }: ChangeInput): void {
    if (before === null) {
      writer.long(BEFORE_NONE);
    } else if (beforeIsKey) {
      writer.long(BEFORE_KEY);
      encodeColumns(writer, this.#keyColumns, before, omitted);
    } else {
      writer.long(BEFORE_ROW);
      encodeColumns(writer, this.#columns, before, omitted);
    }
  }

  /** The same for each change of the table in one transaction but its seq. */
  #sourceBytes(writer: AvroWriter, source: TransactionSource): Buffer {
    if (this.#sourceOf !== source) {
      this.#sourceOf = source;
      writer.begin(SOURCE_OVERHEAD + maxStringBytes(this.schema.table));
      writer.string(this.schema.table);
      writer.long(source.epoch);
      writer.bigLong(source.lsn);
      writer.long(source.xid);
      writer.bigLong(source.commitTimeUs);
      this.#source = writer.end();
    }
    return this.#source;
  }

  #maxBytes({ before, after, origins, omitted }: ChangeInput): number {
    let bytes = SINGLE_OBJECT_HEADER_BYTES + SOURCE_OVERHEAD + this.#source.length;
    bytes += 2 * COLUMN_OVERHEAD * this.#columns.length;
    bytes += before?.bytes.length ?? 0;
    bytes += after?.bytes.length ?? 0;
    for (const { terminal, incarnation, outcome } of origins) {
      bytes += maxStringBytes(terminal) + maxStringBytes(incarnation) + maxStringBytes(outcome) + 16;
    }
    for (const name of omitted) bytes += maxStringBytes(name);
    return bytes;
  }
}

/** The schema for what this relation brings of the table's sent columns. */
export function relationSchema(
  relation: Relation,
  table: CentralTable,
  sent: readonly string[],
): ChangeSchema {
  const inRelation = new Set(relation.columns.map((column) => column.name));
  const columns = table.columns.filter(
    (column) =>
      inRelation.has(column.name) && (sent.includes(column.name) || table.key.includes(column.name)),
  );
  return changeSchema(table.name, table.key, columns);
}

function sentColumns(relation: Relation, table: CentralTable, schema: ChangeSchema): EncodedColumn[] {
  const before = schema.fields.find((field) => field.name === 'before')?.type as [
    unknown,
    { fields: { pgName: string }[] },
  ];
  return before[1].fields.map(({ pgName }) => ({
    name: pgName,
    kind: table.columns.find((column) => column.name === pgName)?.kind ?? 'text',
    index: relation.columns.findIndex((column) => column.name === pgName),
    isKey: table.key.includes(pgName),
  }));
}

function encodeColumns(
  writer: AvroWriter,
  columns: readonly EncodedColumn[],
  tuple: Tuple,
  omitted: readonly string[],
): void {
  const { bytes, starts, lengths } = tuple;
  for (const column of columns) {
    const length = lengths[column.index] as number;
    if (length < 0 || (omitted.length > 0 && omitted.includes(column.name))) {
      writer.byte(0);
      continue;
    }
    writer.byte(2); // branch 1, zigzag
    const start = starts[column.index] as number;
    switch (column.kind) {
      case 'text':
        writer.text(bytes, start, length);
        break;
      case 'int':
      case 'bigint':
        writer.longText(bytes, start, length);
        break;
      case 'boolean':
        writer.byte(bytes[start] === TRUE ? 1 : 0);
        break;
      case 'double':
        writer.doubleText(bytes, start, length);
        break;
      case 'bytes':
        writer.byteaText(bytes, start, length);
        break;
    }
  }
}

/** Avro blocks: count, items, 0. */
function encodeOrigins(writer: AvroWriter, origins: readonly Origin[]): void {
  if (origins.length > 0) {
    writer.long(origins.length);
    for (const origin of origins) {
      writer.string(origin.terminal);
      writer.string(origin.incarnation);
      writer.long(origin.seq);
      writer.string(origin.outcome);
    }
  }
  writer.byte(0);
}

function encodeOmitted(writer: AvroWriter, omitted: readonly string[]): void {
  if (omitted.length > 0) {
    writer.long(omitted.length);
    for (const name of omitted) writer.string(name);
  }
  writer.byte(0);
}

/**
 * Fills columns that the update did not touch, and that are stored out of line, from the old row.
 * @returns false when the old row is not in the WAL either (no replica identity full)
 */
export function completeFrom(after: Tuple, before: Tuple | null): boolean {
  let complete = true;
  for (let column = 0; column < after.count; column += 1) {
    if (after.lengths[column] !== UNCHANGED_LENGTH) continue;
    const length = before?.lengths[column] ?? UNCHANGED_LENGTH;
    if (before === null || length === UNCHANGED_LENGTH) {
      complete = false;
      continue;
    }
    // Both tuples are of one WAL message, so the bytes are at hand.
    after.lengths[column] = length;
    after.starts[column] = before.starts[column] ?? 0;
  }
  return complete;
}

/** Values that are both missing from the record, or have the same bytes. */
function sameValue(a: Tuple, b: Tuple, column: number): boolean {
  const length = a.lengths[column] ?? NULL_LENGTH;
  if (length !== (b.lengths[column] ?? NULL_LENGTH)) return false;
  if (length <= 0) return true;
  const startA = a.starts[column] ?? 0;
  const startB = b.starts[column] ?? 0;
  return a.bytes.compare(b.bytes, startB, startB + length, startA, startA + length) === 0;
}
