/** Rows of both sides through the mapping: a form that is silently another one is a mismatch, a changed value is none. */
import { expect, test } from 'vitest';
import { sameRowFindings } from '../../../../services/shared/catalog/parity-pairs.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { centralTable, localTable } from '../../../support/catalogs.ts';

interface Given {
  readonly type: string;
  readonly declared: string;
  readonly options?: string;
  readonly rows: readonly (readonly [SqliteValue, string | null])[];
}

function found({ type, declared, options = '', rows }: Given) {
  const columns = options === '' ? '' : `, columns: {value: {${options}}}`;
  const mapping = parseMapping(`version: 1\ntables:\n  things: {scope: global${columns}}\n`);
  const central = new Map([['things', centralTable('things', ['id bigint!=', `value ${type}`])]]);
  const local = new Map([['things', localTable('things', ['id INTEGER', `value ${declared}`])]]);
  const same = rows.map(([here, there]) => ({ local: { value: here }, central: { value: there } }));
  return sameRowFindings(mapping, { central, local }, new Map([['things', same]]));
}

const cents = [
  [1250n, '12.50'],
  [399n, '3.99'],
  [10_000n, '100.00'],
  [75n, '0.75'],
] as const;

test('cents in a column for decimals are a mismatch that names minor_units', () => {
  const [finding, ...others] = found({ type: 'numeric(12,2)', declared: 'NUMERIC', rows: cents });
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    kind: 'mismatch',
    code: 'other_form',
    column: 'value',
    put: 'columns: {value: {minor_units: 2}}',
  });
  expect(finding?.message).toContain('0 of 4 sampled rows');
  expect(finding?.message).toContain('with minor_units: 2 4 of 4');
});

test('the same cents are none where the mapping says so, and plain numbers are cents where it says it wrongly', () => {
  expect(
    found({ type: 'numeric(12,2)', declared: 'INTEGER', options: 'minor_units: 2', rows: cents }),
  ).toEqual([]);
  const plain = cents.map(([, text]) => [Number(text), text] as const);
  const [finding] = found({
    type: 'numeric(12,2)',
    declared: 'REAL',
    options: 'minor_units: 2',
    rows: plain,
  });
  expect(finding).toMatchObject({ kind: 'mismatch', remedy: 'take the options out' });
});

test('seconds that are taken for milliseconds are told, and the policy beside them is kept', () => {
  const rows = [1_767_600_000n, 1_780_000_000n, 1_790_000_000n].map(
    (seconds) =>
      [
        seconds,
        new Date(Number(seconds) * 1000).toISOString().replace('T', ' ').replace('.000Z', '+00'),
      ] as const,
  );
  const [finding] = found({
    type: 'timestamp with time zone',
    declared: 'INTEGER',
    options: 'format: epoch_ms, policy: central-wins',
    rows,
  });
  expect(finding?.put).toBe('columns: {value: {format: epoch_s, policy: central-wins}}');
});

test('values that differ in any form say nothing, nor do two rows', () => {
  const rows = [
    [5n, '7.000'],
    [6n, '1.000'],
    [7n, '3.000'],
  ] as const;
  expect(found({ type: 'numeric(12,3)', declared: 'NUMERIC', rows })).toEqual([]);
  expect(found({ type: 'numeric(12,2)', declared: 'NUMERIC', rows: cents.slice(0, 2) })).toEqual([]);
});
