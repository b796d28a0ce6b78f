/** What can happen in a world with a DBA, as plain data. */
import fc from 'fast-check';
import { atCentre, atTill, steps, type Command } from '../commands.ts';
import { PARTITION_DEEDS } from './partition-deeds.ts';
import { PUBLICATION_DEEDS } from './publication-deeds.ts';
import { TABLE_DEEDS } from './table-deeds.ts';

export const DEEDS = { ...PARTITION_DEEDS, ...TABLE_DEEDS, ...PUBLICATION_DEEDS };

export type DeedName = keyof typeof DEEDS;

export type SlotDeed = 'slot dropped' | 'slot made again' | 'slot advanced';

export type DbaCommand =
  | Command
  | {
      readonly at: 'dba';
      readonly does: DeedName;
      readonly pick: number;
      /** Capture looks at what is done to half. */
      readonly seenHalfway: boolean;
      /** The last transaction commits only when somebody needs it. */
      readonly held: boolean;
    }
  /** Until somebody needs the table. */
  | { readonly at: 'dba'; readonly does: 'table renamed away' | 'rows secured'; readonly pick: number }
  | { readonly at: 'dba'; readonly does: SlotDeed; readonly pick: number }
  | { readonly at: 'capture'; readonly does: 'stop' | 'start' | 'lose its connection' };

const pick = fc.nat(999);
const rare = { weight: 1 };

const atDba: fc.Arbitrary<DbaCommand> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      at: fc.constant('dba'),
      does: fc.constantFrom(...(Object.keys(DEEDS) as DeedName[])),
      pick,
      seenHalfway: fc.boolean(),
      held: fc.boolean(),
    } as const),
  },
  {
    ...rare,
    arbitrary: fc.record({
      at: fc.constant('dba'),
      does: fc.constantFrom('table renamed away', 'rows secured'),
      pick,
    } as const),
  },
  {
    ...rare,
    arbitrary: fc.record({
      at: fc.constant('dba'),
      does: fc.constantFrom<SlotDeed>('slot dropped', 'slot made again', 'slot advanced'),
      pick,
    } as const),
  },
);

const atCapture: fc.Arbitrary<DbaCommand> = fc.record({
  at: fc.constant('capture'),
  does: fc.constantFrom('stop', 'start', 'start', 'lose its connection'),
} as const);

/** Runs of 40 to 80 commands; every sixth is the DBA's. */
export const dbaCommands: fc.Arbitrary<DbaCommand[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: atTill },
    { weight: 2, arbitrary: atCentre },
    { weight: 6, arbitrary: steps },
    { weight: 3, arbitrary: atDba },
    { weight: 1, arbitrary: atCapture },
  ),
  { minLength: 40, maxLength: 80, size: 'max' },
);
