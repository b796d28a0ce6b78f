import { describe, expect, it } from 'vitest';
import {
  fingerprintOf,
  readFingerprint,
  singleObjectHeader,
} from '../../../../services/shared/records/avro-fingerprint.ts';
import { changeSchema } from '../../../../services/shared/records/change-schema.ts';
import {
  compileSchema,
  decodeChange,
  decodeControl,
  encodeControl,
  isControl,
} from '../../../../services/shared/records/envelope.ts';
import type { LogRecord, StoredRecord } from '../../../../services/shared/log/event-log.ts';
import {
  encodePositionHeader,
  type Lsn,
  type Position,
} from '../../../../services/shared/records/position.ts';

const position: Position = { epoch: 2, lsn: 99n as Lsn, seq: 4 };
const stored = (record: LogRecord): StoredRecord => ({ headers: {}, ...record, offset: 7, timestampMs: 1 });
const noSchemas = {
  find: () => undefined,
  fetch: () => Promise.reject(new Error('not asked for')),
};

describe('fingerprints', () => {
  it('are those of the Avro specification', () => {
    expect(fingerprintOf('"int"').toString(16)).toBe('7275d51a3f395c8f');
    expect(fingerprintOf('"null"').toString(16)).toBe('63dd24e7cc258f8a');
  });

  it('stand little-endian behind C3 01', () => {
    const header = singleObjectHeader(0x0102030405060708n);
    expect(header.toString('hex')).toBe('c3010807060504030201');
    expect(readFingerprint(header)).toBe(0x0102030405060708n);
    expect(readFingerprint(Buffer.from('{"json":true}'))).toBeUndefined();
  });

  it('differ when only a PostgreSQL type does', () => {
    const schema = (type: string) =>
      compileSchema(changeSchema('products', ['id'], [{ name: 'id', kind: 'text', type }]));
    expect(schema('numeric(10,2)').fingerprint).not.toBe(schema('numeric(12,2)').fingerprint);
    expect(schema('numeric(10,2)').fingerprint).toBe(schema('numeric(10,2)').fingerprint);
  });

  it('survive the way of the schema through JSON', () => {
    const schema = changeSchema('s.t', ['a b'], [{ name: 'a b', kind: 'bigint', type: 'bigint' }]);
    const again = compileSchema(JSON.parse(JSON.stringify(schema)) as typeof schema);
    expect(again.fingerprint).toBe(compileSchema(schema).fingerprint);
  });
});

describe('control records', () => {
  it('come back as they were written, and keep their key per table', () => {
    const record = encodeControl({ kind: 'seed-complete', table: 'products' }, position);
    expect(record.key?.toString()).toBe('~seed-complete:products');
    expect(isControl(record)).toBe(true);
    expect(decodeControl(stored(record))).toEqual({
      control: { kind: 'seed-complete', table: 'products' },
      position,
    });
  });

  it('of a kind unknown here are passed over', () => {
    const record = encodeControl({ kind: 'takeover', capture: 'x' }, position);
    const unknown = { ...record, value: Buffer.from('{"kind":"from the future"}') };
    expect(decodeControl(stored(unknown))).toBeUndefined();
  });
});

describe('row records', () => {
  it('without a value are deletes', () => {
    const headers = { p: encodePositionHeader(position, true) };
    const record = stored({ key: Buffer.from('other.products:["1","a:b"]'), value: null, headers });
    expect(decodeChange(record, noSchemas)).toMatchObject({
      op: 'd',
      table: 'other.products',
      id: '["1","a:b"]',
      position,
      lastOfTransaction: true,
      after: null,
    });
  });

  it('that are no Avro single object are told with their offset', () => {
    const headers = { p: encodePositionHeader(position, true) };
    const record = stored({ key: Buffer.from('products:1'), value: Buffer.from('rubbish'), headers });
    try {
      void decodeChange(record, noSchemas);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'RECORD_MALFORMED', details: { offset: 7 } });
    }
  });
});
