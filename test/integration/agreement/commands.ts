/** What can happen in the world, as plain data, so that a failing run prints as the list of its steps. */
import fc from 'fast-check';

export type Table = 'items' | 'tickets';

export type Migration =
  'add column' | 'drop column' | 'rename column' | 'rename table' | 'backup' | 'drop ours';

export type Command =
  /** The app on a till. `pick` chooses among the rows that are there. */
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'insert';
      readonly table: Table | 'lines';
      readonly pick: number;
    }
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'rename';
      readonly table: Table;
      readonly pick: number;
    }
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'move stock';
      readonly pick: number;
      readonly amount: number;
    }
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'delete';
      readonly table: Table | 'lines';
      readonly pick: number;
    }
  /** As an app's update does it, with edits in the same transaction. */
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'rebuild';
      readonly table: Table | 'lines';
      readonly pick: number;
      readonly amount: number;
    }
  /** An update of the app, or a tool, changes the schema; `agent`: while it does so. */
  | {
      readonly at: 'till';
      readonly till: number;
      readonly does: 'migrate';
      readonly how: Migration;
      readonly table: Table | 'lines';
      readonly pick: number;
      readonly agent: 'runs' | 'looks between' | 'is away';
    }
  /** Head office. */
  | { readonly at: 'centre'; readonly does: 'insert'; readonly table: Table; readonly pick: number }
  | { readonly at: 'centre'; readonly does: 'rename'; readonly table: Table; readonly pick: number }
  | { readonly at: 'centre'; readonly does: 'move stock'; readonly pick: number; readonly amount: number }
  | { readonly at: 'centre'; readonly does: 'delete'; readonly table: Table; readonly pick: number }
  /** The agent, one step at a time. */
  | {
      readonly at: 'agent';
      readonly till: number;
      readonly does: 'cut' | 'publish' | 'publish again' | 'restart' | 'look through';
    }
  | {
      readonly at: 'agent';
      readonly till: number;
      readonly does: 'read';
      readonly stream: 'catalog' | 'store';
      readonly records: number;
    }
  | { readonly at: 'apply'; readonly does: 'read'; readonly records: number }
  | { readonly at: 'apply'; readonly does: 'read again'; readonly back: number }
  | { readonly at: 'log'; readonly does: 'compact'; readonly stream: 'catalog' | 'store' };

const pick = fc.nat(999);
const till = fc.nat(2);
const amount = fc.integer({ min: -5, max: 5 }).filter((value) => value !== 0);
const table = fc.constantFrom<Table>('items', 'tickets');
const anyTable = fc.constantFrom<Table | 'lines'>('items', 'tickets', 'lines');
const stream = fc.constantFrom<'catalog' | 'store'>('catalog', 'store');
const records = fc.integer({ min: 1, max: 12 });

const rebuild = fc.record({
  at: fc.constant('till'),
  till,
  does: fc.constant('rebuild'),
  table: anyTable,
  pick,
  amount,
} as const);

const migrate = fc.record({
  at: fc.constant('till'),
  till,
  does: fc.constant('migrate'),
  how: fc.constantFrom<Migration>(
    'add column',
    'drop column',
    'rename column',
    'rename table',
    'backup',
    'drop ours',
  ),
  table: anyTable,
  pick,
  agent: fc.constantFrom('runs', 'looks between', 'is away'),
} as const);

export const atTill = fc.oneof(
  fc.record({ at: fc.constant('till'), till, does: fc.constant('insert'), table: anyTable, pick } as const),
  fc.record({ at: fc.constant('till'), till, does: fc.constant('rename'), table, pick } as const),
  fc.record({ at: fc.constant('till'), till, does: fc.constant('move stock'), pick, amount } as const),
  fc.record({ at: fc.constant('till'), till, does: fc.constant('delete'), table: anyTable, pick } as const),
);
export const atCentre = fc.oneof(
  fc.record({ at: fc.constant('centre'), does: fc.constant('insert'), table, pick } as const),
  fc.record({ at: fc.constant('centre'), does: fc.constant('rename'), table, pick } as const),
  fc.record({ at: fc.constant('centre'), does: fc.constant('move stock'), pick, amount } as const),
  fc.record({ at: fc.constant('centre'), does: fc.constant('delete'), table, pick } as const),
);
export const steps = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      at: fc.constant('agent'),
      till,
      does: fc.constantFrom('cut', 'publish'),
    } as const),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      at: fc.constant('agent'),
      till,
      does: fc.constantFrom('publish again', 'restart', 'look through'),
    } as const),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      at: fc.constant('agent'),
      till,
      does: fc.constant('read'),
      stream,
      records,
    } as const),
  },
  {
    weight: 3,
    arbitrary: fc.record({ at: fc.constant('apply'), does: fc.constant('read'), records } as const),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      at: fc.constant('apply'),
      does: fc.constant('read again'),
      back: fc.integer({ min: 1, max: 6 }),
    } as const),
  },
  {
    weight: 1,
    arbitrary: fc.record({ at: fc.constant('log'), does: fc.constant('compact'), stream } as const),
  },
);

/** Runs of 40 to 90 commands, about as many edits as steps of the machinery. */
export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    { weight: 16, arbitrary: atTill },
    { weight: 4, arbitrary: rebuild },
    { weight: 4, arbitrary: migrate },
    { weight: 8, arbitrary: atCentre },
    { weight: 32, arbitrary: steps },
  ),
  { minLength: 40, maxLength: 90, size: 'max' },
);
