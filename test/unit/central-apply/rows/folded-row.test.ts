import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResolvedChange, ResolvedKind } from '../../../../services/central-apply/rows/change.ts';
import { FoldedRow } from '../../../../services/central-apply/rows/folded-row.ts';
import { CENTRE, type Standing } from '../../../../services/central-apply/rows/standing.ts';
import type { TableModel } from '../../../../services/central-apply/rows/model.ts';
import { latestOf, LONG_AGO, versionOf } from '../../../../services/central-apply/rows/row-version.ts';
import type { CentralId } from '../../../../services/shared/records/change-record.ts';
import type { Policy } from '../../../../services/shared/mapping/mapping.ts';

const KINDS = ['name', 'note', 'stock', 'fixed', 'till', 'log', 'price'] as const;
const COLUMNS = ['id', ...KINDS, 'updated_at', 'deleted_at'] as const;
const POLICIES: Partial<Record<string, Policy>> = {
  stock: 'delta',
  fixed: 'central-wins',
  till: 'terminal-wins',
  log: 'append-only',
};

function table(
  options: { soft?: boolean; policy?: Policy; granularity?: TableModel['granularity'] } = {},
): TableModel {
  const { soft = true, policy = 'last-writer-wins', granularity = 'column' } = options;
  const central = new Map(
    COLUMNS.map((name) => [
      name,
      { name, kind: 'text', type: name === 'stock' ? 'numeric' : 'text', isArray: false },
    ]),
  );
  const model = {
    name: 'things',
    local: 'things',
    order: 0,
    scope: { kind: 'global' },
    direction: 'both',
    delete: soft ? 'soft' : 'hard',
    policy,
    granularity,
    key: ['id'],
    columns: COLUMNS,
    central,
    byLocal: new Map(),
    byCentral: new Map(
      COLUMNS.map((name) => [
        name,
        { policy: POLICIES[name] ?? policy, options: name === 'price' ? { direction: 'push' } : {} },
      ]),
    ),
    set: new Map(),
    timestampColumn: 'updated_at',
    soft: soft
      ? {
          column: 'deleted_at',
          isMarked: (text: string | null) => text !== null,
          mark: (ms: number) => `deleted ${ms}`,
          unmarked: null,
        }
      : null,
    naturalKey: [],
    sql: 'things',
    hashSql: () => '',
  };
  return model as unknown as TableModel;
}

const ID = '1' as CentralId;

function standing(clockMs: number, writer = CENTRE, values: Record<string, string | null> = {}): Standing {
  const row = { id: '1', name: 'a', note: 'n', stock: '10', fixed: 'f', till: 't', log: 'l', ...values };
  return {
    version: { rest: { clockMs, writer, seq: 0, at: LONG_AGO }, columns: new Map() },
    isOurs: writer !== CENTRE,
    hash: '',
    values: new Map(Object.entries({ updated_at: 'then', deleted_at: null, ...row })),
  };
}

function change(
  kind: ResolvedKind,
  clockMs: number,
  next: Record<string, string | null>,
  options: { terminal?: string; before?: Record<string, string | null>; table?: TableModel } = {},
): ResolvedChange {
  const { terminal = 'T1', before = {} } = options;
  return {
    incoming: {} as ResolvedChange['incoming'],
    table: options.table ?? table(),
    kind,
    terminal,
    id: ID,
    idFrom: 'link',
    linked: true,
    clockMs,
    seq: 1,
    image: 'unknown',
    next: new Map(Object.entries(next)),
    before: new Map(Object.entries(before)),
    references: [],
  };
}

const row = (state: Standing | null, options = {}) => new FoldedRow(table(options), ID, state);
const set = (folded: FoldedRow) => Object.fromEntries(folded.writes?.update?.set ?? []);
const added = (folded: FoldedRow) => Object.fromEntries(folded.writes?.update?.add ?? []);

