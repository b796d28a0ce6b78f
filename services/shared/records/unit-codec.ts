/** Unit records as bytes: an Avro single object of schemas/avro/unit-record.avsc. */
import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { AvroReader, AvroWriter, malformed } from './avro-bytes.ts';
import {
  fingerprintHex,
  fingerprintOf,
  readFingerprint,
  SINGLE_OBJECT_HEADER_BYTES,
  singleObjectHeader,
} from './avro-fingerprint.ts';
import { PayflowError, unreachable } from '../errors.ts';
import { schemaFile } from '../paths.ts';
import { PROTOCOL_VERSION } from './change-record.ts';
import { POSITION_BYTES } from './position.ts';
import { isName } from './unit-bounds.ts';
import type {
  ColumnChange,
  ReferenceChange,
  RowRef,
  Seen,
  SqliteValue,
  Unit,
  UnitChange,
  UnitOp,
  UnitRecord,
} from './unit-record.ts';

const OPS: readonly UnitOp[] = ['c', 'u', 'd', 'r'];
const HASH_BYTES = 32;
// Branches of the value union, in the schema's order.
const NULL = 0;
const LONG = 1;
const DOUBLE = 2;
const STRING = 3;
const BYTES = 4;

export type UnitRecordHead = Omit<UnitRecord, 'units'>;

interface Fingerprints {
  readonly current: bigint;
  /** Of the form before changes said what their till saw, of that before they named their entry, and of that before units named their registration: older tills' */
  readonly withoutSeen: bigint;
  readonly withoutEntry: bigint;
  readonly withoutRegistration: bigint;
}

let cachedFingerprints: Fingerprints | undefined;

/** CRC-64-AVRO of the schema's canonical form, which avsc prints; read once from the file. */
export function unitRecordFingerprint(): bigint {
  return fingerprints().current;
}

function fingerprints(): Fingerprints {
  cachedFingerprints ??= readFingerprints();
  return cachedFingerprints;
}

function readFingerprints(): Fingerprints {
  const text = readFileSync(schemaFile('avro', 'unit-record.avsc'), 'utf8');
  const fingerprint = (schema: unknown) =>
    fingerprintOf(JSON.stringify(avro.Type.forSchema(schema as avro.Schema).schema()));
  const without = (...names: string[]): unknown =>
    JSON.parse(text, (_key, value: unknown) =>
      Array.isArray(value)
        ? value.filter((field) => !names.includes((field as { name?: string } | null)?.name ?? ''))
        : value,
    );
  return {
    current: fingerprint(JSON.parse(text)),
    withoutSeen: fingerprint(without('image', 'seen', 'others')),
    withoutEntry: fingerprint(without('image', 'seen', 'others', 'entry')),
    withoutRegistration: fingerprint(without('image', 'seen', 'others', 'entry', 'registration')),
  };
}

/** Builds the bytes of one record unit by unit, so that whoever fills it can see how large it is. */
export class UnitRecordEncoder {
  readonly #names = new Map<string, number>();
  readonly #body = new AvroWriter();
  #units = 0;

  /** About the size of the finished record. */
  get bytes(): number {
    return this.#body.length;
  }

  add(unit: Unit): void {
    const body = this.#body;
    body.long(unit.number);
    body.long(unit.firstSeq);
    body.long(unit.lastSeq);
    body.fixed(unit.hash);
    body.fixed(unit.previousHash);
    body.long(unit.registration === undefined ? 0 : 1);
    if (unit.registration !== undefined) body.long(unit.registration);
    this.#array(unit.changes, (change) => this.#change(change));
    this.#units += 1;
  }

