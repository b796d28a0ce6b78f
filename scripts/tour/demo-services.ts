/** The services that the demo runs in its own process, and waiting for something while they live. */
import { asPayflowError, PayflowError } from '../../services/shared/errors.ts';
import { until } from '../support/until.ts';

export type Condition = () => Promise<boolean> | boolean;
export type Missing = string | (() => Promise<string> | string);

export class DemoServices {
  readonly #stop = new AbortController();
  readonly #interrupted: AbortSignal;
  readonly #running: Promise<void>[] = [];
  #failure: unknown;

  /** @param interrupted aborted by Ctrl-C: whoever waits is told then */
  constructor(interrupted: AbortSignal) {
    this.#interrupted = interrupted;
  }

  start(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    const { signal } = this.#stop;
    this.#running.push(
      run(signal).then(
        () => {
          if (!signal.aborted) this.#failure ??= new PayflowError('INTERNAL', `${name} ended by itself`);
        },
        (error: unknown) => {
          this.#failure ??= error;
        },
      ),
    );
  }

  /**
   * Waits for a condition, and no longer than the services live.
   * @throws Error that says what is missing at the deadline; PayflowError of a service that failed meanwhile
   */
  async waitFor(
    condition: Condition,
    missing: Missing,
    options: { deadlineMs?: number; everyMs?: number } = {},
  ): Promise<void> {
    await until(
      () => {
        if (this.#failure !== undefined) throw asPayflowError(this.#failure);
        this.#interrupted.throwIfAborted();
        return condition();
      },
      missing,
      { deadlineMs: 60_000, ...options },
    );
  }

  /** Until Ctrl-C. @throws PayflowError of a service that fails before */
  async untilInterrupted(): Promise<void> {
    await this.waitFor(() => this.#interrupted.aborted, 'Ctrl-C', {
      deadlineMs: Infinity,
      everyMs: 200,
    }).catch((error: unknown) => {
      if (!this.#interrupted.aborted) throw error;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
