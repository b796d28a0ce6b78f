/** Wakes whoever waits for something to have changed; they look again by themselves. */
import { sleep } from '../shared/lifecycle.ts';

export class Pulse {
  #waiting = new AbortController();

  notify(): void {
    this.#waiting.abort();
    this.#waiting = new AbortController();
  }

  /** Until `notify`, for at most `ms`. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    const woken = this.#waiting.signal;
    await sleep(ms, signal === undefined ? woken : AbortSignal.any([woken, signal]));
  }
}

/**
 * Lets down streams flow: always in `stream` mode, else only while somebody has asked for it, or the till itself waits for
 * an answer of the centre.
 */
export class Valve {
  readonly #always: boolean;
  readonly #pulse = new Pulse();
  #askers = 0;
  #isNeeded = false;
  #isShut = false;

  constructor(options: { always: boolean }) {
    this.#always = options.always;
  }

  get open(): boolean {
    return !this.#isShut && (this.#always || this.#isNeeded || this.#askers > 0);
  }

  /** For good: whoever waits goes on waiting. */
  shut(): void {
    this.#isShut = true;
  }

  /** @param isNeeded whether the till itself waits for what comes */
  need(isNeeded: boolean): void {
    this.#isNeeded = isNeeded;
    this.#pulse.notify();
  }

  async while<T>(body: () => Promise<T>): Promise<T> {
    this.#askers += 1;
    this.#pulse.notify();
    try {
      return await body();
    } finally {
      this.#askers -= 1;
    }
  }

  async opened(signal: AbortSignal): Promise<void> {
    while (!this.open && !signal.aborted) await this.#pulse.wait(60_000, signal);
  }
}
