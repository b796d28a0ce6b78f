/**
 * Never break the app: what is known of when it writes, and of how long transactions of ours take. `app-pace.ts` decides by
 * that when the next of ours may go.
 */
import { setImmediate } from 'node:timers/promises';
import { sleep } from '../../shared/lifecycle.ts';
import {
  QUIET_MS,
  roomBefore,
  saved,
  spent,
  turnOf,
  withPause,
  type AppPace,
  type Turn,
} from './app-pace.ts';

export interface WriteGateOptions {
  readonly now: () => number;
  /** Asks the file whether the app has committed since, and tells `appWrote`. */
  readonly look?: (() => void) | undefined;
}

/** Of the newest measurement, in what is taken for usual. */
const WEIGHT = 0.2;
/** Until something is measured. */
const FIRST_SMALL_MS = 3;
const FIRST_ROW_MS = 0.04;

export class WriteGate {
  readonly #now: () => number;
  readonly #look: () => void;
  #pausesMs: readonly number[] = [];
  #appWroteAt = -Infinity;
  #committedAt = -Infinity;
  #savedMs = 0;
  #savedAt: number;
  #lastHeldMs = 0;
  /** Since the app's last commit. */
  #heldMs = 0;
  #smallMs = FIRST_SMALL_MS;
  #rowMs = FIRST_ROW_MS;

  constructor(options: WriteGateOptions) {
    this.#now = options.now;
    this.#look = options.look ?? (() => undefined);
    this.#savedAt = options.now();
  }

  /** Somebody else committed to the till file. */
  appWrote(): void {
    const now = this.#now();
    if (this.#appWroteAt > -Infinity) this.#pausesMs = withPause(this.#pausesMs, now - this.#appWroteAt);
    this.#appWroteAt = now;
    this.#heldMs = 0;
  }

  /** We committed to the till file, and held it so long. What the app's pauses left no room for is taken of our share. */
  committed(heldMs = 0): void {
    const now = this.#now();
    const begun = this.#paceAt(now - heldMs);
    const roomMs = begun.silentMs > QUIET_MS ? Infinity : roomBefore(begun);
    this.#savedMs = begun.savedMs;
    this.#savedAt = now;
    if (heldMs > roomMs) this.#savedMs = spent(this.#savedMs, heldMs);
    this.#committedAt = now;
    this.#heldMs += heldMs;
    this.#lastHeldMs = heldMs;
  }

  /** So many rows of the centre went in with the last commit: by them it is known how long others will take. */
  carried(rows: number): void {
    const heldMs = this.#lastHeldMs;
    if (rows < FEW_ROWS) this.#smallMs += WEIGHT * (heldMs - this.#smallMs);
    else this.#rowMs += WEIGHT * (Math.max(0, heldMs - this.#smallMs) / rows - this.#rowMs);
  }

  /** How long a transaction with so many rows will hold the file. */
  expectedMs(rows: number): number {
    return this.#smallMs + rows * this.#rowMs;
  }

  /** How many rows fit into a time. */
  rowsWithin(ms: number): number {
    return Math.max(1, Math.floor((ms - this.#smallMs) / this.#rowMs));
  }

  /** Whether a small transaction may go now. */
  get isOpen(): boolean {
    return this.turn(this.#smallMs).kind === 'go';
  }

  /** @param holdMs how long the next transaction takes at least */
  turn(holdMs: number): Turn {
    this.#look();
    return turnOf(this.#paceAt(this.#now()), holdMs);
  }

  #paceAt(now: number): AppPace {
    return {
      pausesMs: this.#pausesMs,
      sinceAppMs: now - this.#appWroteAt,
      silentMs: now - this.#appWroteAt - this.#heldMs,
      sinceOursMs: now - this.#committedAt,
      savedMs: saved(this.#savedMs, now - this.#savedAt),
    };
  }

  get lastHeldMs(): number {
    return this.#lastHeldMs;
  }
}
/** Their own time is lost in what every transaction takes. */
const FEW_ROWS = 50;

/** What one of our commits asks. */
export type AppGate = Pick<
  WriteGate,
  'turn' | 'isOpen' | 'carried' | 'expectedMs' | 'rowsWithin' | 'lastHeldMs'
>;

/**
 * Until a commit of ours is in nobody's way. Long work in short transactions lets the rest of the process have its turn here.
 * @param wanted how long the next transaction will hold the file at least; else as long as one without rows
 * @returns how long it may; Infinity: the app is quiet
 */
export async function waitForApp(
  gate: AppGate,
  signal?: AbortSignal,
  { holdMs = gate.expectedMs(0) }: { readonly holdMs?: number } = {},
): Promise<number> {
  await setImmediate();
  for (;;) {
    const turn = gate.turn(holdMs);
    if (turn.kind === 'go') return turn.forMs;
    await sleep(turn.ms, signal);
    if (signal?.aborted === true) return 0;
  }
}
