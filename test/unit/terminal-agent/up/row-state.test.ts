/** The state of a row, by the table in the head of row-state.ts. */
import { describe, expect, it } from 'vitest';
import type { Sums } from '../../../../services/terminal-agent/up/entries.ts';
import {
  answeredOf,
  decideCut,
  expected,
  judge,
  settled,
  shown,
  type ColumnRules,
  type Cut,
  type RowState,
  type Seen,
  type Value,
  type Values,
} from '../../../../services/terminal-agent/up/row-state.ts';

const RULES: ColumnRules = {
  isDelta: (column) => column === 'stock',
  isEqual: (_column, a, b) => (a ?? '').toLowerCase() === (b ?? '').toLowerCase(),
};
const NEVER_SEEN: RowState = { base: null, mark: null, isLinked: false, flight: [] };

const row = (stock: string, name: Value = 'n'): Values =>
  new Map([
    ['stock', stock],
    ['name', name],
  ]);
const sums = (amount?: string): Sums => new Map(amount === undefined ? [] : [['stock', amount]]);
const insert = (stock: string, name?: Value): Cut => ({ op: 'c', values: row(stock, name) });
const update = (amount?: string, after?: string): Cut => ({
  op: 'u',
  edits: new Map(after === undefined ? [] : [['name', { before: 'n', after }]]),
  sums: sums(amount),
});
const again = (stock: string, amount: string): Cut => ({
  op: 'c',
  values: row(stock),
  latest: { edits: new Map(), sums: sums(amount) },
});
const gone: Cut = { op: 'd', sums: sums() };
const linked = (more: Partial<RowState> = {}): RowState => ({
  base: row('50'),
  mark: null,
  isLinked: true,
  flight: [],
  ...more,
});
const refused = (flight: readonly Cut[] = []): RowState => ({
  base: row('50'),
  mark: 'refused',
  isLinked: false,
  flight,
});

describe('what a row should be', () => {
  it.each<[string, RowState, Values | null]>([
    ['nothing before it was seen', NEVER_SEEN, null],
    ['its base', linked(), row('50')],
    ['its insert', { ...NEVER_SEEN, flight: [insert('50')] }, row('50')],
    [
      'its insert and what came after',
      { ...NEVER_SEEN, flight: [insert('50'), update('-2', 'm')] },
      row('48', 'm'),
    ],
    ['its base and what came after', linked({ flight: [update('-2'), update('-1', 'm')] }), row('47', 'm')],
    [
      'its base, which the insert is in',
      linked({ base: row('40'), flight: [insert('50'), update('-2')] }),
      row('38'),
    ],
    ['nothing after its delete', linked({ flight: [update('-2'), gone] }), null],
    ['nothing, whatever is said of it after', linked({ flight: [gone, update('-2')] }), null],
    ['its new insert after a delete', linked({ flight: [gone, insert('9')] }), row('9')],
    ['what was refused', refused(), row('50')],
    ['what was refused, and what is held for it', refused([update('-2')]), row('48')],
    ['what is offered again', refused([update('-2'), again('47', '-1')]), row('47')],
    ['what is offered again, and what came after', refused([again('47', '-1'), update('-3')]), row('44')],
    [
      'what was got through, and what was offered beyond it',
      linked({ base: row('48'), flight: [again('47', '-1')] }),
      row('47'),
    ],
  ])('is %s', (_name, state, values) => {
    expect(expected(state)).toEqual(values);
  });

  it.each<[string, RowState, Values | null | 'keep']>([
    ['what it should be', linked({ flight: [update('-2')] }), row('48')],
    ['nothing where the centre has none', linked({ mark: 'deleted' }), null],
    [
      'what it is, while its changes are not answered',
      linked({ mark: 'deleted', flight: [update('-2')] }),
      'keep',
    ],
    ['what was refused', refused(), row('50')],
  ])('shows %s', (_name, state, values) => {
    expect(shown(state)).toEqual(values);
  });
});

