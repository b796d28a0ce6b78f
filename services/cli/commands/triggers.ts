import type { Command } from 'commander';
import { PayflowError } from '../../shared/errors.ts';
import { readLocalCatalog } from '../../shared/catalog/local-catalog.ts';
import { bindLocal } from '../../shared/catalog/table-binding.ts';
import { triggerStatusColumns } from '../../terminal-agent/till/status-columns.ts';
import { isCapturable } from '../../terminal-agent/till/sync-install.ts';
import { triggersOf } from '../../terminal-agent/till/triggers.ts';
import { readMapping } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withTillFile } from '../till/till-file.ts';

export function triggersCommand(cli: Cli): Command {
  return cli
    .command('triggers', 'the triggers that the agent keeps in payflow.db', [
      'triggers show --terminal-db payflow.db',
    ])
    .addCommand(showCommand(cli));
}

interface ShownTrigger {
  readonly table: string;
  readonly name: string;
  readonly sql: string;
}

function showCommand(cli: Cli): Command {
  const command = cli
    .command('show', 'print their SQL for this file and mapping, for review; nothing is changed', [
      'triggers show --terminal-db payflow.db > triggers.sql',
    ])
    .option('--terminal-db <file>', 'the till file; default: TERMINAL_DB');
  return withJson(command).action(
    cli.action(async ({ terminalDb, json }: JsonOption & { terminalDb?: string }) => {
      const file = terminalDb ?? cli.config.terminalDb;
      if (file === undefined) throw new PayflowError('USAGE', '--terminal-db is needed');
      const triggers = readTriggers(cli, file);
      if (json === true) cli.output.json(triggers);
      else for (const { sql } of triggers) cli.output.line(`${sql.trim().replace(/;?$/, ';')}\n`);
      return EXIT.yes;
    }),
  );
}

function readTriggers(cli: Cli, file: string): ShownTrigger[] {
  const mapping = readMapping(cli.config);
  return withTillFile(file, (db) =>
    [...bindLocal(mapping, readLocalCatalog(db)).tables.values()].filter(isCapturable).flatMap((table) =>
      triggersOf(table, triggerStatusColumns(db, table)).map(({ name, sql }) => ({
        table: table.local.name,
        name,
        sql,
      })),
    ),
  );
}
