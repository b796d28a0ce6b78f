/**
 * Wakes readers that stand at the end of a stream: at once for appends of this process, and for those of
 * others when SQLite's data_version changes, which is looked at only while somebody waits.
 */
const POLL_MS = 4;

export class EmbeddedWaiters {
  readonly #dataVersion: () => unknown;
  readonly #waiting = new Set<() => void>();
  #lastVersion: unknown;
  #timer: NodeJS.Timeout | undefined;

  constructor(dataVersion: () => unknown) {
    this.#dataVersion = dataVersion;
  }

  /** What `wait` compares with; to be taken before looking for records. */
  version(): unknown {
    return this.#dataVersion();
  }

  /** Resolves when something may have been appended since `seen` was taken, or `signal` is aborted. */
  wait(seen: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#dataVersion() !== seen) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        if (this.#waiting.size === 0) this.#stop();
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
      this.#start(seen);
    });
  }

  /** Something was appended by this process (data_version tells only of others). */
  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #start(seen: unknown): void {
    if (this.#timer !== undefined) return;
    this.#lastVersion = seen;
    this.#timer = setInterval(() => {
      const version = this.#dataVersion();
      if (version === this.#lastVersion) return;
      this.#lastVersion = version;
      this.wake();
    }, POLL_MS);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