describe('what goes up of a row', () => {
  const seen = { sums: sums(), isBlind: false };
  it.each<[string, RowState, Values | null, Cut | null]>([
    ['an insert of one that is new', NEVER_SEEN, row('50'), insert('50')],
    ['nothing of one that came and went', NEVER_SEEN, null, null],
    ['nothing of one that is linked and was never shown', linked({ base: null }), row('50'), null],
    ['nothing of one that is equal', linked(), row('50'), null],
    ['nothing of one that means the same', linked(), row('50', 'N'), null],
    [
      'nothing of one that goes up already',
      linked({ flight: [update(undefined, 'm')] }),
      row('50', 'm'),
      null,
    ],
    ['what differs', linked(), row('50', 'm'), update(undefined, 'm')],
    ['a delete', linked(), null, gone],
    ['a delete of one that is on its way', { ...NEVER_SEEN, flight: [insert('50')] }, null, gone],
    ['no second delete', linked({ flight: [gone] }), null, null],
    ['an insert of one that is back', linked({ flight: [gone] }), row('9'), insert('9')],
    [
      'a change of one that the centre has deleted',
      linked({ mark: 'deleted' }),
      row('50', 'm'),
      update(undefined, 'm'),
    ],
    ['nothing of a refused one that is equal', refused(), row('50'), null],
    ['a delete of a refused one', refused(), null, gone],
    [
      'all of a refused one that changed',
      refused(),
      row('50', 'm'),
      {
        op: 'c',
        values: row('50', 'm'),
        latest: { edits: new Map([['name', { before: 'n', after: 'm' }]]), sums: sums() },
      },
    ],
    [
      'what differs of one that is offered again',
      refused([insert('50')]),
      row('50', 'm'),
      update(undefined, 'm'),
    ],
    [
      'all of it, where updates are held for it',
      refused([update('-2')]),
      row('48', 'm'),
      {
        op: 'c',
        values: row('48', 'm'),
        latest: { edits: new Map([['name', { before: 'n', after: 'm' }]]), sums: sums() },
      },
    ],
  ])('is %s', (_name, state, now, cut) => {
    expect(decideCut(state, { ...seen, row: now }, RULES)).toEqual(cut);
  });

  it('is of delta columns what its entries say, whatever the difference is', () => {
    const cut = decideCut(linked(), { row: row('40'), sums: sums('-2'), isBlind: false }, RULES);
    expect(cut).toEqual(update('-2'));
  });

  it('is nothing where amounts make up for each other', () => {
    expect(decideCut(linked(), { row: row('50'), sums: sums('0.00'), isBlind: false }, RULES)).toBeNull();
  });

  it('is no amount of a column that is none of a delta any more', () => {
    const other: ColumnRules = { ...RULES, isDelta: () => false };
    const cut = decideCut(linked(), { row: row('48'), sums: sums('-2'), isBlind: false }, other);
    expect(cut).toEqual({
      op: 'u',
      edits: new Map([['stock', { before: '50', after: '48' }]]),
      sums: sums(),
    });
  });

  it('keeps what was taken off before a delete', () => {
    const cut = decideCut(linked(), { row: null, sums: sums('-2'), isBlind: false }, RULES);
    expect(cut).toEqual({ op: 'd', sums: sums('-2') });
  });

  it('names no value as seen where some of it was counted already', () => {
    const cut = decideCut(linked(), { row: row('50', 'm'), sums: sums(), isBlind: true }, RULES);
    expect(cut).toEqual({
      op: 'u',
      edits: new Map([['name', { before: undefined, after: 'm' }]]),
      sums: sums(),
    });
  });

  it('says what stood in a column that is NULL', () => {
    const state = linked({ base: row('50', null) });
    const cut = decideCut(state, { row: row('50', 'm'), sums: sums(), isBlind: false }, RULES);
    expect(cut).toEqual({ op: 'u', edits: new Map([['name', { before: null, after: 'm' }]]), sums: sums() });
  });
});

describe('a column that is in no image yet', () => {
  const state = linked({ base: new Map([['name', 'n']]) });
  const cutOf = (now: Values, amounts?: string) =>
    decideCut(state, { row: now, sums: sums(amounts), isBlind: false }, RULES);

  it('goes up to fill what is NULL', () => {
    const edits = new Map([['colour', { before: null, after: 'red', fills: true }]]);
    expect(
      cutOf(
        new Map([
          ['name', 'n'],
          ['colour', 'red'],
        ]),
      ),
    ).toEqual({ op: 'u', edits, sums: sums() });
  });

  it('does not go up where it is NULL', () => {
    expect(
      cutOf(
        new Map([
          ['name', 'n'],
          ['colour', null],
        ]),
      ),
    ).toBeNull();
  });

  it('goes up, of a delta, with what entries say and no more', () => {
    expect(cutOf(row('50'), '-2')).toEqual(update('-2'));
    expect(judge(state, { row: row('50'), uncut: null }, RULES)).toEqual({ kind: 'clean' });
    const later = { ...state, flight: [update('-2')] };
    expect(judge(later, { row: row('48'), uncut: null }, RULES)).toEqual({ kind: 'clean' });
  });
});

