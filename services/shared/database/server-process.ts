/**
 * A server program that we start for ourselves (PostgreSQL, a Kafka broker) and that must not outlive us.
 *
 * Signal handlers cannot promise that: they do not run on kill -9. So a small shell, the guard, reads a pipe
 * from this process; the kernel closes the pipe however this process ends, and the guard then stops the
 * server and removes its folder. The server has a process group of its own, so that a Ctrl-C meant for us
 * lets us stop it in order. Windows has no such shell; there the server is stopped by `dispose()` only.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { PayflowError } from '../errors.ts';
import { sleep } from '../lifecycle.ts';

const GUARD = `
pid=
while read -r next; do pid=$next; done
if [ -n "$pid" ] && kill -s "$1" "$pid" 2>/dev/null; then
  tries=0
  while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL "$pid" 2>/dev/null
fi
[ -z "$2" ] || rm -rf -- "$2"
`;

const EXIT_DEADLINE_MS = 30_000;
const PROBE_EVERY_MS = 50;
const LOG_TAIL_LINES = 6;

export interface ServerProcessOptions {
  /** For messages: `PostgreSQL`, `Kafka`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** Removed when the server is disposed of, or when this process dies. */
  readonly temporaryFolder?: string;
  /** How the guard stops an orphan; PostgreSQL takes its own children along on QUIT only. */
  readonly orphanSignal: 'QUIT' | 'KILL';
}

export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #guard: ChildProcess | undefined;
  #child: ChildProcess | undefined;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#guard = startGuard(options);
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the program and waits until `probe` answers true; throws with the end of its log otherwise. */
  async start(probe: () => Promise<boolean>, deadlineMs: number): Promise<void> {
    const { name, command, args, env, uid, gid, logFile } = this.#options;
    const log = openSync(logFile, 'a');
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      ...(env === undefined ? {} : { env }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    closeSync(log);
    let spawnError: Error | undefined;
    child.on('error', (error) => (spawnError = error));
    // A process id that is free again may become somebody else's: the guard must forget it.
    child.once('exit', () => {
      if (this.#child === child) this.#tellGuard(undefined);
    });
    child.unref();
    this.#child = child;
    this.#tellGuard(child.pid);
    const deadline = Date.now() + deadlineMs;
    while (!(await probe())) {
      if (spawnError !== undefined || !this.running) {
        throw this.#failure(`${name} ended while starting`, spawnError);
      }
      if (Date.now() > deadline) throw this.#failure(`${name} was not up within ${deadlineMs / 1000} s`);
      await sleep(PROBE_EVERY_MS);
    }
  }

  /** Sends the signal and waits for the end of the program, which is killed when it takes too long. */
  async end(signal: 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const exited = once(child, 'exit');
    child.ref();
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_DEADLINE_MS);
    await exited;
    clearTimeout(timer);
    this.#child = undefined;
  }

  /** Ends the program if it runs, dismisses the guard, and removes the temporary folder. */
  async dispose(signal: 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    await this.end(signal);
    this.#guard?.stdin?.end();
    const folder = this.#options.temporaryFolder;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #tellGuard(pid: number | undefined): void {
    this.#guard?.stdin?.write(`${pid ?? ''}\n`);
  }

  #failure(what: string, cause?: unknown): PayflowError {
    const { logFile } = this.#options;
    const tail = existsSync(logFile)
      ? readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join(' | ')
      : '';
    return new PayflowError('SERVER_NOT_STARTED', tail === '' ? what : `${what}: ${tail}`, { cause });
  }
}

function startGuard({ orphanSignal, temporaryFolder }: ServerProcessOptions): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined;
  const guard = spawn('sh', ['-c', GUARD, 'payflow-guard', orphanSignal, temporaryFolder ?? ''], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  // The guard being gone already (someone killed it) must not take us along with an EPIPE.
  guard.on('error', () => undefined);
  guard.stdin.on('error', () => undefined);
  guard.unref();
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  return guard;
}
