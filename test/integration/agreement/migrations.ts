/** What an app's update, or a tool that makes its schema, does to the tables of a till, step by step. */
import { unreachable } from '../../../services/shared/errors.ts';
import type { Command } from './commands.ts';
import type { ModelTill } from './till.ts';

export type MigrateCommand = Extract<Command, { does: 'migrate' }>;

export interface AppHand {
  /** Edits the row of the table that the command picks. */
  readonly edit: (column: string) => void;
  /** Sells something in another table. */
  readonly sell: () => void;
}

/** One statement, or several in one transaction; or what the app does between two of them. */
type Step = string | (() => void);

/** Others prove that the file is ours, and others hold what a till that loses them gives way in; see lost-tables.ts. */
const DROPPED = [
  'sync_silence',
  'sync_delta',
  'sync_column',
  'sync_table',
  'sync_table; DROP TABLE sync_column',
  'sync_stream',
  'sync_parked',
  'sync_sweep',
  'sync_unseen; DROP TABLE sync_reread; DROP TABLE sync_seeded',
];

/** The agent looks between any two steps, or only behind them, or is away meanwhile. */
export async function migrate(till: ModelTill, command: MigrateCommand, hand: AppHand): Promise<void> {
  const { agent } = command;
  if (agent === 'is away') till.stop();
  till.app.pragma('foreign_keys = OFF');
  for (const step of stepsOf(till, command, hand)) {
    if (typeof step === 'string') till.app.exec(step);
    else step();
    if (agent === 'looks between') await till.lookThrough();
  }
  till.app.pragma('foreign_keys = ON');
  if (agent === 'is away') await till.start();
  else till.agent.till.appCommitted();
  // As the app's next read does.
  till.app.prepare('SELECT count(*) FROM items').get();
}

function stepsOf(till: ModelTill, { how, table, pick }: MigrateCommand, { edit, sell }: AppHand): Step[] {
  const columns = columnsOf(till, table);
  const hasNote = columns.includes('note');
  switch (how) {
    case 'add column':
      return [...(hasNote ? [] : [`ALTER TABLE ${table} ADD COLUMN note TEXT`]), () => edit('note')];
    case 'drop column':
      return hasNote ? [`ALTER TABLE ${table} DROP COLUMN note`] : [];
    case 'rename column': {
      const column = columns[pick % columns.length] ?? '';
      return [`ALTER TABLE ${table} RENAME COLUMN ${column} TO ${inOtherCase(column)}`];
    }
    case 'rename table': {
      const name = nameOf(till, table);
      return [
        `ALTER TABLE ${name} RENAME TO on_the_way`,
        sell,
        `ALTER TABLE on_the_way RENAME TO ${inOtherCase(name)}`,
      ];
    }
    case 'backup':
      return backupSteps(till, table, sell);
    case 'drop ours':
      return pick % 2 === 0
        ? [ownTriggers(till).join('; ')]
        : [`BEGIN; DROP TABLE ${DROPPED[(pick >> 1) % DROPPED.length]}; COMMIT`];
    default:
      return unreachable(how);
  }
}

/** Without a transaction, and with other work in between. */
function backupSteps(till: ModelTill, table: string, sell: () => void): Step[] {
  const name = nameOf(till, table);
  const steps = [
    `CREATE TABLE backup AS SELECT * FROM ${table}`,
    sell,
    `DROP TABLE ${table}`,
    sell,
    sqlOf(till, table),
    `INSERT INTO ${name} SELECT * FROM backup`,
    'DROP TABLE backup',
  ];
  // One row that is gone, and stays so for seconds, was deleted; of several nobody says so.
  const kept = till.app
    .prepare<[], number>(`SELECT count(*) FROM sync_row_${table} WHERE row_key IS NOT NULL`)
    .pluck()
    .get();
  return (kept ?? 0) > 1
    ? steps
    : [`BEGIN; ${steps.filter((step) => typeof step === 'string').join('; ')}; COMMIT`];
}

/** As the mapping writes them, at the end: what is compared then is read by an independent hand. */
export function restoreNames(till: ModelTill): void {
  for (const table of ['items', 'tickets', 'lines'])
    for (const column of columnsOf(till, table))
      if (column !== column.toLowerCase())
        till.app.exec(`ALTER TABLE ${table} RENAME COLUMN ${column} TO ${column.toLowerCase()}`);
  till.agent.till.appCommitted();
}

function inOtherCase(name: string): string {
  return name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase();
}

function columnsOf({ app }: ModelTill, table: string): string[] {
  return app.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
}

function nameOf({ app }: ModelTill, table: string): string {
  const sql = `SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE`;
  return app.prepare<[string], string>(sql).pluck().get(table) ?? table;
}

export function sqlOf({ app }: ModelTill, table: string): string {
  const sql = `SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE`;
  return app.prepare<[string], string>(sql).pluck().get(table) ?? '';
}

function ownTriggers({ app }: ModelTill): string[] {
  return app
    .prepare<[], string>(
      `SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'sync_*'`,
    )
    .pluck()
    .all();
}
