/**
 * Who works and who waits. Every part of a process reports its `Health` (lifecycle.ts) under a name; the
 * process is ready when all of them are.
 */
import type { Health } from './lifecycle.ts';

export interface PartReport {
  readonly name: string;
  readonly state: Health['state'];
  /** Present while unready. */
  readonly code?: string;
  readonly message?: string;
}

/** Where a service names its parts. */
export interface HealthParts {
  /** @returns the function to hand to `supervise` as `onHealth`; the part counts as starting from now on */
  part(name: string): (health: Health) => void;
}

export class HealthBoard implements HealthParts {
  readonly #parts = new Map<string, Health>();
  readonly #listeners = new Set<() => void>();

  part(name: string): (health: Health) => void {
    this.#parts.set(name, { state: 'starting' });
    return (health) => {
      this.#parts.set(name, health);
      for (const listener of this.#listeners) listener();
    };
  }

  /**
   * For one of several services in one process: its parts are named after it. Until it has named its first
   * part the service itself counts as starting, so that nobody is told `ready` while one is still loading.
   * @param called how its parts are called here
   */
  scope(
    prefix: string,
    called = (part: string) => (part === prefix ? `${part} service` : `${prefix} ${part}`),
  ): HealthParts {
    this.part(prefix);
    return {
      part: (name) => {
        this.#parts.delete(prefix);
        return this.part(called(name));
      },
    };
  }

  /** A process of which nothing has reported yet is not ready. */
  get ready(): boolean {
    return this.#parts.size > 0 && [...this.#parts.values()].every((health) => health.state === 'ready');
  }

  report(): PartReport[] {
    return [...this.#parts].map(([name, health]) =>
      health.state === 'unready'
        ? { name, state: health.state, code: health.error.code, message: health.error.message }
        : { name, state: health.state },
    );
  }

  /** Resolves once everything is ready, or when the signal is aborted. */
  whenReady(signal: AbortSignal): Promise<boolean> {
    return this.when(signal, () => this.ready);
  }

  /** Resolves once it is as wanted (true), or when the signal is aborted. */
  async when(signal: AbortSignal, reached: () => boolean): Promise<boolean> {
    if (reached()) return true;
    if (signal.aborted) return false;
    return new Promise((resolve) => {
      const settle = (ready: boolean) => {
        this.#listeners.delete(changed);
        signal.removeEventListener('abort', aborted);
        resolve(ready);
      };
      const changed = () => {
        if (reached()) settle(true);
      };
      const aborted = () => settle(false);
      this.#listeners.add(changed);
      signal.addEventListener('abort', aborted, { once: true });
    });
  }
}
