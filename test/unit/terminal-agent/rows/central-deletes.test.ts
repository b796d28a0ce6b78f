import { expect, test } from 'vitest';
import { fateOf } from '../../../../services/terminal-agent/rows/central-deletes.ts';
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
