/** What a command is given, and the one way in which its action runs. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import { loadConfig, type Config, type Environment } from '../shared/config.ts';
import { createLogger } from '../shared/logging.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import type { Output } from './terminal-output.ts';

export interface CliOptions {
  readonly env: Environment;
  readonly output: Output;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

export class Cli {
  readonly env: Environment;
  readonly output: Output;
  readonly signal: AbortSignal;
  exitCode: ExitCode = EXIT.yes;
  #config: Config | undefined;

  constructor(options: CliOptions) {
    this.env = options.env;
    this.output = options.output;
    this.signal = options.signal;
  }

  /** @throws PayflowError CONFIG_INVALID */
  get config(): Config {
    return (this.#config ??= loadConfig(this.env));
  }

  /** For services: everything from LOG_LEVEL on. */
  serviceLog(): Logger {
    return createLogger({ level: this.config.logLevel });
  }

  /** For single commands: what they do inside is only told when it goes wrong, unless LOG_LEVEL says more. */
  commandLog(): Logger {
    const { logLevel } = this.config;
    return createLogger({ level: logLevel === 'info' ? 'error' : logLevel });
  }

  /** @param examples lines shown under --help, without `payflow` unless variables stand before it */
  command(name: string, description: string, examples: readonly string[] = []): Command {
    const command = new Command(name).description(description);
    if (examples.length > 0) {
      const shown = examples.map((line) => (/^[A-Z_]+=/.test(line) ? line : `payflow ${line}`));
      command.addHelpText('after', `\nExamples:\n${shown.map((line) => `  $ ${line}`).join('\n')}`);
    }
    return command;
  }

  /** Turns an action that answers with an exit code into what commander calls. */
  action<Arguments extends unknown[]>(
    body: (...args: Arguments) => Promise<ExitCode>,
  ): (...args: Arguments) => Promise<void> {
    return async (...args) => {
      this.exitCode = await body(...args);
    };
  }
}

export interface JsonOption {
  readonly json?: true;
}

/** `--json` on every command that reads. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON document');
}
