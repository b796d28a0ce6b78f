/** What keys, forms and sizes of a table say before any row is looked at. */
import { describe, expect, test } from 'vitest';
import type { LocalTable } from '../../../../services/shared/catalog/local-catalog.ts';
import { parity } from '../../../../services/shared/catalog/parity.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { CENTRAL, centralTable, found, localTable } from '../../../support/catalogs.ts';

describe('keys and texts that cannot be told by their names', () => {
  test('a uuid in bytes is a mismatch, as a key too', () => {
    for (const type of ['BLOB', 'BINARY(16)', 'VARBINARY']) {
      const central = ['code uuid!'];
      const local = [`code ${type}!`];
      expect(found({ central, local, centralKey: ['code'], localKey: ['code'] })).toContain(
        'mismatch uuid_in_blob code',
      );
    }
  });

  test('a key with a character set of its own could not be found again', () => {
    const options = ', columns: {sku: {charset: latin1}}';
    expect(found({ options, localKey: ['sku'] })).toContain('mismatch charset_on_key sku');
    expect(found({ options })).toEqual(found({}));
  });

  test('a character set is for texts', () => {
    const options = ', columns: {price: {charset: latin1}}';
    expect(found({ options, central: ['price numeric(12,2)'], local: ['price NUMERIC'] })).toContain(
      'mismatch charset_without_text price',
    );
  });

  test('an empty text stands for the NULL that a column does not take', () => {
    const sides = { central: ['note text'], local: ['note TEXT!'] };
    expect(found(sides)).toContain('mismatch nullable_to_not_null note');
    expect(found({ ...sides, options: ', columns: {note: {empty: null}}' })).toEqual(found({}));
  });

  test.each([
    ['julian', 'REAL', ['timestamp(3) with time zone'], []],
    ['julian', 'INTEGER', ['timestamp(3) with time zone'], []],
    ['julian', 'REAL', ['timestamp with time zone'], ['warning time_precision at']],
    ['sqlite', 'TEXT', ['timestamp(0) with time zone'], []],
    ['sqlite', 'TEXT', ['timestamp with time zone'], ['warning time_precision at']],
    ['sqlite', 'INTEGER', ['timestamp(0) with time zone'], ['mismatch time_in_integer at']],
  ])('format %s in %s of %s', (format, local, [central], findings) => {
    const options = `, columns: {at: {format: ${format}}}`;
    const all = found({ options, central: [`at ${central ?? ''}`], local: [`at ${local}`] });
    expect(all.filter((finding) => finding.endsWith(' at'))).toEqual(findings);
  });

  test('a view or a search index in the place of a table is a mismatch, and nothing else is said of it', () => {
    const mapping = parseMapping('version: 1\ntables:\n  products: {scope: global}\n');
    const centre = new Map([['products', centralTable('products', CENTRAL)]]);
    const view: LocalTable = { ...localTable('products', []), key: [], notATable: 'view' };
    expect(parity(mapping, centre, new Map([['products', view]])).map(({ code }) => code)).toEqual([
      'not_a_table',
    ]);
  });

  test('more columns than can be watched are a mismatch', () => {
    const many = Array.from({ length: 1000 }, (_, at) => `c${at} text`);
    expect(found({ central: many, local: many }).filter((finding) => finding.startsWith('mismatch'))).toEqual(
      ['mismatch too_many_columns'],
    );
  });
});
