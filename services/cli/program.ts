/** The program: all commands, and how errors end. */
import { CommanderError, type Command } from 'commander';
import { asPayflowError, errorLine, PayflowError } from '../shared/errors.ts';
import { Cli, type CliOptions } from './cli.ts';
import { bootstrapCommand } from './commands/bootstrap.ts';
import { configCommand } from './commands/config.ts';
import { conflictsCommand } from './commands/conflicts.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { enrollCommand } from './commands/enroll.ts';
import { heldCommand } from './commands/held.ts';
import { mappingCommand } from './commands/mapping.ts';
import { parityCommand } from './commands/parity.ts';
import { refusedCommand } from './commands/refused.ts';
import { replayCommand } from './commands/replay.ts';
import { runCommand } from './commands/run.ts';
import { setupCommand } from './commands/setup.ts';
import { statusCommand } from './commands/status.ts';
import { syncCommand } from './commands/sync.ts';
import { terminalsCommand } from './commands/terminals.ts';
import { tokenCommand } from './commands/token.ts';
import { triggersCommand } from './commands/triggers.ts';
import { upCommand } from './commands/up.ts';
import { EXIT, exitCodeOf, type ExitCode } from './exit-code.ts';
import { productVersion } from './version.ts';

const COMMANDS = [
  upCommand,
  runCommand,
  setupCommand,
  terminalsCommand,
  enrollCommand,
  bootstrapCommand,
  parityCommand,
  syncCommand,
  statusCommand,
  deadLettersCommand,
  conflictsCommand,
  refusedCommand,
  heldCommand,
  replayCommand,
  mappingCommand,
  triggersCommand,
  tokenCommand,
  configCommand,
];

/** @param args without the program's own name; @returns the exit code, never throws */
export async function runCli(args: readonly string[], options: CliOptions): Promise<ExitCode> {
  const cli = new Cli(options);
  const program = cli
    .command('payflow', 'Keeps tills (SQLite) and the centre (PostgreSQL) consistent: pull ↑, push ↓.', [
      'up --terminal till-1=./payflow.db@berlin-1',
      'status',
      'sync --terminal till-1 --wait',
    ])
    .version(productVersion())
    .showSuggestionAfterError(true);
  for (const create of COMMANDS) program.addCommand(create(cli));
  prepare(program, options);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return cli.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return afterCommander(thrown, options);
    const error = asPayflowError(thrown);
    options.output.note(errorLine(error));
    return exitCodeOf(error);
  }
}

/** Commander neither exits nor prints errors by itself, in any of the commands. */
function prepare(command: Command, options: CliOptions): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => options.output.line(text.trimEnd()),
    writeErr: (text) => options.output.note(text.trimEnd()),
    outputError: () => undefined,
  });
  for (const child of command.commands) prepare(child, options);
}

function afterCommander(error: CommanderError, { output }: CliOptions): ExitCode {
  // Asked for help or the version; without any command the help was shown as an error.
  if (error.exitCode === 0) return EXIT.yes;
  if (error.code === 'commander.help') return EXIT.usage;
  output.note(errorLine(new PayflowError('USAGE', error.message.replace(/^error: /, ''))));
  return EXIT.usage;
}
