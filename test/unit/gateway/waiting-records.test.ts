/** What a held record waits for, in words. */
import { describe, expect, it } from 'vitest';
import { waitsFor } from '../../../services/gateway/waiting-records.ts';

const held = (over: Partial<Parameters<typeof waitsFor>[0]>) => ({
  heldId: '1',
  terminalId: 'till-7',
  incarnation: 'i',
  unit: 9,
  part: 1,
  parts: 1,
  reason: 'gap',
  heldAt: '',
  sizeBytes: 1,
  lastUnit: 7,
  ...over,
});

describe('a held record', () => {
  it.each([
    [{}, 'unit 8 of till-7'],
    [{ lastUnit: 4 }, 'units 5 to 8 of till-7'],
    [{ reason: 'part', parts: 3 }, 'the other parts of its 3'],
    [{ reason: 'fenced' }, 'payflow terminals show till-7'],
    [{ reason: 'centre' }, 'the cause at the centre'],
    [{ reason: 'something new' }, 'something new'],
  ])('says what it waits for: %j', (over, expected) => {
    expect(waitsFor(held(over))).toContain(expected);
  });
});
