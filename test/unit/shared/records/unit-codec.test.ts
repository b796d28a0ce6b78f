import { readFileSync } from 'node:fs';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemaFile } from '../../../../services/shared/paths.ts';
import {
  makeKeyPair,
  publicKeyOf,
  readPrivateKey,
  signBytes,
  verifyBytes,
} from '../../../../services/shared/records/signature.ts';
import { decodeUnitRecord, encodeUnitRecord } from '../../../../services/shared/records/unit-codec.ts';
import type {
  ColumnChange,
  SqliteValue,
  UnitChange,
  UnitRecord,
} from '../../../../services/shared/records/unit-record.ts';

const value: fc.Arbitrary<SqliteValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer().map(BigInt),
  fc.double({ noNaN: true }),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const seq = fc.integer({ min: 0, max: 2 ** 51 });
const name = fc.constantFrom('orders', 'items', 'a', 'b', 'c d');
const rowRef = fc.record({ identity: fc.string(), centralId: fc.option(fc.string()) });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const column: fc.Arbitrary<ColumnChange> = fc.oneof(
  fc.record({ name, old: value, new: value }),
  fc.record({
    name,
    old: value,
    new: value,
    seen: fc.oneof(fc.constant('unknown' as const), fc.record({ text: fc.option(fc.string()) })),
  }),
);
const others = fc.array(column, { minLength: 1, maxLength: 2 });
const change: fc.Arbitrary<UnitChange> = fc.record({
  seq,
  table: name,
  op: fc.constantFrom('c', 'u', 'd', 'r'),
  capturedAtMs: seq,
  entry: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), { nil: undefined }),
  image: fc.option(
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    { nil: undefined },
  ),
  row: rowRef,
  columns: fc.array(column, { maxLength: 4 }),
  references: fc.array(fc.record({ column: name, target: fc.option(rowRef) }), { maxLength: 3 }),
  others: fc.option(others, { nil: undefined }),
});
const record: fc.Arbitrary<UnitRecord> = fc.record({
  protocol: fc.nat(),
  terminal: fc.string(),
  incarnation: fc.string(),
  databaseId: fc.string(),
  mappingVersion: fc.nat(),
  keyVersion: fc.nat(),
  part: fc.nat(),
  parts: fc.nat(),
  units: fc.array(
    fc.record({
      number: seq,
      firstSeq: seq,
      lastSeq: seq,
      hash,
      previousHash: hash,
      registration: fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { nil: undefined }),
      changes: fc.array(change, { maxLength: 4 }),
    }),
    { maxLength: 3 },
  ),
});

/** avsc keeps a long that is no safe integer only through a type of our own. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (long: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(long);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (long: unknown) => typeof long === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});
const schemaType = avro.Type.forSchema(
  JSON.parse(readFileSync(schemaFile('avro', 'unit-record.avsc'), 'utf8')) as avro.Schema,
  { registry: { long: LONG }, wrapUnions: true },
);

/** Head of a record of the first form, as tills of before write it. */
const THIRD_FORM = Buffer.from('c301e9284825fe916640', 'hex');
const SECOND_FORM = Buffer.from('c3015c72cf03d95cde3e', 'hex');
const FIRST_FORM = Buffer.from('c3019275503fb0ffb76a', 'hex');

function schemaWithout(...fields: string[]): avro.Schema {
  const text = readFileSync(schemaFile('avro', 'unit-record.avsc'), 'utf8');
  return JSON.parse(text, (_key, value: unknown) =>
    Array.isArray(value)
      ? value.filter((each) => !fields.includes((each as { name?: string }).name ?? ''))
      : value,
  ) as avro.Schema;
}

describe('a unit record', () => {
  it('comes back as it was, whatever the values', () => {
    fc.assert(
      fc.property(record, (original) => {
        expect(decodeUnitRecord(encodeUnitRecord(original))).toEqual(original);
      }),
    );
  });

  it('is what its Avro schema says: another implementation reads the same bytes and writes them alike', () => {
    fc.assert(
      fc.property(record, (original) => {
        const bytes = encodeUnitRecord(original);
        const generic: unknown = schemaType.fromBuffer(bytes.subarray(10));
        expect(schemaType.toBuffer(generic).equals(bytes.subarray(10))).toBe(true);
      }),
    );
  });

  it('that is cut off or damaged is refused, never misread without an error or endlessly', () => {
    fc.assert(
      fc.property(record, fc.nat(), (original, cut) => {
        const bytes = encodeUnitRecord(original);
        expect(() => decodeUnitRecord(bytes.subarray(0, cut % bytes.length))).toThrow(/RECORD|record/);
      }),
    );
  });

  it.each([
    ['registration', FIRST_FORM, ['registration', 'entry', 'image', 'seen', 'others']],
    ['entries', SECOND_FORM, ['entry', 'image', 'seen', 'others']],
    ['images', THIRD_FORM, ['image', 'seen', 'others']],
  ])('of a till that does not name its %s yet is read, and says none', (_what, form, fields) => {
    const earlier = avro.Type.forSchema(schemaWithout(...fields), {
      registry: { long: LONG },
      wrapUnions: true,
    });
    fc.assert(
      fc.property(record, (original) => {
        const generic: unknown = schemaType.fromBuffer(encodeUnitRecord(original).subarray(10));
        const bytes = Buffer.concat([form, earlier.toBuffer(generic)]);
        const units = original.units.map((unit) => ({
          ...unit,
          registration: fields.includes('registration') ? undefined : unit.registration,
          changes: unit.changes.map((each) => ({
            ...each,
            entry: fields.includes('entry') ? undefined : each.entry,
            image: undefined,
            others: undefined,
            columns: each.columns.map(({ name, old, new: now }) => ({ name, old, new: now })),
          })),
        }));
        expect(decodeUnitRecord(bytes)).toEqual({ ...original, units });
      }),
    );
  });

  it('of an unknown schema is refused', () => {
    const bytes = encodeUnitRecord({ ...(fc.sample(record, 1)[0] as UnitRecord), protocol: 1 });
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    expect(() => decodeUnitRecord(bytes)).toThrow(/unknown schema/);
  });
});

describe('a signature', () => {
  const pair = makeKeyPair();
  const key = readPrivateKey(pair.privateKey);

  it('holds for exactly these bytes and this key', () => {
    const signature = signBytes(Buffer.from('abc'), key);
    expect(verifyBytes(Buffer.from('abc'), signature, pair.publicKey)).toBe(true);
    expect(verifyBytes(Buffer.from('abd'), signature, pair.publicKey)).toBe(false);
    expect(verifyBytes(Buffer.from('abc'), signature, makeKeyPair().publicKey)).toBe(false);
    expect(verifyBytes(Buffer.from('abc'), Buffer.alloc(0), pair.publicKey)).toBe(false);
  });

  it('belongs to the public half of the key', () => {
    expect(publicKeyOf(pair.privateKey)).toBe(pair.publicKey);
  });
});
