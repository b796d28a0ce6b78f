import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admit, type AdmittedUnit, type TerminalState } from '../../../services/central-apply/admission.ts';
import {
  announcementUnit,
  FIRST_PREVIOUS_HASH,
  type Unit,
  type UnitRecord,
} from '../../../services/shared/records/unit-record.ts';

const hashOf = (number: number, salt = '') => createHash('sha256').update(`${number}${salt}`).digest();

function unit(number: number, salt = ''): Unit {
  return {
    number,
    firstSeq: number * 10 - 9,
    lastSeq: number * 10,
    hash: hashOf(number, salt),
    previousHash: number === 1 ? FIRST_PREVIOUS_HASH : hashOf(number - 1),
    changes: [],
  };
}

const record = (numbers: readonly number[], options: Partial<UnitRecord> = {}): UnitRecord => ({
  protocol: 1,
  terminal: 'T1',
  incarnation: 'i',
  databaseId: 'd',
  mappingVersion: 1,
  keyVersion: 1,
  part: 1,
  parts: 1,
  units: numbers.map((number) => unit(number)),
  ...options,
});

const state = (): TerminalState => ({
  terminal: 'T1',
  stores: new Map([
    [1, 'S1'],
    [2, 'S2'],
  ]),
  registration: 0,
  status: 'enrolled',
  incarnation: 'i',
  lastUnit: 0,
  lastSeq: 0,
  chainHash: FIRST_PREVIOUS_HASH,
  hashes: new Map(),
  exceptions: '[]',
  knownSeq: 0,
  retireOffset: null,
  others: new Map(),
  left: new Map(),
});

const numbers = (units: readonly AdmittedUnit[]) => units.map(({ unit: { number } }) => number);

test('whatever comes, in whatever order, every unit is admitted once and in order', () => {
  const deliveries = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(deliveries, (records) => {
      const at = state();
      const applied: number[] = [];
      for (const [first, length] of records) {
        const wanted = Array.from({ length }, (_, index) => first + index);
        const { apply, fence } = admit(at, record(wanted));
        expect(fence).toBeNull();
        applied.push(...numbers(apply));
      }
      expect(applied).toEqual(applied.map((_, index) => index + 1));
      expect(at.lastUnit).toBe(applied.length);
      expect(at.lastSeq).toBe(applied.length * 10);
    }),
  );
});

describe('a terminal is fenced', () => {
  test('by the same number with other contents', () => {
    const at = state();
    admit(at, record([1, 2]));
    const { hold, fence } = admit(at, { ...record([]), units: [unit(2, 'other')] });
    expect(hold).toBe('fenced');
    expect(fence).toContain('unit 2');
    expect(admit(at, record([3]))).toMatchObject({ apply: [], hold: 'fenced', fence: null });
  });

  test('also where that number is not the last one', () => {
    const at = state();
    admit(at, record([1, 2, 3]));
    expect(admit(at, record([1, 2]))).toMatchObject({ duplicates: 2, fence: null });
    const { apply, hold, fence } = admit(at, { ...record([]), units: [unit(2, 'other')] });
    expect({ apply, hold }).toEqual({ apply: [], hold: 'fenced' });
    expect(fence).toContain('unit 2');
  });

  test('by a unit that does not follow', () => {
    const at = state();
    admit(at, { ...record([]), units: [unit(1, 'other')] });
    expect(admit(at, record([2]))).toMatchObject({ apply: [], hold: 'fenced' });
    expect(at.lastUnit).toBe(1);
  });

  test('by another incarnation', () => {
    const at = state();
    expect(admit(at, record([1], { incarnation: 'other' }))).toMatchObject({ apply: [], hold: 'fenced' });
  });
});

