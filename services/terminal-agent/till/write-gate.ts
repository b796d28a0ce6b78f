/**
 * Never break the app: a commit of ours between an app's read and its write in one deferred transaction gives
 * the app SQLITE_BUSY_SNAPSHOT at once, whatever its busy timeout. So while the app has written within the
 * last second we commit at most every 250 ms; else at once. And behind one of its commits where there is one soon: an
 * app that waits for no lock is least likely to want one then.
 */
import { setImmediate } from 'node:timers/promises';
import { sleep } from '../../shared/lifecycle.ts';

/** The app has committed so recently that its next transaction has hardly begun. */
const JUST_NOW_MS = 15;
/** A commit of the app is waited for so long, and looked for so often. */
const PATIENCE_MS = 500;
const LOOK_MS = 3;

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

  /** Until the next moment behind a commit of the app; 0: it is now, or none is to be expected. @param since of waiting */
  behindAppMs(since: number): number {
    const now = this.#now();
    const idleMs = now - this.#appWroteAt;
    const isSoon = idleMs > JUST_NOW_MS && idleMs <= this.#quietMs && now - since < PATIENCE_MS;
    return isSoon ? LOOK_MS : 0;
  }

  get nowMs(): number {
    return this.#now();
  }
}

/** What one of our commits asks. */
export type AppGate = Pick<WriteGate, 'waitMs' | 'behindAppMs' | 'nowMs'>;

/**
 * Until a commit of ours is in nobody's way. Long work in short transactions lets the rest of the process have its turn here.
 * @returns whether it had to wait for the app: then the commit should carry more
 */
export async function waitForApp(gate: AppGate, signal?: AbortSignal): Promise<boolean> {
  let waited = false;
  await setImmediate();
  const since = gate.nowMs;
  const left = () => gate.waitMs() || gate.behindAppMs(since);
  for (let waitMs = left(); waitMs > 0; waitMs = left()) {
    waited = true;
    await sleep(waitMs, signal);
    if (signal?.aborted === true) break;
  }
  return waited;
}
