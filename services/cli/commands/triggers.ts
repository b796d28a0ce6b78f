import Database from 'better-sqlite3';
import type { Command } from 'commander';
import { withoutTables, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { PayflowError } from '../../shared/errors.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { loadIdentity } from '../../terminal-agent/identity.ts';
import { identityOf } from '../till/till-place.ts';
import { OPEN_ENTRIES_SQL } from '../../terminal-agent/file/outbox-schema.ts';
import { numbered } from '../../terminal-agent/file/captured-tables.ts';
import { keyTriggers } from '../../terminal-agent/file/key-triggers.ts';
import { dropOwnTables } from '../../terminal-agent/file/own-tables.ts';
import { markAllUnswept } from '../../terminal-agent/file/unswept.ts';
import { bindFile } from '../../terminal-agent/till/recorded-names.ts';
import { installSync, isCapturable, removeTriggers } from '../../terminal-agent/till/sync-install.ts';
import { isOldFile } from '../../terminal-agent/take-over/old-file.ts';
import { prepareTakeOver } from '../../terminal-agent/take-over/prepare.ts';
import { installOver } from '../../terminal-agent/take-over/take-over.ts';
import { LOCAL_SCHEMA } from '../../terminal-agent/till/local-schema.ts';
import { newestMapping } from '../../terminal-agent/till/file-mapping.ts';
import { readMapping } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { besideAgent, changeTillFile, withTillFile } from '../till/till-file.ts';

export function triggersCommand(cli: Cli): Command {
  return cli
    .command('triggers', 'the triggers that the agent keeps in payflow.db', [
      'triggers show --terminal-db payflow.db',
      'triggers install --terminal-db payflow.db',
      'triggers sweep --terminal-db payflow.db',
      'triggers remove --terminal-db payflow.db',
    ])
    .addCommand(showCommand(cli))
    .addCommand(installCommand(cli))
    .addCommand(sweepCommand(cli))
    .addCommand(removeCommand(cli));
}

interface FileOption {
  readonly terminalDb?: string;
}

function onFile(command: Command): Command {
  return command.option('--terminal-db <file>', 'the till file; default: TERMINAL_DB');
}

function fileOf(cli: Cli, { terminalDb }: FileOption): string {
  const file = terminalDb ?? cli.config.terminalDb;
  if (file === undefined) throw new PayflowError('USAGE', '--terminal-db is needed');
  return file;
}

/** On an enrolled till the mapping that its agent uses; elsewhere MAPPING_FILE. */
function mappingFor(cli: Cli, db: SqliteDatabase): Mapping {
  const dataDir = identityOf(cli, db);
  if (dataDir === undefined) return readMapping(cli.config);
  const { mapping } = loadIdentity(dataDir);
  return newestMapping(db, parseMapping(mapping.source, mapping.version)).mapping;
}

interface ShownObject {
  readonly table: string;
  readonly name: string;
  readonly sql: string;
}

function showCommand(cli: Cli): Command {
  const command = cli.command(
    'show',
    'print their SQL for this file and mapping, for review; nothing is changed',
    ['triggers show --terminal-db payflow.db > triggers.sql'],
  );
  return withJson(onFile(command)).action(
    cli.action(async (options: JsonOption & FileOption) => {
      const shown = withTillFile(fileOf(cli, options), (db) =>
        objectsOf(db, bindFile(db, mappingFor(cli, db))),
      );
      if (options.json === true) cli.output.json(shown);
      else for (const { sql } of shown) cli.output.line(`${sql.trim().replace(/;?$/, ';')}\n`);
      return EXIT.yes;
    }),
  );
}

/** Everything of ours that stands on the app's tables. */
function objectsOf(db: SqliteDatabase, { tables }: LocalBinding): ShownObject[] {
  const numbers = numbersOf(db);
  return [...tables.values()].filter(isCapturable).flatMap((table) => {
    const triggers = keyTriggers(numbered(numbers, table));
    return triggers.map(({ name, sql }) => ({ table: table.local.name, name, sql }));
  });
}

function installCommand(cli: Cli): Command {
  const command = cli.command(
    'install',
    'put them into the file ahead of the agent (which does it by itself): from then on changes are recorded',
    ['triggers install --terminal-db payflow.db'],
  );
  return onFile(command).action(
    cli.action(async (options: FileOption) => {
      const file = fileOf(cli, options);
      const log = cli.commandLog();
      const { signal } = cli;
      const taking = { file, mappingFor: (db: SqliteDatabase) => mappingFor(cli, db), signal, log };
      if (!(await prepareTakeOver(taking))) {
        cli.output.line(`stopped: what is not taken over yet of ${file} goes on being recorded as before`);
        return EXIT.failed;
      }
      const { count, failed } = changeTillFile(file, (db) => {
        const binding = bindFile(db, mappingFor(cli, db));
        const { installed, failed } = installOver(db, binding, () => {
          const failed = installSync(db, binding, log);
          return { failed, installed: withoutTables(binding, failed) };
        });
        return { count: objectsOf(db, installed).length, failed };
      });
      cli.output.line(`${count} triggers and indexes are in ${file}`);
      for (const [table, why] of failed) cli.output.line(`${table} can not be captured: ${why}`);
      return failed.size === 0 ? EXIT.yes : EXIT.no;
    }),
  );
}

function sweepCommand(cli: Cli): Command {
  const command = cli
    .command(
      'sweep',
      'have every table looked through for what was written without them; the agent does it, at once or at its start',
      ['triggers sweep --terminal-db payflow.db', 'triggers sweep --deletes'],
    )
    .option('--deletes', 'rows that are gone were deleted, also where they were most of their table');
  return onFile(command).action(
    cli.action((options: FileOption & { deletes?: true }) => {
      const file = fileOf(cli, options);
      const tables = besideAgent(file, (db) => markAllUnswept(db, { deletes: options.deletes === true }));
      cli.output.line(`${tables} tables of ${file} will be looked through by the agent`);
      return Promise.resolve(EXIT.yes);
    }),
  );
}

function removeCommand(cli: Cli): Command {
  const command = cli
    .command(
      'remove',
      'take them off the app’s tables; what the app does then is not recorded, until the agent starts again',
      ['triggers remove --terminal-db payflow.db', 'triggers remove --all --terminal-db payflow.db'],
    )
    .option(
      '--all',
      'our tables too: the file is as the app made it; an agent that starts on it later offers its rows as new to it',
    )
    .option('--force', 'even if recorded changes have not reached the centre');
  return onFile(command).action(
    cli.action(async (options: FileOption & { force?: true; all?: true }) => {
      const file = fileOf(cli, options);
      const { triggers, tables } = changeTillFile(file, (db) => {
        const open = unsettledChanges(db);
        if (open > 0 && options.force !== true) {
          throw new PayflowError(
            'CONFLICT',
            `${open} changes in ${file} are not settled; --force removes anyway`,
          );
        }
        const triggers = removeTriggers(db);
        return { triggers, tables: options.all === true ? dropOwnTables(db) : [] };
      });
      const also = options.all === true ? ` and ${tables.length} tables` : '';
      cli.output.line(`${triggers.length} triggers and indexes${also} removed from ${file}`);
      return EXIT.yes;
    }),
  );
}

/** Of a file of the version before. */
const OLD_OPEN_SQL = 'SELECT count(*) FROM sync_outbox WHERE outcome IS NULL';

/** Changes that were recorded and that nobody has cut yet, or that are not settled. */
function unsettledChanges(db: SqliteDatabase): number {
  const hasOutbox = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sync_outbox'`).get();
  if (hasOutbox === undefined) return 0;
  const sql = isOldFile(db) ? OLD_OPEN_SQL : OPEN_ENTRIES_SQL;
  return db.prepare<[], number>(sql).pluck().get() ?? 0;
}

/** By which triggers name tables and columns: those of the file, and for what is new there the next ones. */
function numbersOf(db: SqliteDatabase): SqliteDatabase {
  const copy = new Database(':memory:');
  copy.exec(LOCAL_SCHEMA);
  for (const table of ['sync_table', 'sync_column']) {
    const isThere = db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table);
    const rows =
      isThere === undefined ? [] : (db.prepare(`SELECT * FROM ${table}`).raw().all() as unknown[][]);
    for (const row of rows)
      copy.prepare(`INSERT INTO ${table} VALUES (${row.map(() => '?').join(', ')})`).run(...row);
  }
  return copy;
}