describe('a row that is looked at', () => {
  const clean = { kind: 'clean' };
  const found = (op: 'u' | 'd', amount?: string) => ({ kind: 'found', op, sums: sums(amount) });
  it.each<[string, RowState, Seen, unknown]>([
    ['as it should be', linked(), { row: row('50'), uncut: null }, clean],
    ['in flight', linked({ flight: [update('-2')] }), { row: row('48'), uncut: null }, clean],
    [
      'with a column that nobody has agreed on',
      linked(),
      { row: new Map([...row('50'), ['colour', 'red']]), uncut: null },
      clean,
    ],
    ['with an amount that no entry tells', linked(), { row: row('47'), uncut: null }, found('u', '-3')],
    ['with a value that no entry tells', linked(), { row: row('50', 'm'), uncut: null }, found('u')],
    ['that is gone and no entry says so', linked(), { row: null, uncut: null }, found('d')],
    ['that is gone', linked(), { row: null, uncut: sums() }, clean],
    ['of which entries tell all', linked(), { row: row('48', 'm'), uncut: sums('-2') }, clean],
    ['of which entries tell a part', linked(), { row: row('47', 'm'), uncut: sums('-2') }, found('u', '-1')],
    ['that was cut as gone', linked({ flight: [gone] }), { row: null, uncut: null }, clean],
    [
      'that the centre has deleted, and that is as it was',
      linked({ mark: 'deleted' }),
      { row: row('50'), uncut: null },
      clean,
    ],
    [
      'that is kept till its changes are answered',
      linked({ mark: 'deleted', flight: [update('-2')] }),
      { row: row('9'), uncut: null },
      clean,
    ],
    [
      'that is kept, of which entries tell a part',
      linked({ mark: 'deleted', flight: [update('-2')] }),
      { row: row('45'), uncut: sums('-1') },
      found('u', '-2'),
    ],
    ['that was refused', refused(), { row: row('50'), uncut: null }, clean],
    ['that was refused and changed', refused(), { row: row('49'), uncut: null }, found('u', '-1')],
    ['that is new', NEVER_SEEN, { row: row('50'), uncut: sums() }, clean],
    [
      'that is new and holds what it was inserted with',
      NEVER_SEEN,
      { row: row('48'), uncut: sums('-2'), inserted: sums('50') },
      clean,
    ],
    [
      'that is new and holds less',
      NEVER_SEEN,
      { row: row('43'), uncut: sums('-2'), inserted: sums('50') },
      found('u', '-5'),
    ],
    ['that is linked and was never shown', linked({ base: null }), { row: row('9'), uncut: null }, clean],
  ])('is judged: one %s', (_name, state, facts, judgement) => {
    expect(judge(state, facts, RULES)).toEqual(judgement);
  });
});

describe('a change that is answered without an image', () => {
  it.each<[string, RowState, Cut, 'applied' | 'refused', { base: Values | null; mark: RowState['mark'] }]>([
    ['an insert stands for its image', NEVER_SEEN, insert('50'), 'applied', { base: row('50'), mark: null }],
    [
      'an insert leaves an image that was there before',
      linked(),
      insert('9'),
      'applied',
      { base: row('50'), mark: null },
    ],
    [
      'a known delete stays',
      { ...NEVER_SEEN, mark: 'deleted' },
      insert('50'),
      'applied',
      { base: row('50'), mark: 'deleted' },
    ],
    ['an update says nothing', linked(), update('-2'), 'applied', { base: row('50'), mark: null }],
    ['a delete says nothing of a linked row', linked(), gone, 'applied', { base: row('50'), mark: null }],
    ['a delete ends one that was refused', refused(), gone, 'applied', { base: null, mark: null }],
    ['a refused insert is marked', NEVER_SEEN, insert('50'), 'refused', { base: row('50'), mark: 'refused' }],
    [
      'a refused insert that is offered again is what was cut',
      refused(),
      again('47', '-3'),
      'refused',
      { base: row('47'), mark: 'refused' },
    ],
    [
      'a refused insert that is taken at last',
      refused(),
      again('47', '-3'),
      'applied',
      { base: row('47'), mark: null },
    ],
  ])('%s', (_name, state, cut, outcome, next) => {
    expect(settled(state, cut, outcome)).toEqual(next);
  });

  it.each<[string, Cut[], number[], number[]]>([
    ['an update answers itself', [insert('50'), update('-1'), update('-2')], [2], [2]],
    [
      'an insert answers what was held for it',
      [update('-1'), update('-2'), again('47', '-1'), update('-1')],
      [2],
      [0, 1, 2],
    ],
    ['one that is not answered answers nothing', [update('-1'), again('47', '-1')], [], []],
  ])('%s', (_name, cuts, answered, all) => {
    const flight = cuts.map((cut, number) => ({ number, cut }));
    expect(answeredOf(flight, ({ number }) => answered.includes(number)).map(({ number }) => number)).toEqual(
      all,
    );
  });
});
