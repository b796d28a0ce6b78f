import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AvroWriter } from '../../../../services/central-capture/streams/avro-writer.ts';
import {
  ChangeEncoder,
  relationSchema,
} from '../../../../services/central-capture/streams/change-encoder.ts';
import type { Relation } from '../../../../services/central-capture/wal/pgoutput-decoder.ts';
import { tupleOf } from '../../../../services/central-capture/wal/tuples.ts';
import { singleObjectHeader } from '../../../../services/shared/records/avro-fingerprint.ts';
import type {
  CentralColumn,
  CentralKind,
  CentralTable,
} from '../../../../services/shared/catalog/central-catalog.ts';
import type {
  CentralValue,
  ChangeRecord,
  Origin,
} from '../../../../services/shared/records/change-record.ts';
import { compileSchema, decodeChange, encodeChange } from '../../../../services/shared/records/envelope.ts';
import type { StoredRecord } from '../../../../services/shared/log/event-log.ts';
import { encodePositionHeader, type Lsn } from '../../../../services/shared/records/position.ts';

const KINDS: Readonly<Record<string, CentralKind>> = {
  id: 'bigint',
  name: 'text',
  small: 'int',
  big: 'bigint',
  ratio: 'double',
  photo: 'bytes',
  'odd name': 'text',
  active: 'boolean',
};

const table: CentralTable = {
  name: 'products',
  schema: 'public',
  table: 'products',
  oid: 1,
  partitioned: false,
  columns: Object.entries(KINDS).map(([name, kind], index): CentralColumn => ({
    name,
    kind,
    type: kind,
    typeOid: index,
    isArray: false,
    notNull: name === 'id',
    defaultSql: null,
    identity: null,
    generated: false,
    toastable: false,
  })),
  key: ['id'],
  uniques: [],
  foreignKeys: [],
  replicaIdentity: 'full',
};
const relation: Relation = {
  oid: 1,
  name: 'products',
  replicaIdentity: 'full',
  columns: table.columns.map(({ name, typeOid }) => ({ name, typeOid, isKey: true })),
};
const schema = compileSchema(relationSchema(relation, table, Object.keys(KINDS)));
const encoder = new ChangeEncoder(schema.schema, relation, table, singleObjectHeader(schema.fingerprint));
const schemas = { find: () => schema, fetch: () => Promise.resolve(schema) };
const source = {
  epoch: 3,
  lsn: 0x16b374d848n as Lsn,
  xid: 4_000_000_000,
  commitTimeUs: 1_790_000_000_123_456n,
};

function roundTrip(change: {
  before: readonly (string | null)[] | null;
  after: readonly (string | null)[] | null;
  beforeIsKey?: boolean;
  origins?: readonly Origin[];
  omitted?: readonly string[];
}): { record: ChangeRecord; value: Buffer } {
  const writer = new AvroWriter();
  const value = encoder.encode(writer, source, {
    op: change.after === null ? 'd' : 'u',
    seq: 77,
    before: change.before === null ? null : tupleOf(change.before),
    beforeIsKey: change.beforeIsKey ?? false,
    after: change.after === null ? null : tupleOf(change.after),
    origins: change.origins ?? [],
    omitted: change.omitted ?? [],
  });
  const position = { epoch: 3, lsn: source.lsn, seq: 77 };
  const stored: StoredRecord = {
    key: Buffer.from('products:5'),
    value,
    headers: { p: encodePositionHeader(position, true) },
    offset: 1,
    timestampMs: 0,
  };
  return { record: decodeChange(stored, schemas) as ChangeRecord, value };
}

/** What a text of PostgreSQL means, the slow way. */
function valueOf(kind: CentralKind, text: string | null): CentralValue {
  if (text === null) return null;
  switch (kind) {
    case 'boolean':
      return text === 't';
    case 'int':
    case 'double':
      return Number(text);
    case 'bigint':
      return BigInt(text);
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex');
    case 'text':
      return text;
  }
}

const rows = fc.tuple(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.option(fc.string({ unit: 'grapheme' })),
  fc.option(fc.integer().map(String)),
  fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  fc.option(fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value)))),
  fc.option(fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)),
  fc.option(fc.string()),
  fc.option(fc.boolean().map((value) => (value ? 't' : 'f'))),
);

describe('the change encoder', () => {
  it('writes what is read back, whatever the values', () => {
    fc.assert(
      fc.property(fc.option(rows), rows, (before, after) => {
        const { record } = roundTrip({ before, after });
        const expected = (row: readonly (string | null)[]) =>
          Object.fromEntries(
            Object.entries(KINDS).map(([name, kind], i) => [name, valueOf(kind, row[i] ?? null)]),
          );
        expect({ ...record.after }).toEqual(expected(after));
        if (before === null) expect(record.before).toBeNull();
        else expect({ ...record.before }).toEqual(expected(before));
      }),
    );
  });

  it('writes the very bytes that avsc would write', () => {
    fc.assert(
      fc.property(rows, (after) => {
        const { record, value } = roundTrip({ before: after, after });
        expect(encodeChange(record, schema).value?.equals(value)).toBe(true);
      }),
    );
  });

  it('carries transaction, origins, types and omitted columns', () => {
    const origins: Origin[] = [{ terminal: 'till-1', incarnation: 'abc', seq: 2 ** 40, outcome: 'lost' }];
    const after = ['5', 'é'.repeat(2000), '1', null, 'NaN', null, 'x', 't'];
    const { record } = roundTrip({ before: null, after, origins, omitted: ['name'] });
    expect(record).toMatchObject({
      protocol: 1,
      op: 'u',
      table: 'products',
      id: '5',
      position: { epoch: 3, lsn: source.lsn, seq: 77 },
      lastOfTransaction: true,
      xid: 4_000_000_000,
      commitTimeUs: 1_790_000_000_123_456n,
      origins,
      omitted: ['name'],
    });
    expect(record.after).toMatchObject({ name: null, ratio: NaN });
    expect(record.types.get('odd name')).toBe('text');
  });

  it('writes only the key of a delete where the WAL had no more', () => {
    const { record } = roundTrip({
      before: ['5', null, null, null, null, null, null, null],
      after: null,
      beforeIsKey: true,
    });
    expect({ ...record.before }).toEqual({ id: 5n });
    expect(record.after).toBeNull();
  });

  it('takes rows of any size', () => {
    const long = randomBytes(3_000_000).toString('hex');
    const { record } = roundTrip({
      before: null,
      after: ['1', long, '1', '2', '0', `\\x${long}`, null, 'f'],
    });
    expect(record.after?.['name']).toBe(long);
    expect((record.after?.['photo'] as Buffer).toString('hex')).toBe(long);
  });
});