describe('by policy, an older change of another till', () => {
  const folded = row(standing(100, 'T2'));
  const verdict = folded.fold(
    change(
      'update',
      50,
      { name: 'b', stock: '7', fixed: 'g', till: 'u', log: 'm' },
      { before: { stock: '9', fixed: 'f' } },
    ),
  );

  test('loses, adds its difference, and applies what the policies give it', () => {
    expect(verdict).toMatchObject({ outcome: 'merged', discarded: { winner: 'central' } });
    expect(set(folded)).toEqual({ fixed: 'g', till: 'u' });
    expect(added(folded)).toEqual({ stock: '-2' });
  });

  test('leaves clock and writer of the columns alone that it does not write', () => {
    expect(versionOf(folded.version, 'name')).toMatchObject({ clockMs: 100, writer: 'T2' });
    expect(versionOf(folded.version, 'till')).toMatchObject({ clockMs: 100, writer: 'T1' });
  });
});

test('central-wins gives way only to a till that knew what stands there', () => {
  const folded = row(standing(0));
  expect(folded.fold(change('update', 50, { fixed: 'g' }, { before: { fixed: 'other' } })).outcome).toBe(
    'lost',
  );
  expect(folded.fold(change('update', 50, { fixed: 'g' }, { before: { fixed: 'f' } })).outcome).toBe(
    'applied',
  );
});

test('the timestamp goes with the values it belongs to, and the later stays', () => {
  const written = (name: string, updated_at: string) => {
    const folded = row(standing(100, CENTRE, { updated_at: '2026-01-01 10:00:00+00' }));
    folded.fold(change('update', 50, { name: 'b', updated_at }, { before: { name } }));
    return set(folded);
  };
  expect(written('a', '2026-01-01T10:00:01Z')).toEqual({ name: 'b', updated_at: '2026-01-01T10:00:01Z' });
  expect(written('a', '2026-01-01T09:59:59Z')).toEqual({ name: 'b' });
  expect(written('older', '2026-01-01T10:00:01Z')).toEqual({});
});

describe('what conflicts with nothing', () => {
  const image = { epoch: 1, lsn: 50n };
  const at = (lsn: bigint) => ({ epoch: 1, lsn });
  const stands = (writer: string, lsn: bigint): Standing => ({
    ...standing(0),
    version: { rest: standing(100).version.rest, columns: new Map([['name', by(writer, lsn)]]) },
    isOurs: true,
  });
  const by = (writer: string, lsn: bigint) => ({ clockMs: 100, writer, seq: 1, at: at(lsn) });
  const slow = { ...change('update', 50, { name: 'b' }, { before: { name: 'a' } }), image };

  test('is applied however slow the till is, and keeps the later of both clocks', () => {
    const folded = new FoldedRow(table(), ID, stands('T2', 40n), at(60n));
    expect(folded.fold(slow)).toEqual({ outcome: 'applied', discarded: null });
    expect(versionOf(folded.version, 'name')).toEqual({ clockMs: 100, writer: 'T1', seq: 1, at: at(60n) });
  });

  test('of different columns loses neither, in either order', () => {
    const one = change('update', 90, { name: 'b' }, { terminal: 'T1', before: { name: 'a' } });
    const other = change('update', 20, { note: 'm' }, { terminal: 'T2', before: { note: 'n' } });
    for (const order of [
      [one, other],
      [other, one],
    ]) {
      const folded = row(standing(100));
      expect(order.map((each) => folded.fold(each).outcome)).toEqual(['applied', 'applied']);
      expect(set(folded)).toEqual({ name: 'b', note: 'm' });
    }
  });

  test('is for clocks to decide where another till has written the value behind the image', () => {
    const folded = new FoldedRow(table(), ID, stands('T2', 55n), at(60n));
    expect(folded.fold(slow).outcome).toBe('lost');
    const own = new FoldedRow(table(), ID, stands('T1', 55n), at(60n));
    expect(own.fold(slow).outcome).toBe('applied');
    expect(new FoldedRow(table(), ID, stands(CENTRE, 55n), at(60n)).fold(slow).outcome).toBe('applied');
  });

  test('is for clocks to decide where the image is beyond the horizon', () => {
    const folded = row(standing(100));
    expect(folded.fold({ ...slow, image: 'beyond horizon' }).outcome).toBe('lost');
  });

  test('a delete of a row that stands as the till saw it is one, too', () => {
    const before = { name: 'a', note: 'n', stock: '3', updated_at: 'earlier' };
    expect(row(standing(100)).fold(change('delete', 50, {}, { before })).outcome).toBe('applied');
    const changed = { ...before, name: 'older' };
    expect(row(standing(100)).fold(change('delete', 50, {}, { before: changed })).outcome).toBe('lost');
  });
});

