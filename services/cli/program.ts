/** The program: all commands, and how errors end. */
import { CommanderError, type Command } from 'commander';
import { asPayflowError, errorLine, PayflowError } from '../shared/errors.ts';
import { Cli, type CliOptions } from './cli.ts';
import { EXIT, exitCodeOf, type ExitCode } from './exit-code.ts';
import { productVersion } from '../shared/version.ts';

type CreateCommand = (cli: Cli) => Command;

/** Each is loaded only when it is called: `payflow status` needs neither a Kafka client nor a gateway. */
const COMMANDS: Readonly<Record<string, () => Promise<CreateCommand>>> = {
  up: async () => (await import('./commands/up.ts')).upCommand,
  run: async () => (await import('./commands/run.ts')).runCommand,
  setup: async () => (await import('./commands/setup.ts')).setupCommand,
  terminals: async () => (await import('./commands/terminals.ts')).terminalsCommand,
  enroll: async () => (await import('./commands/enroll.ts')).enrollCommand,
  bootstrap: async () => (await import('./commands/bootstrap.ts')).bootstrapCommand,
  parity: async () => (await import('./commands/parity.ts')).parityCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  sync: async () => (await import('./commands/sync.ts')).syncCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  'dead-letters': async () => (await import('./commands/dead-letters.ts')).deadLettersCommand,
  conflicts: async () => (await import('./commands/conflicts.ts')).conflictsCommand,
  refused: async () => (await import('./commands/refused.ts')).refusedCommand,
  held: async () => (await import('./commands/held.ts')).heldCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  snapshot: async () => (await import('./commands/snapshot.ts')).snapshotCommand,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  mapping: async () => (await import('./commands/mapping.ts')).mappingCommand,
  triggers: async () => (await import('./commands/triggers.ts')).triggersCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
};

/** The one that is called; all of them where help lists them, or to suggest what was meant. */
async function commandsFor(args: readonly string[]): Promise<CreateCommand[]> {
  const [first = ''] = args;
  const one = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  return Promise.all((one === undefined ? Object.values(COMMANDS) : [one]).map((load) => load()));
}

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
  for (const create of await commandsFor(args)) program.addCommand(create(cli));
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
