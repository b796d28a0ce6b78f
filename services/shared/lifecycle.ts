/**
 * How long tasks live and end. A task is a `Service`; whoever acquires something registers its undo with
 * `withReleasers`; retry and backoff come from `supervise` and from nowhere else.
 */
import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { asPayflowError, errorLine, type PayflowError } from './errors.ts';

export interface Service {
  readonly name: string;
  /** Works until `signal` is aborted, then returns. Throws a PayflowError when it cannot go on. */
  run(signal: AbortSignal): Promise<void>;
}

export type Releaser = () => Promise<void> | void;

/**
 * Runs `body`, then every registered undo, last in first out, each even if another throws.
 * Several errors are thrown together as an AggregateError with the body's own first.
 */
export async function withReleasers<T>(
  body: (onRelease: (undo: Releaser) => void) => Promise<T>,
): Promise<T> {
  const undos: Releaser[] = [];
  const errors: unknown[] = [];
  let result: T | undefined;
  try {
    result = await body((undo) => undos.push(undo));
  } catch (error) {
    errors.push(error);
  }
  for (const undo of undos.reverse()) {
    try {
      await undo();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, String(errors[0]));
  return result as T;
}

/** Resolves after `ms`, or at once when the signal is aborted; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** 0 ≤ random() < 1; spreads the waits so that 10,000 tills do not come back in step. */
  readonly random: () => number;
}

/** Exponential backoff with jitter; `next()` gives the wait in ms, `reset()` after a success. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempt = 0;

  constructor(options: Partial<BackoffOptions> = {}) {
    this.#options = { firstMs: 200, maxMs: 30_000, random: Math.random, ...options };
  }

  next(): number {
    const { firstMs, maxMs, random } = this.#options;
    const ceiling = Math.min(maxMs, firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return ceiling * (0.5 + random() / 2);
  }

  reset(): void {
    this.#attempt = 0;
  }
}

export type Health = { state: 'starting' } | { state: 'ready' } | { state: 'unready'; error: PayflowError };

export interface SuperviseOptions {
  readonly log: Logger;
  readonly backoff?: Backoff;
  /** Told at each change, for /readyz and the metrics. */
  readonly onHealth?: ((health: Health) => void) | undefined;
  /**
   * What is tried again. `everything`: one of many parts of a process, whose error must not end the others; it stays
   * unready with its code until it works. A function is asked about what waiting does not mend, and told whether the
   * attempt has ever worked. Default: what waiting mends.
   */
  readonly endures?:
    'timed' | 'everything' | ((error: PayflowError, hasWorked: boolean) => boolean) | undefined;
}

/**
 * Runs `attempt` again and again until `signal` is aborted. An error whose code says `timed` is logged with
 * its code, turns the service unready and is tried again after a backoff; any other error is thrown. The
 * attempt calls `ready()` once it is working, which also resets the backoff.
 */
export async function supervise(
  signal: AbortSignal,
  options: SuperviseOptions,
  attempt: (ready: () => void) => Promise<void>,
): Promise<void> {
  const backoff = options.backoff ?? new Backoff();
  let hasWorked = false;
  const isEndured = (error: PayflowError) =>
    typeof options.endures === 'function'
      ? options.endures(error, hasWorked)
      : options.endures === 'everything';
  options.onHealth?.({ state: 'starting' });
  while (!signal.aborted) {
    try {
      await attempt(() => {
        backoff.reset();
        hasWorked = true;
        options.onHealth?.({ state: 'ready' });
      });
    } catch (thrown) {
      if (signal.aborted) return;
      const error = asPayflowError(thrown);
      options.onHealth?.({ state: 'unready', error });
      const isTimed = error.retry === 'timed';
      if (!isTimed && !isEndured(error)) throw error;
      const waitMs = Math.round(backoff.next());
      options.log[isTimed ? 'warn' : 'error'](
        { code: error.code, err: error, waitMs },
        `${errorLine(error)} Trying again in ${waitMs} ms.`,
      );
      await sleep(waitMs, signal);
    }
  }
}

/**
 * Supervises what has to succeed once. @returns what the attempt gave, or undefined when the signal came first
 */
export async function superviseOnce<T>(
  signal: AbortSignal,
  options: SuperviseOptions,
  attempt: () => Promise<T> | T,
): Promise<T | undefined> {
  const done = new AbortController();
  let result: T | undefined;
  await supervise(AbortSignal.any([signal, done.signal]), options, async (ready) => {
    result = await attempt();
    ready();
    done.abort();
  });
  return result;
}

/** Runs all services until the signal is aborted or one of them fails; then stops the others and throws its error. */
export async function runAll(services: readonly Service[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  // Dozens of partitions may wait on it at once; that is no leak.
  setMaxListeners(0, both);
  const results = await Promise.allSettled(
    services.map(async (service) => {
      try {
        await service.run(both);
      } finally {
        stop.abort();
      }
    }),
  );
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