/** Each till edits a column of its own, with a clock that is off by up to a day. */
const SEEDS = 200;
const DAY_MS = 86_400_000;

test('tills whose clocks are off by up to a day lose no edit that conflicts with nothing', () => {
  const columns = ['name', 'note', 'fixed', 'till'] as const;
  const edit = fc.record({
    column: fc.constantFrom(...columns),
    value: fc.string(),
    offsetMs: fc.integer({ min: -DAY_MS, max: DAY_MS }),
    terminal: fc.constantFrom('T1', 'T2', 'T3'),
    atMs: fc.integer({ min: 0, max: 1_000 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      const folded = row(standing(DAY_MS));
      for (const { column, value, offsetMs, terminal, atMs } of edits) {
        // Each till has seen what stands there.
        const before = { [column]: folded.current?.get(column) ?? null };
        const clockMs = 10 * DAY_MS + atMs + offsetMs;
        const verdict = folded.fold(change('update', clockMs, { [column]: value }, { terminal, before }));
        expect(verdict).toEqual({ outcome: 'applied', discarded: null });
        expect(folded.current?.get(column)).toBe(value);
      }
    }),
    { numRuns: SEEDS },
  );
});

test('an insert and its updates are one insert with the last values', () => {
  const folded = row(null);
  folded.fold(change('insert', 10, { id: '1', name: 'a', stock: '5' }));
  folded.fold(change('update', 11, { name: 'b', stock: '4' }, { before: { stock: '5' } }));
  expect(folded.writes?.update).toBeNull();
  expect(Object.fromEntries(folded.writes?.insert ?? [])).toEqual({ id: '1', name: 'b', stock: '4' });
});

test('an insert and its delete are both written, so that both can be seen', () => {
  const folded = row(null, { soft: false });
  folded.fold(change('insert', 10, { id: '1', name: 'a' }));
  folded.fold(change('delete', 11, {}));
  expect(folded.writes).toMatchObject({ update: null, delete: true });
  expect(folded.writes?.insert?.get('name')).toBe('a');
});

test('a row deleted and brought back keeps what was changed before, and is one update', () => {
  const folded = row(standing(0), { soft: false });
  folded.fold(change('update', 10, { name: 'b' }));
  folded.fold(change('delete', 11, {}, { before: { stock: '10' } }));
  folded.fold(change('insert', 12, { id: '1', name: 'a', stock: '8' }));
  expect(folded.writes?.delete).toBe(false);
  expect(set(folded)).toMatchObject({ name: 'a' });
  expect(added(folded)).toEqual({ stock: '-2' });
});

test('a soft delete that loses to a later update leaves the row, and one that wins marks it', () => {
  const losing = row(standing(100));
  expect(losing.fold(change('delete', 50, {}))).toMatchObject({ outcome: 'lost' });
  expect(losing.writes).toBeNull();
  const winning = row(standing(100));
  winning.fold(change('delete', 150, {}));
  expect(set(winning)).toEqual({ deleted_at: 'deleted 150' });
});

test('changes of a row that is gone are gone', () => {
  for (const kind of ['update', 'delete', 'repeat'] as const) {
    const folded = row(null);
    expect(folded.fold(change(kind, 50, { name: 'b' })).outcome).toBe('gone');
    expect(folded.writes).toBeNull();
  }
});

const anyUpdate = fc.record({
  terminal: fc.constantFrom('T1', 'T2', 'T3'),
  clockMs: fc.integer({ min: 0, max: 20 }),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  stock: fc.integer({ min: -5, max: 5 }),
});

describe('whatever the changes are', () => {
  test('the stock is what it was plus the sum of all differences', () => {
    fc.assert(
      fc.property(fc.array(anyUpdate), fc.integer({ min: 0, max: 20 }), (updates, clockMs) => {
        const folded = row(standing(clockMs));
        for (const { terminal, clockMs: at, name, stock } of updates) {
          const next = { name, stock: String(100 + stock) };
          folded.fold(change('update', at, next, { terminal, before: { stock: '100' } }));
        }
        const sum = updates.reduce((total, { stock }) => total + stock, 0);
        expect(Number(added(folded)['stock'] ?? 0)).toBe(sum);
      }),
    );
  });

  test('the order in which tills arrive does not decide who wins', () => {
    const oneEach = fc.uniqueArray(anyUpdate, { selector: ({ terminal }) => terminal, maxLength: 3 });
    fc.assert(
      fc.property(oneEach, fc.integer({ min: 0, max: 20 }), (updates, clockMs) => {
        const outcome = (order: typeof updates) => {
          const folded = row(standing(clockMs, CENTRE, { name: 'office' }));
          for (const { terminal, clockMs: at, name } of order) {
            folded.fold(change('update', at, { name }, { terminal }));
          }
          return folded.current?.get('name');
        };
        expect(outcome([...updates].reverse())).toBe(outcome(updates));
      }),
    );
  });

  test('the clock of a row never goes back, and a lost change writes nothing', () => {
    fc.assert(
      fc.property(fc.array(anyUpdate), (updates) => {
        const folded = row(standing(10));
        for (const { terminal, clockMs: at, name } of updates) {
          const before = { version: folded.version, set: JSON.stringify(set(folded)) };
          const { outcome } = folded.fold(change('update', at, { name }, { terminal }));
          expect(latestOf(folded.version).clockMs).toBeGreaterThanOrEqual(latestOf(before.version).clockMs);
          if (outcome === 'lost') expect(JSON.stringify(set(folded))).toBe(before.set);
        }
      }),
    );
  });
});

describe('a conflict that the till wins', () => {
  const won = (rule: string) => ({ outcome: 'applied', discarded: { winner: 'terminal', rule } });
  const plain = { outcome: 'applied', discarded: null };

  test('is told when somebody else had written what the till did not know', () => {
    const verdict = row(standing(100, 'T2')).fold(
      change('update', 200, { name: 'b', note: 'm' }, { before: { name: 'older', note: 'n' } }),
    );
    expect(verdict).toEqual(won('last-writer-wins'));
    const forced = change('update', 50, { till: 'u' }, { before: { till: 'older' } });
    expect(row(standing(100)).fold(forced)).toEqual(won('terminal-wins'));
  });

  test('is none where the till knew it, wrote it itself, or brings the same', () => {
    const update = change('update', 200, { name: 'b' }, { before: { name: 'a' } });
    expect(row(standing(100)).fold(update)).toEqual(plain);
    const ofItsOwn = change('update', 200, { name: 'b' }, { before: { name: 'older' } });
    expect(row(standing(100, 'T1')).fold(ofItsOwn)).toEqual(plain);
    const same = change('update', 200, { name: 'a' }, { before: { name: 'older' } });
    expect(row(standing(100)).fold(same)).toEqual(plain);
    const unknown = change('update', 200, { name: 'b' });
    expect(row(standing(100)).fold(unknown)).toEqual(plain);
  });

  test('is told of an insert that met a row with other values', () => {
    expect(row(standing(100)).fold(change('insert', 200, { name: 'b' }))).toEqual({
      outcome: 'merged',
      discarded: { winner: 'terminal', rule: 'last-writer-wins' },
    });
  });

  test('is told of a delete of a row that changed meanwhile, but not because its stock did', () => {
    const moved = { before: { name: 'a', stock: '12', updated_at: 'earlier' } };
    expect(row(standing(100)).fold(change('delete', 200, {}, moved))).toEqual(plain);
    const changed = { before: { name: 'older', stock: '10' } };
    expect(row(standing(100)).fold(change('delete', 200, {}, changed))).toEqual(won('delete-against-update'));
  });

  test('does not hide that another value of the same change lost', () => {
    const verdict = row(standing(100)).fold(
      change('update', 200, { name: 'b', log: 'm' }, { before: { name: 'older', log: 'l' } }),
    );
    expect(verdict).toEqual({ outcome: 'merged', discarded: { winner: 'central', rule: 'append-only' } });
  });
});

describe('a column that only head office changes', () => {
  test('is put back whoever is later, and takes nothing else along', () => {
    const folded = row(standing(100, CENTRE, { price: '5' }));
    const verdict = folded.fold(change('update', 900, { name: 'b', price: '4' }, { before: { price: '5' } }));
    expect(verdict).toEqual({ outcome: 'merged', discarded: { winner: 'central', rule: 'push-only' } });
    expect(set(folded)).toEqual({ name: 'b' });
  });

  test('alone it loses, and the row counts as nobody’s later write', () => {
    const folded = row(standing(100, CENTRE, { price: '5' }));
    const verdict = folded.fold(change('update', 900, { price: '4', updated_at: 'now' }));
    expect(verdict).toMatchObject({ outcome: 'lost', discarded: { rule: 'push-only' } });
    expect(folded.isWritten).toBe(false);
    expect(latestOf(folded.version)).toMatchObject({ clockMs: 100, writer: CENTRE });
  });

  test('is no conflict where the till says what stands there', () => {
    const folded = row(standing(100, CENTRE, { price: '5' }));
    expect(folded.fold(change('update', 900, { price: '5' }))).toEqual({
      outcome: 'applied',
      discarded: null,
    });
  });

  test('is taken with a row that is new, and not with one that is met, nor with one that comes back', () => {
    const made = row(null);
    expect(made.fold(change('insert', 900, { id: '1', price: '4' })).outcome).toBe('applied');
    expect(made.writes?.insert?.get('price')).toBe('4');
    const met = row(standing(100, CENTRE, { price: '5' }));
    met.fold(change('insert', 900, { id: '1', name: 'b', price: '4' }));
    expect(set(met)).toEqual({ name: 'b' });
    const back = row(standing(100, CENTRE, { price: '5' }), { soft: false });
    back.fold(change('delete', 900, {}, { before: { price: '5' } }));
    back.fold(change('insert', 901, { id: '1', name: 'b', price: '4' }));
    expect(set(back)).toEqual({ name: 'b' });
  });
});

describe('an update that only fills', () => {
  test('takes what is NULL, and leaves clock and writer: the next older change of its till still loses', () => {
    const folded = row(standing(100, 'T2', { name: null }));
    const { outcome } = folded.fold(change('fill', 0, { name: 'b', note: 'o' }));
    expect([set(folded), outcome, folded.hasNewVersion]).toEqual([{ name: 'b' }, 'merged', false]);
    expect(folded.fold(change('update', 50, { note: 'p' })).outcome).toBe('lost');
  });

  test('of a till that wrote the row last takes nothing away either, and brings no deleted row back', () => {
    const folded = row(standing(100, 'T1', { deleted_at: 'then' }));
    expect([folded.fold(change('fill', 0, { name: 'b' })).outcome, set(folded)]).toEqual(['lost', {}]);
    expect(row(null).fold(change('fill', 0, { name: 'b' })).outcome).toBe('gone');
  });
});
