import { expect, it } from 'vitest';
import { repairOf } from '../../../../services/gateway/verify/repair.ts';

it.each([
  ['the till', ['till'], 'both', { offers: true, readsAgain: false }],
  ['the centre', ['centre'], 'both', { offers: false, readsAgain: true }],
  ['nobody knows which', ['unknown'], 'push', { offers: false, readsAgain: true }],
  ['each of some rows', ['till', 'centre'], 'both', { offers: true, readsAgain: true }],
  ['the centre, where rows only go up', ['centre'], 'pull', { offers: false, readsAgain: false }],
  ['the till, where rows only go up', ['till'], 'pull', { offers: true, readsAgain: false }],
] as const)('where %s is newer', (_, sides, direction, expected) => {
  expect(
    repairOf(
      sides.map((newer) => ({ newer })),
      { direction },
    ),
  ).toEqual(expected);
});
