/** Which shape of a table is kept with its seeding: another one sends it again. */
import { expect, it } from 'vitest';
import type { CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { sentTables } from '../../../../services/central-capture/setup/sent-tables.ts';

const MAPPING = parseMapping('version: 1\ntables:\n  goods: { scope: global }\n');

function columnsWith(type: string): string | undefined {
  const column = (name: string, itsType: string) =>
    ({ name, type: itsType }) as CentralTable['columns'][number];
  const goods = {
    name: 'goods',
    schema: 'public',
    table: 'goods',
    key: ['id'],
    columns: [column('id', 'integer'), column('flags', type)],
  } as unknown as CentralTable;
  return sentTables(MAPPING, new Map([['goods', goods]])).find(({ name }) => name === 'goods')?.columns;
}

it.each([
  ['character varying(10)', 'character varying(20)'],
  ['character varying(10)', 'character varying'],
  ['character varying(10)[]', 'character varying(20)[]'],
  ['bit varying(8)', 'bit varying(16)'],
  ['bit varying(8)', 'bit varying'],
])('%s and %s are one shape: no value changes by it', (before, after) => {
  expect(columnsWith(before)).toBe(columnsWith(after));
});

it.each([
  ['bit(8)', 'bit(16)'],
  ['character(8)', 'character(16)'],
  ['numeric(8,2)', 'numeric(8,3)'],
  ['bit varying(8)', 'character varying(8)'],
  ['character varying(10)', 'character varying(10)[]'],
])('%s and %s are two', (before, after) => {
  expect(columnsWith(before)).not.toBe(columnsWith(after));
});
