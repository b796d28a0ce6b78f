/**
 * Never break the app: a commit of ours between an app's read and its write in one deferred transaction gives
 * the app SQLITE_BUSY_SNAPSHOT at once, whatever its busy timeout. So while the app has written within the
 * last second we commit at most every 250 ms; else at once.
 */
import { setImmediate } from 'node:timers/promises';
import { sleep } from '../../shared/lifecycle.ts';

export interface WriteGateOptions {
  readonly now: () => number;
  readonly quietMs?: number;
  readonly intervalMs?: number;
}

export class WriteGate {
  readonly #now: () => number;
  readonly #quietMs: number;
  readonly #intervalMs: number;
  #appWroteAt = -Infinity;
  #committedAt = -Infinity;

  constructor(options: WriteGateOptions) {
    this.#now = options.now;
    this.#quietMs = options.quietMs ?? 1000;
    this.#intervalMs = options.intervalMs ?? 250;
  }

  /** Somebody else committed to the till file. */
  appWrote(): void {
    this.#appWroteAt = this.#now();
  }

  /** We committed to the till file. */
  committed(): void {
    this.#committedAt = this.#now();
  }

  /** How long to wait before the next commit of ours; 0: go ahead. */
  waitMs(): number {
    const now = this.#now();
    if (now - this.#appWroteAt > this.#quietMs) return 0;
    return Math.max(0, this.#committedAt + this.#intervalMs - now);
  }
}

/**
 * Until a commit of ours is in nobody's way. Long work in short transactions lets the rest of the process have its turn here.
 * @returns whether it had to wait for the app: then the commit should carry more
 */
export async function waitForApp(gate: Pick<WriteGate, 'waitMs'>, signal?: AbortSignal): Promise<boolean> {
  let waited = false;
  await setImmediate();
  for (let waitMs = gate.waitMs(); waitMs > 0; waitMs = gate.waitMs()) {
    waited = true;
    await sleep(waitMs, signal);
    if (signal?.aborted === true) break;
  }
  return waited;
}
