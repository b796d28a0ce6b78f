import { describe, expect, it } from 'vitest';
import { decideHandOver } from '../../../services/gateway/hand-over.ts';
import { refusedRegistration } from '../../../services/gateway/terminals.ts';
import { isStoreId, isTerminalId } from '../../../services/shared/identifiers.ts';

describe('which file goes on', () => {
  const other = (
    incarnation: string,
    state: 'waiting' | 'superseded',
    predecessor: string | null = null,
  ) => ({
    incarnation,
    state,
    predecessor,
  });
  const facts = (...others: ReturnType<typeof other>[]) => ({ terminalId: 't', current: 'cur', others });

  it.each([
    ['the current one', facts(other('new', 'waiting')), 'cur', { kind: 'resume' }],
    ['another one', facts(other('new', 'waiting')), 'new', { kind: 'adopt', incarnation: 'new' }],
    ['a superseded one', facts(other('new', 'superseded')), 'new', { kind: 'adopt', incarnation: 'new' }],
    [
      'one that has another name by now',
      facts(other('new', 'waiting', 'cur')),
      'cur',
      { kind: 'adopt', incarnation: 'new' },
    ],
    [
      'one that two files bore',
      facts(other('a', 'waiting', 'cur'), other('b', 'waiting', 'cur')),
      'cur',
      { kind: 'resume' },
    ],
    ['one whose successor was superseded', facts(other('a', 'superseded', 'cur')), 'cur', { kind: 'resume' }],
  ] as const)('%s', (_, given, wanted, decided) => {
    expect(decideHandOver(given, wanted)).toEqual(decided);
  });

  it('names those that are known where it is none of them', () => {
    expect(() => decideHandOver(facts(other('new', 'waiting')), 'x')).toThrow('there are cur, new');
    expect(() => decideHandOver({ terminalId: 't', current: null, others: [] }, 'x')).toThrow(
      'sent nothing yet',
    );
  });
});

describe('registering a till that is there', () => {
  const before = {
    storeId: 's1',
    status: 'enrolled',
    publicKey: 'key',
    enrolledAt: 'then',
    retiring: false,
  } as const;
  it.each([
    ['enrolled', before, { storeId: 's1' }, /enrolled already \(since then\); --replace/],
    ['enrolled with the caller’s own key', before, { storeId: 's1', ownKey: 'key' }, null],
    ['never enrolled', { ...before, publicKey: null }, { storeId: 's1' }, null],
    [
      'of another store',
      { ...before, publicKey: null },
      { storeId: 's2' },
      /belongs to store s1, not s2; --replace/,
    ],
    ['fenced', { ...before, status: 'fenced' as const }, { storeId: 's1' }, /enrolled already/],
    ['being retired', { ...before, retiring: true }, { storeId: 's1' }, /TERMINAL_RETIRED is retired/],
    [
      'retired',
      { ...before, status: 'retired' as const },
      { storeId: 's1', ownKey: 'key' },
      /TERMINAL_RETIRED is retired/,
    ],
  ])('%s', (_, standing, wanted, refusal) => {
    const found = refusedRegistration(standing, wanted);
    if (refusal === null) expect(found).toBeNull();
    else expect(`${found?.code} ${found?.why}`).toMatch(refusal);
  });
});

describe('ids', () => {
  it.each(['till-7', 'T', '007', 'a.b', '.a', '-', '_', 'console', 'x'.repeat(64)])(
    '%s names a till',
    (id) => {
      expect(isTerminalId(id)).toBe(true);
    },
  );
  it.each(['.', '..', '...', 'a.', 'con', 'NUL', 'nul.txt', 'Lpt1', '', 'a/b', 'a b', 'é', 'x'.repeat(65)])(
    '%s does not',
    (id) => {
      expect(isTerminalId(id)).toBe(false);
    },
  );
  it.each(['.', '..', '....', '', 'a/b'])('%s names no store', (id) => {
    expect(isStoreId(id)).toBe(false);
  });
});
