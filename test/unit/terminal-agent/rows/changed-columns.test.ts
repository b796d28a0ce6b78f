/** Which columns are written, and in whose words. */
import { expect, test } from 'vitest';
import type { BoundColumn } from '../../../../services/shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { changedColumns } from '../../../../services/terminal-agent/rows/changed-columns.ts';
import { columnSet } from '../../../../services/terminal-agent/rows/image.ts';

const active: BoundColumn = {
  local: 'active',
  central: 'active',
  affinity: 'TEXT',
  notNull: false,
  hasDefault: false,
  policy: 'last-writer-wins',
  options: {},
  reference: null,
};

const written = (stands: SqliteValue, wanted: SqliteValue, central: boolean | undefined) =>
  changedColumns(
    { set: columnSet([active]), values: [wanted], central: { types: ['boolean'], values: [central] } },
    [stands],
    () => false,
  );

test('yes and no of the centre come in the words that stood there', () => {
  expect(written('Y', '0', false)).toEqual([{ at: 0, value: 'N' }]);
});

test('yes and no of the till itself are written as the till wrote them', () => {
  expect(written('Y', 'false', undefined)).toEqual([{ at: 0, value: 'false' }]);
  expect(written('Y', '0', undefined)).toEqual([{ at: 0, value: '0' }]);
});
