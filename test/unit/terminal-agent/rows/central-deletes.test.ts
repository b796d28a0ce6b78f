import { expect, test } from 'vitest';
import { fateOf, outlivesDelete } from '../../../../services/terminal-agent/rows/central-deletes.ts';
import type { BoundColumn } from '../../../../services/shared/catalog/table-binding.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';

const tableOf = (mode: string, softDeleteColumn: string | null) => {
  const option = mode === 'auto' ? '' : `, delete: ${mode}`;
  const [mapping] = parseMapping(`version: 1\ntables:\n  rows: {scope: global${option}}\n`).tables;
  if (mapping === undefined) throw new Error('no table');
  return { mapping, softDeleteColumn };
};

test.each([
  // delete:, column for the mark, deleted (else it left the stream), shown here → becomes
  ['soft', 'deleted_at', true, true, 'marked'],
  ['soft', 'deleted_at', true, false, 'removed'],
  ['soft', 'deleted_at', false, true, 'removed'],
  ['soft', null, true, true, 'removed'],
  ['auto', 'deleted_at', true, true, 'marked'],
  ['auto', null, true, true, 'removed'],
  ['hard', 'deleted_at', true, true, 'removed'],
  ['hard', null, false, true, 'removed'],
  ['deny', null, true, true, 'kept'],
  ['deny', 'deleted_at', true, true, 'kept'],
  ['deny', null, true, false, 'removed'],
  ['deny', null, false, true, 'removed'],
  ['ignore', null, true, true, 'kept'],
  ['ignore', null, true, false, 'removed'],
  ['ignore', null, false, true, 'removed'],
] as const)(
  'delete: %s, mark column %s, deleted %s, shown %s: %s',
  (mode, mark, isDeleted, isShown, fate) => {
    expect(fateOf(tableOf(mode, mark), { isDeleted, isShown })).toBe(fate);
  },
);

test.each([
  // delete:, column for the mark, what it holds → looks as a row does that outlived the centre's delete
  ['soft', 'deleted_at', '2026-03-01 09:30:00', true],
  ['soft', 'deleted_at', null, false],
  ['soft', 'deleted_at', 0n, false],
  ['soft', null, '2026-03-01 09:30:00', false],
  ['auto', 'deleted_at', 1n, true],
  ['auto', 'deleted_at', null, false],
  ['hard', 'deleted_at', 1n, false],
  ['deny', null, null, true],
  ['ignore', null, null, true],
] as const)('delete: %s, mark column %s with %s: outlives %s', (mode, softDeleteColumn, value, outlives) => {
  const columns = [{ local: 'name' }, { local: 'deleted_at' }] as BoundColumn[];
  expect(outlivesDelete({ ...tableOf(mode, softDeleteColumn), columns }, ['a', value])).toBe(outlives);
});