describe('a file that announces itself', () => {
  const announcement = (incarnation: string, predecessor: string) =>
    record([], {
      incarnation,
      units: [announcementUnit(predecessor, { firstSeq: 1, lastSeq: 1 })],
    });
  const goesOn = { hold: null, fence: null, goesOn: true };

  test('goes on from the current one, whatever that till is fenced for, while no other file waits', () => {
    expect(admit(state(), announcement('new', 'i'))).toMatchObject(goesOn);
    expect(admit({ ...state(), status: 'fenced' }, announcement('new', 'i'))).toMatchObject(goesOn);
    const again: TerminalState = { ...state(), status: 'fenced', others: new Map([['new', 'waiting']]) };
    expect(admit(again, announcement('new', 'i'))).toMatchObject(goesOn);
    const two: TerminalState = { ...state(), others: new Map([['third', 'waiting']]) };
    expect(admit(two, announcement('new', 'i')).fence).toContain('while another one waits');
    expect(two).toMatchObject({ status: 'fenced' });
  });

  test('does not go on by itself where its units would be refused again under any name', () => {
    const at = state();
    admit(at, { ...record([]), units: [{ ...unit(1), registration: 3 }] });
    expect(at).toMatchObject({ status: 'fenced', fencedFor: 'registration' });
    expect(admit(at, announcement('new', 'i'))).toEqual({
      apply: [],
      duplicates: 0,
      hold: null,
      fence: null,
    });
    expect(at.others.get('new')).toBe('waiting');
    // Once an operator has let it go on, the old cause says nothing.
    expect(admit({ ...state(), fencedFor: 'registration' }, announcement('new', 'i'))).toMatchObject(goesOn);
  });

  test('waits behind what waits for the centre', () => {
    for (const more of [{ waits: true }, { refusedTooMuch: true }])
      expect(admit({ ...state(), ...more }, announcement('new', 'i'))).toMatchObject({ hold: 'centre' });
  });

  test('does not go on from one that was followed, and is no news from one that an operator gave up', () => {
    const at: TerminalState = { ...state(), others: new Map([['old', 'followed']]) };
    expect(admit(at, announcement('old', 'x'))).toMatchObject({ hold: null, fence: null });
    expect(admit(at, announcement('two', 'old')).fence).toContain('not the current one');
    expect(at.others.get('two')).toBe('waiting');
    const decided: TerminalState = { ...state(), others: new Map([['old', 'superseded']]) };
    expect(admit(decided, announcement('two', 'old'))).toMatchObject({ hold: null, fence: null });
    expect(decided.others.get('two')).toBe('superseded');
  });

  test('shows that there are two files once the one before sends anything new', () => {
    const followed = (): TerminalState => ({
      ...state(),
      incarnation: 'new',
      others: new Map([['i', 'followed']]),
      left: new Map([['i', { lastUnit: 2, hashes: new Map([[2, hashOf(2)]]) }]]),
    });
    expect(admit(followed(), record([1, 2]))).toMatchObject({ duplicates: 2, hold: null, fence: null });
    for (const units of [[unit(3)], [unit(2, 'other')], [unit(2), unit(3)]]) {
      const at = followed();
      expect(admit(at, record([], { units }))).toMatchObject({ apply: [], hold: 'fenced' });
      expect(at.status).toBe('fenced');
      expect(at.others.get('i')).toBe('waiting');
    }
  });
});

describe('the store of a unit', () => {
  const under = (registration: number | undefined, number: number) => ({
    ...record([]),
    units: [{ ...unit(number), registration }],
  });
  const storeOf = ({ apply }: { apply: readonly AdmittedUnit[] }) => apply.map(({ storeId }) => storeId);

  test('is that of the registration under which it was cut, of one that names none the first', () => {
    const at = state();
    expect(storeOf(admit(at, under(undefined, 1)))).toEqual(['S1']);
    expect(storeOf(admit(at, under(1, 2)))).toEqual(['S1']);
    expect(storeOf(admit(at, under(2, 3)))).toEqual(['S2']);
    expect(at.registration).toBe(2);
  });

  test('never goes back to that of an earlier one: such a unit comes from another copy of the file', () => {
    const at = state();
    admit(at, under(2, 1));
    const { apply, hold, fence } = admit(at, under(1, 2));
    expect({ apply, hold }).toEqual({ apply: [], hold: 'fenced' });
    expect(fence).toContain('goes back to registration 1');
    expect(at).toMatchObject({ lastUnit: 1, registration: 2 });
  });

  test('is unknown under a registration that the centre does not know', () => {
    const at = state();
    const { apply, fence } = admit(at, under(3, 1));
    expect(apply).toEqual([]);
    expect(fence).toContain('registration 3, which the centre does not know');
    expect(at).toMatchObject({ lastUnit: 0, registration: 0 });
  });

  test('does not matter for a unit that was applied before', () => {
    const at = state();
    admit(at, under(1, 1));
    admit(at, under(2, 2));
    expect(admit(at, under(1, 1))).toMatchObject({ duplicates: 1, fence: null });
  });
});

test('a gap and a part are held, and nothing moves', () => {
  const at = state();
  expect(admit(at, record([2]))).toMatchObject({ apply: [], hold: 'gap' });
  expect(admit(at, record([1], { part: 1, parts: 2 }))).toMatchObject({ apply: [], hold: 'part' });
  expect(at.lastUnit).toBe(0);
  admit(at, record([1]));
  expect(admit(at, record([1], { part: 2, parts: 2 }))).toMatchObject({ duplicates: 1, hold: null });
});

test('a till of which too much is refused is held, what it sends again is known, and it goes on once that is decided', () => {
  const at = { ...state(), refusedTooMuch: true };
  expect(admit(at, record([1]))).toMatchObject({ apply: [], hold: 'centre', fence: null });
  expect(at.lastUnit).toBe(0);
  const decided = { ...at, refusedTooMuch: false };
  expect(admit(decided, record([1]))).toMatchObject({ hold: null });
  expect(admit({ ...decided, refusedTooMuch: true }, record([1]))).toMatchObject({
    duplicates: 1,
    hold: null,
  });
});
