/** A service as a process of its own, run from the sources, for what only kill -9 can show. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Environment } from '../../services/shared/config.ts';
import { packageRoot } from '../../services/shared/paths.ts';
import { until } from '../../scripts/support/until.ts';

export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #lines: string[] = [];

  /** Starts `payflow run <name>`, or any other command; does not wait. */
  constructor(command: string | readonly string[], env: Environment) {
    const words = typeof command === 'string' ? ['run', command] : command;
    this.#child = spawn(process.execPath, ['services/cli/main.ts', ...words], {
      cwd: packageRoot(),
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#lines.push(line));
    }
  }

  /** Starts it and waits until it is ready. */
  static async ready(command: string | readonly string[], env: Environment): Promise<ServiceProcess> {
    const started = new ServiceProcess(command, env);
    await started.says('"msg":"ready"');
    return started;
  }

  /** What it printed, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  async says(text: string): Promise<void> {
    await until(
      () => this.#lines.some((line) => line.includes(text)),
      () => `it says ${text}:\n${this.#lines.slice(-15).join('\n')}`,
    );
  }

  /** Neither ends it nor lets it end: it hangs, and SIGCONT lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** By default kill -9; waits until it is gone. */
  async kill(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(name);
    await this.#ended;
  }
}