  finish(head: UnitRecordHead): Buffer {
    const writer = new AvroWriter(1024);
    writer.fixed(singleObjectHeader(unitRecordFingerprint()));
    writer.long(head.protocol);
    writer.string(head.terminal);
    writer.string(head.incarnation);
    writer.string(head.databaseId);
    writer.long(head.mappingVersion);
    writer.long(head.keyVersion);
    writer.long(head.part);
    writer.long(head.parts);
    if (this.#names.size > 0) writer.long(this.#names.size);
    for (const name of this.#names.keys()) writer.string(name);
    writer.long(0);
    if (this.#units > 0) writer.long(this.#units);
    return Buffer.concat([writer.toBuffer(), this.#body.toBuffer(), Buffer.from([0])]);
  }

  #change(change: UnitChange): void {
    const body = this.#body;
    body.long(change.seq);
    body.long(this.#name(change.table));
    body.long(OPS.indexOf(change.op));
    body.long(change.capturedAtMs);
    body.long(change.entry === undefined ? 0 : 1);
    if (change.entry !== undefined) body.bigLong(BigInt(change.entry));
    body.long(change.image === undefined ? 0 : 1);
    if (change.image !== undefined) body.fixed(Buffer.from(change.image, 'hex'));
    this.#rowRef(change.row);
    this.#array(change.columns, (column) => this.#column(column));
    this.#array(change.references, (reference) => this.#reference(reference));
    this.#array(change.others ?? [], (column) => this.#column(column));
  }

  #column(column: ColumnChange): void {
    this.#body.long(this.#name(column.name));
    writeValue(this.#body, column.old);
    writeValue(this.#body, column.new);
    writeSeen(this.#body, column.seen);
  }

  #reference({ column, target }: ReferenceChange): void {
    this.#body.long(this.#name(column));
    this.#body.long(target === null ? 0 : 1);
    if (target !== null) this.#rowRef(target);
  }

  #rowRef({ identity, centralId }: RowRef): void {
    this.#body.string(identity);
    this.#body.long(centralId === null ? 0 : 1);
    if (centralId !== null) this.#body.string(centralId);
  }

  #array<T>(items: readonly T[], write: (item: T) => void): void {
    if (items.length > 0) this.#body.long(items.length);
    for (const item of items) write(item);
    this.#body.long(0);
  }

  #name(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const index = this.#names.size;
    this.#names.set(name, index);
    return index;
  }
}

export function encodeUnitRecord(record: UnitRecord): Buffer {
  const encoder = new UnitRecordEncoder();
  for (const unit of record.units) encoder.add(unit);
  return encoder.finish(record);
}

/**
 * @throws PayflowError RECORD_MALFORMED; PROTOCOL_NEWER for what a later version sends, which begins with its number
 *   in every version; SCHEMA_UNKNOWN for any other schema that is not ours
 */
export function decodeUnitRecord(bytes: Buffer): UnitRecord {
  const fingerprint = readFingerprint(bytes);
  if (fingerprint === undefined) throw malformed('it is no Avro single object');
  const { current, withoutSeen, withoutEntry, withoutRegistration } = fingerprints();
  // Newest first: each form lacks one thing more.
  const age = [current, withoutSeen, withoutEntry, withoutRegistration].indexOf(fingerprint);
  if (age < 0) throw unknownSchema(bytes, fingerprint);
  const form: RecordForm = { seen: age < 1, entry: age < 2, registration: age < 3 };
  const reader = new AvroReader(bytes, SINGLE_OBJECT_HEADER_BYTES);
  const head: UnitRecordHead = {
    protocol: reader.long(),
    terminal: reader.string(),
    incarnation: reader.string(),
    databaseId: reader.string(),
    mappingVersion: reader.long(),
    keyVersion: reader.long(),
    part: reader.long(),
    parts: reader.long(),
  };
  const names = reader.array(() => reader.string());
  if (!names.every(isName)) throw malformed('a table or column has no usable name');
  const units = reader.array(() => readUnit(reader, names, form));
  if (!reader.done) throw malformed('bytes are left over');
  return { ...head, units };
}

/** A protocol number that might be one: numbers are given out one by one. */
const HIGHEST_PROTOCOL = 1_000;

function unknownSchema(bytes: Buffer, fingerprint: bigint): PayflowError {
  const protocol = new AvroReader(bytes, SINGLE_OBJECT_HEADER_BYTES).long();
  const schema = fingerprintHex(fingerprint);
  if (protocol > PROTOCOL_VERSION && protocol < HIGHEST_PROTOCOL) {
    return new PayflowError(
      'PROTOCOL_NEWER',
      `a unit record has protocol ${protocol} and the schema ${schema}`,
    );
  }
  return new PayflowError('SCHEMA_UNKNOWN', `a unit record has the unknown schema ${schema}`);
}

/** Which fields the record has. */
interface RecordForm {
  readonly registration: boolean;
  readonly entry: boolean;
  readonly seen: boolean;
}

function readUnit(reader: AvroReader, names: readonly string[], form: RecordForm): Unit {
  return {
    number: reader.long(),
    firstSeq: reader.long(),
    lastSeq: reader.long(),
    hash: reader.fixed(HASH_BYTES),
    previousHash: reader.fixed(HASH_BYTES),
    registration: form.registration && readIsPresent(reader) ? reader.long() : undefined,
    changes: reader.array(() => readChange(reader, names, form)),
  };
}

function readChange(reader: AvroReader, names: readonly string[], form: RecordForm): UnitChange {
  return {
    seq: reader.long(),
    table: readName(reader, names),
    op: readOp(reader),
    capturedAtMs: reader.long(),
    entry: form.entry && readIsPresent(reader) ? reader.bigLong().toString() : undefined,
    image: form.seen && readIsPresent(reader) ? reader.fixed(POSITION_BYTES).toString('hex') : undefined,
    row: readRowRef(reader),
    columns: reader.array(() => readColumn(reader, names, form)),
    references: reader.array(() => ({
      column: readName(reader, names),
      target: readIsPresent(reader) ? readRowRef(reader) : null,
    })),
    others: readOthers(reader, names, form),
  };
}

function readColumn(reader: AvroReader, names: readonly string[], form: RecordForm): ColumnChange {
  const column = { name: readName(reader, names), old: readValue(reader), new: readValue(reader) };
  return { ...column, seen: form.seen ? readSeen(reader) : undefined };
}

function readOthers(reader: AvroReader, names: readonly string[], form: RecordForm): UnitChange['others'] {
  const others = form.seen ? reader.array(() => readColumn(reader, names, form)) : [];
  return others.length === 0 ? undefined : others;
}

function readRowRef(reader: AvroReader): RowRef {
  const identity = reader.string();
  return { identity, centralId: readIsPresent(reader) ? reader.string() : null };
}

function readIsPresent(reader: AvroReader): boolean {
  const branch = reader.long();
  if (branch !== 0 && branch !== 1) throw malformed(`union branch ${branch}`);
  return branch === 1;
}

function readOp(reader: AvroReader): UnitOp {
  const op = OPS[reader.long()];
  if (op === undefined) throw malformed('an unknown operation');
  return op;
}

function readName(reader: AvroReader, names: readonly string[]): string {
  const name = names[reader.long()];
  if (name === undefined) throw malformed('a name that is not in its list');
  return name;
}

function writeValue(writer: AvroWriter, value: SqliteValue): void {
  if (value === null) writer.long(NULL);
  else if (typeof value === 'string') {
    writer.long(STRING);
    writer.string(value);
  } else if (typeof value === 'bigint') {
    writer.long(LONG);
    writer.bigLong(value);
  } else if (typeof value === 'number') {
    writer.long(DOUBLE);
    writer.double(value);
  } else if (Buffer.isBuffer(value)) {
    writer.long(BYTES);
    writer.bytes(value);
  } else unreachable(value);
}

// Branches of what was seen, in the schema's order; its symbols likewise.
const SEEN_TEXT = 1;
const SEEN_SYMBOL = 2;
const SYMBOLS: readonly Seen[] = ['unknown', { text: null }];

function writeSeen(writer: AvroWriter, seen: Seen | undefined): void {
  if (seen === undefined) writer.long(NULL);
  else if (seen === 'unknown' || seen.text === null) {
    writer.long(SEEN_SYMBOL);
    writer.long(seen === 'unknown' ? 0 : 1);
  } else {
    writer.long(SEEN_TEXT);
    writer.string(seen.text);
  }
}

function readSeen(reader: AvroReader): Seen | undefined {
  const branch = reader.long();
  if (branch === NULL) return undefined;
  if (branch === SEEN_TEXT) return { text: reader.string() };
  const symbol = branch === SEEN_SYMBOL ? SYMBOLS[reader.long()] : undefined;
  if (symbol === undefined) throw malformed(`union branch ${branch}`);
  return symbol;
}

function readValue(reader: AvroReader): SqliteValue {
  const branch = reader.long();
  switch (branch) {
    case NULL:
      return null;
    case LONG:
      return reader.bigLong();
    case DOUBLE:
      return reader.double();
    case STRING:
      return reader.string();
    case BYTES:
      return reader.bytes();
    default:
      throw malformed(`union branch ${branch}`);
  }
}
