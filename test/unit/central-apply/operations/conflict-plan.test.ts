/** What deciding a conflict by hand comes to. */
import { describe, expect, it } from 'vitest';
import {
  changedSince,
  planResolution,
  standingName,
  type ConflictFacts,
} from '../../../../services/central-apply/operations/conflict-plan.ts';
import type { TableModel } from '../../../../services/central-apply/rows/model.ts';

const NOW = '2026-03-01T09:30:00.000Z';
const column = (name: string, policy: string, type = 'text') =>
  [name, { local: name, policy, central: { name, type, kind: 'text', isArray: false } }] as const;
const columns = [
  column('id', 'last-writer-wins'),
  column('name', 'last-writer-wins'),
  column('price', 'last-writer-wins', 'numeric(12,2)'),
  column('stock', 'delta', 'numeric(14,3)'),
  column('updated_at', 'last-writer-wins', 'timestamp with time zone'),
  column('deleted_at', 'last-writer-wins', 'timestamp with time zone'),
];
const table = (soft: boolean): TableModel =>
  ({
    name: 'products',
    key: ['id'],
    timestampColumn: 'updated_at',
    byCentral: new Map(columns),
    byLocal: new Map(columns),
    central: new Map(columns.map(([name, { central }]) => [name, central])),
    soft: soft ? { column: 'deleted_at', mark: () => NOW, unmarked: null, isMarked: () => false } : null,
  }) as unknown as TableModel;

const CENTRAL = new Map([
  ['id', '7'],
  ['name', 'office'],
  ['price', '2.50'],
  ['stock', '9'],
  ['deleted_at', null],
]);
const TILL = new Map([
  ['name', 'till'],
  ['stock', '8'],
  ['updated_at', '2021-01-01'],
]);
const facts = (over: Partial<ConflictFacts> = {}, soft = true): ConflictFacts => ({
  table: table(soft),
  centralRow: CENTRAL,
  terminalRow: TILL,
  standing: CENTRAL,
  ...over,
});
const plan = (
  of: ConflictFacts,
  take: 'central' | 'terminal' | 'values',
  values?: Record<string, string | null>,
) => planResolution(of, { take, values }, NOW);
const set = (...[of, take, values]: Parameters<typeof plan>) =>
  Object.fromEntries(plan(of, take, values).writes?.update?.set ?? []);

describe('a conflict decided by hand', () => {
  it('takes the till’s columns, without sums and with the time of now', () => {
    expect(set(facts(), 'terminal')).toEqual({ name: 'till', updated_at: NOW });
    expect(plan(facts(), 'terminal').leftAlone).toEqual(['stock']);
  });

  it('takes the centre’s as they stood, or nothing where they stand', () => {
    const standing = new Map([...CENTRAL, ['name', 'till']]);
    expect(set(facts({ standing }), 'central')).toEqual({ name: 'office', updated_at: NOW });
    expect(plan(facts(), 'central').writes).toBeNull();
    const alike = new Map([...CENTRAL, ['price', '2.5']]);
    expect(
      plan(facts({ terminalRow: new Map([['price', '3']]), standing: alike }), 'central').writes,
    ).toBeNull();
  });

  it('takes given values, but no sum, no key and nothing unknown', () => {
    expect(set(facts(), 'values', { price: '3' })).toEqual({ price: '3', updated_at: NOW });
    for (const values of [{ stock: '1' }, { id: '1' }, { colour: 'x' }, {}]) {
      expect(() => plan(facts(), 'values', values)).toThrow(expect.objectContaining({ code: 'VALIDATION' }));
    }
  });

  it('carries out a delete, or takes it back', () => {
    const terminalRow = new Map<string, string>();
    expect(set(facts({ terminalRow }), 'terminal')).toEqual({ deleted_at: NOW, updated_at: NOW });
    const marked = new Map([...CENTRAL, ['deleted_at', NOW]]);
    expect(set(facts({ terminalRow, standing: marked }), 'central')).toEqual({
      deleted_at: null,
      updated_at: NOW,
    });
    expect(plan(facts({ terminalRow }, false), 'terminal').writes?.delete).toBe(true);
  });

  it('brings a row back that is gone, or says that it has to be brought back first', () => {
    const gone = { standing: null };
    expect(plan(facts(gone), 'central').writes?.insert).toEqual(CENTRAL);
    expect(plan(facts(gone), 'terminal').writes?.insert?.get('name')).toBe('till');
    expect(plan(facts({ ...gone, terminalRow: new Map() }), 'terminal').writes).toBeNull();
    expect(() => plan(facts(gone), 'values', { name: 'x' })).toThrow(
      expect.objectContaining({ code: 'CONFLICT' }),
    );
    expect(() => plan(facts({ ...gone, centralRow: null }), 'central')).toThrow(/gone/);
  });
});

describe('a standing', () => {
  it('is another one when a value is, but not by its sums and times, or by how a number is written', () => {
    const of = table(true);
    const moved = new Map([...CENTRAL, ['stock', '1'], ['price', '2.5'], ['updated_at', NOW]]);
    expect(changedSince(of, CENTRAL, moved)).toEqual([]);
    expect(changedSince(of, CENTRAL, new Map([...CENTRAL, ['name', 'new']]))).toEqual(['name']);
    expect(standingName(of, CENTRAL)).toBe(standingName(of, new Map([...CENTRAL, ['stock', '1']])));
    expect(standingName(of, CENTRAL)).not.toBe(standingName(of, new Map([...CENTRAL, ['name', 'new']])));
  });

  it('of which nothing is known counts as changed', () => {
    expect(changedSince(table(true), null, CENTRAL)).toContain('name');
  });
});
