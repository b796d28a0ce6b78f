/** Starts the process of a till (`till-process.ts`) and speaks with it. */
import { fork, type ChildProcess } from 'node:child_process';
import { on, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Health } from '../../services/shared/lifecycle.ts';
import type { TillOrder, TillReport, TillStart } from './till-process.ts';

const PROGRAM = fileURLToPath(new URL('./till-process.js', import.meta.url));
const STOP_WITHIN_MS = 5_000;

export class TillHandle {
  #child: ChildProcess | undefined;

  /** Runs the till until the signal is aborted. @throws Error with the line that the till failed with */
  async run(start: TillStart, signal: AbortSignal, onHealth: (health: Health) => void): Promise<void> {
    const child = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    let failure: string | undefined;
    child.on('message', (report: TillReport) => {
      if (report.kind === 'ready') onHealth({ state: 'ready' });
      if (report.kind === 'failed') failure = report.line;
    });
    const stop = () => {
      this.#order({ kind: 'stop' });
      setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS).unref();
    };
    const exited = once(child, 'exit');
    this.#order(start);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const [code] = (await exited) as [number | null];
    signal.removeEventListener('abort', stop);
    if (failure !== undefined) throw new Error(failure);
    if (!signal.aborted) throw new Error(`a till ended by itself (${code ?? 'killed'})`);
  }

  /** The till has no event log any more when this resolves. */
  async cut(): Promise<void> {
    await this.#obeyed('cut');
  }

  async mend(): Promise<void> {
    await this.#obeyed('mend');
  }

  async #obeyed(kind: 'cut' | 'mend'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !child.connected) throw new Error('the till does not run');
    const answered = new AbortController();
    const { signal } = answered;
    const obeyed = (async () => {
      for await (const [report] of on(child, 'message', { signal })) {
        if ((report as TillReport).kind === kind) return;
      }
    })();
    const ended = once(child, 'exit', { signal }).then(() => {
      throw new Error('the till has ended');
    });
    try {
      this.#order({ kind });
      await Promise.race([obeyed, ended]);
    } finally {
      answered.abort();
      // Whichever of the two was not the answer ends with the signal.
      await Promise.allSettled([obeyed, ended]);
    }
  }

  #order(order: TillOrder): void {
    if (this.#child?.connected === true) this.#child.send(order);
  }
}
