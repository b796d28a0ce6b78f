import { describe, expect, it } from 'vitest';
import {
  leftByChildren,
  ruleOfRead,
  union,
  without,
  type ParentEvent,
  type Places,
} from '../../../../services/central-capture/routing/parent-rule.ts';

describe('a parent that had to be read', () => {
  it.each([
    // there, whole, awaited → kept, waits, looked at
    [true, true, false, true, false, false],
    [true, true, true, true, false, true],
    [true, false, false, false, false, true],
    [true, false, true, false, false, true],
    [false, true, false, false, true, false],
    [false, true, true, false, true, false],
    [false, false, false, false, true, true],
    [false, false, true, false, true, true],
  ])('there %s, whole %s, awaited %s', (isThere, isWhole, isAwaited, isKept, waits, isLookedAt) => {
    expect(ruleOfRead({ isThere, isWhole, isAwaited })).toEqual({ isKept, waits, isLookedAt });
  });
});

describe('what children leave', () => {
  it.each<[ParentEvent['kind'], Places, string | null, boolean, Places | undefined]>([
    ['inserted', [], 'n', false, undefined],
    ['inserted', [], 'n', true, []],
    ['inserted', ['n'], 'n', false, undefined],
    ['inserted', ['n'], 'n', true, []],
    ['inserted', ['s'], 'n', false, ['s']],
    ['inserted', ['s', 'n'], 'n', true, ['s']],
    ['changed', ['n'], 'n', true, undefined],
    ['changed', ['s'], 'n', false, ['s']],
    ['changed', ['s'], null, false, ['s']],
    ['changed', 'everywhere', 'n', false, 'everywhere'],
    ['deleted', ['n'], null, false, ['n']],
    ['deleted', [], null, false, []],
  ])('%s, before %j, now %s, awaited %s', (kind, before, now, isAwaited, left) => {
    expect(leftByChildren({ kind, before, now, isAwaited })).toEqual(left);
  });

  it('places are joined and taken away', () => {
    expect(union(['a'], ['b', 'a'])).toEqual(['a', 'b']);
    expect(union(['a'], 'everywhere')).toBe('everywhere');
    expect(without(['a', 'b'], 'a')).toEqual(['b']);
    expect(without('everywhere', 'a')).toBe('everywhere');
  });
});
