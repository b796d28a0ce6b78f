import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CentralId, ChangeRecord, Outcome } from '../../../../services/shared/records/change-record.ts';
import {
  hasAfter,
  openChange,
  readHead,
  skipBefore,
} from '../../../../services/shared/records/change-reader.ts';
import { changeSchema } from '../../../../services/shared/records/change-schema.ts';
import { compileSchema, decodeChange, encodeChange } from '../../../../services/shared/records/envelope.ts';
import type { StoredRecord } from '../../../../services/shared/log/event-log.ts';
import type { Lsn } from '../../../../services/shared/records/position.ts';

const schema = compileSchema(
  changeSchema(
    'products',
    ['id'],
    [
      { name: 'id', kind: 'bigint', type: 'bigint' },
      { name: 'odd name', kind: 'text', type: 'text' },
      { name: 'small', kind: 'int', type: 'integer' },
      { name: 'ratio', kind: 'double', type: 'double precision' },
      { name: 'photo', kind: 'bytes', type: 'bytea' },
      { name: 'active', kind: 'boolean', type: 'boolean' },
    ],
  ),
);
const schemas = { find: () => schema, fetch: () => Promise.resolve(schema) };

const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const row = fc.record({
  id: int8,
  'odd name': fc.option(fc.string({ unit: 'grapheme' })),
  small: fc.option(fc.integer()),
  ratio: fc.option(fc.double()),
  photo: fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
  active: fc.option(fc.boolean()),
});
const change: fc.Arbitrary<ChangeRecord> = fc
  .record({
    op: fc.constantFrom('c' as const, 'u' as const, 'd' as const, 'r' as const),
    before: fc.option(row),
    after: fc.option(row),
    xid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    commitTimeUs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    origins: fc.array(
      fc.record({
        terminal: fc.string(),
        incarnation: fc.string(),
        seq: fc.nat(),
        outcome: fc.constantFrom<Outcome>('applied', 'lost'),
      }),
    ),
    omitted: fc.array(fc.string()),
  })
  .map((parts) => ({
    ...parts,
    protocol: 1,
    table: 'products',
    id: '1' as CentralId,
    position: { epoch: 1, lsn: 2n as Lsn, seq: 3 },
    lastOfTransaction: true,
    types: schema.types,
  }));

function stored(record: ChangeRecord): StoredRecord & { value: Buffer } {
  const { key, value, headers = {} } = encodeChange(record, schema);
  return { key, value: value ?? Buffer.alloc(0), headers, offset: 5, timestampMs: 0 };
}

describe('a change record read by hand', () => {
  it('is what avsc wrote', () => {
    fc.assert(
      fc.property(change, (record) => {
        expect(decodeChange(stored(record), schemas)).toEqual(record);
      }),
    );
  });

  it('is read alike where the old row is passed over', () => {
    fc.assert(
      fc.property(change, (record) => {
        const reader = openChange(stored(record).value);
        expect(readHead(reader)).toMatchObject({ op: record.op, commitTimeUs: record.commitTimeUs });
        skipBefore(reader, schema);
        expect(hasAfter(reader)).toBe(record.after !== null);
        expect(reader.done).toBe(record.after === null);
      }),
    );
  });

  it('is refused as malformed, never misread, when bytes are missing or left over', () => {
    fc.assert(
      fc.property(change, fc.nat(), (record, cut) => {
        const whole = stored(record);
        const { length } = whole.value;
        const broken = [
          whole.value.subarray(0, 10 + (cut % (length - 10))),
          Buffer.concat([whole.value, Buffer.from([0])]),
        ];
        for (const value of broken) {
          expect(() => decodeChange({ ...whole, value }, schemas)).toThrow(
            expect.objectContaining({ code: 'RECORD_MALFORMED', details: { offset: 5, key: 'products:1' } }),
          );
        }
      }),
    );
  });
});
