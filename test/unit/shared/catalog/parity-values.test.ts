/** What a till's values say that its declarations do not. */
import { expect, test } from 'vitest';
import type { CentralColumn, CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';
import { valueFindings } from '../../../../services/shared/catalog/parity-values.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';

function found(type: string, values: SqliteValue[], options = ''): string[] {
  const mapping = parseMapping(`version: 1\ntables:\n  t: {scope: global${options}}\n`);
  const column = { name: 'c', type, generated: false } as CentralColumn;
  const central = new Map([['t', { name: 't', columns: [column] } as unknown as CentralTable]]);
  const rows = values.map((c) => ({ c, server_id: 'x' }));
  return valueFindings(mapping, central, new Map([['t', rows]])).map(
    ({ kind, code, message }) => `${kind} ${code}: ${message}`,
  );
}

test.each<[type: string, values: SqliteValue[], options: string, says: RegExp | null]>([
  ['uuid', ['x', Buffer.alloc(16)], '', /^mismatch uuid_in_blob: t\.c holds uuids as bytes/],
  ['uuid', ['0f0e0d0c-0b0a-4908-8706-050403020100'], '', null],
  ['numeric(12,2)', [1n, '12,50'], '', /^warning value_unfit: t\.c holds "12,50", which is no number/],
  ['numeric(12,2)', [''], '', /empty: null/],
  ['numeric(12,2)', [''], ', columns: {c: {empty: null}}', null],
  ['text', [Buffer.from([0xe9])], '', /value_unfit: t\.c holds 1 bytes that are no UTF-8; say charset/],
  ['text', [Buffer.from([0xe9])], ', columns: {c: {charset: latin1}}', null],
  ['text', [Buffer.from([0xe9])], ', sensitive: [c]', /t\.c holds values that are no text$/],
  ['timestamp with time zone', [2461314.5], '', /format: julian/],
  ['timestamp with time zone', ['2026-10-01 00:03:20'], '', /^warning time_form: .*T12:34:56\.000Z/],
  ['timestamp with time zone', ['2026-10-01 00:03:20'], ', columns: {c: {format: sqlite}}', null],
  ['timestamp with time zone', ['2026-10-01T00:03:20Z'], '', null],
  ['boolean', ['Y'], '', /^warning boolean_form/],
  ['boolean', [1n, null], '', null],
  ['numeric(12,2)', ['12,50'], ', exclude: [c]', null],
])('%s %o %s', (type, values, options, says) => {
  expect(found(type, values, options)).toEqual(says === null ? [] : [expect.stringMatching(says)]);
});
