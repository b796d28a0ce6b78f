/**
 * Guards PostgreSQL against guesses: of tokens, by REST and by socket, and of enrolment codes. By address, since
 * a guesser can change everything else. Only failures are counted, so that a shop's tills behind one address
 * don't use up each other's tries.
 *
 *   the address has  | a try is
 *   -----------------+--------------------------------------------------------------------------------
 *   failures left    | made, at most AT_ONCE of them together; the others wait their turn
 *   none left        | RATE_LIMITED, also for those that waited: nothing is asked of PostgreSQL
 *   WAITING waiting  | RATE_LIMITED
 *
 * A try that fails takes one failure. So of a burst of any size at most `capacity + AT_ONCE` reach PostgreSQL.
 */
import type { Logger } from 'pino';
import { PayflowError } from '../shared/errors.ts';
import { Buckets, type BucketSize } from './token-bucket.ts';
import { networkOf } from './client-address.ts';

const AT_ONCE = 4;
const WAITING = 500;
/** A guesser must not be able to fill the log. */
const TELL_EVERY_MS = 60_000;
const TOLD_ADDRESSES = 10_000;

interface Line {
  running: number;
  readonly waiting: (() => void)[];
}

interface Told {
  atMs: number;
  untold: number;
}

export interface AddressGateOptions {
  readonly failures: BucketSize;
  readonly log: Logger;
  /** Elapsed time, not the wall clock. */
  readonly now: () => number;
}

export class AddressGate {
  readonly #options: AddressGateOptions;
  readonly #failures: Buckets;
  readonly #lines = new Map<string, Line>();
  readonly #told = new Map<string, Told>();

  constructor(options: AddressGateOptions) {
    this.#options = options;
    this.#failures = new Buckets(options.failures, options.now);
  }

  /** @throws PayflowError RATE_LIMITED, or what `attempt` throws */
  async pass<T>(address: string, attempt: () => Promise<T>): Promise<T> {
    const key = networkOf(address);
    this.#refuseIfSpent(key, address);
    await this.#takePlace(key);
    try {
      this.#refuseIfSpent(key, address);
      return await attempt();
    } catch (error) {
      this.#countFailure(key, address, error);
      throw error;
    } finally {
      this.#leavePlace(key);
    }
  }

  /** For an attempt that was made without asking here first. */
  failed(address: string, error: unknown): void {
    this.#countFailure(networkOf(address), address, error);
  }

  #countFailure(key: string, address: string, error: unknown): void {
    if (!(error instanceof PayflowError)) return;
    if (error.code !== 'UNAUTHENTICATED' && error.code !== 'ENROLMENT_REFUSED') return;
    this.#failures.take(key);
    this.#tell(key, { address, code: error.code });
  }

  #refuseIfSpent(key: string, address: string): void {
    const bucket = this.#failures.of(key);
    const nowMs = this.#options.now();
    if (!bucket.isEmpty(nowMs)) return;
    this.#tell(key, { address, code: 'RATE_LIMITED' });
    throw rateLimited('too many failed attempts from this address', bucket.waitMs(nowMs));
  }

  async #takePlace(key: string): Promise<void> {
    const line = this.#lines.get(key) ?? { running: 0, waiting: [] };
    this.#lines.set(key, line);
    if (line.running < AT_ONCE) {
      line.running += 1;
      return;
    }
    if (line.waiting.length >= WAITING) throw rateLimited('too many attempts from this address', 1_000);
    // Whoever leaves hands its place over.
    await new Promise<void>((resolve) => line.waiting.push(resolve));
  }

  #leavePlace(key: string): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    const next = line.waiting.shift();
    if (next !== undefined) return next();
    line.running -= 1;
    if (line.running === 0) this.#lines.delete(key);
  }

  #tell(key: string, { address, code }: { address: string; code: string }): void {
    const nowMs = this.#options.now();
    const told = this.#told.get(key);
    if (told !== undefined && nowMs - told.atMs < TELL_EVERY_MS) {
      told.untold += 1;
      return;
    }
    const more = told?.untold ?? 0;
    if (this.#told.size >= TOLD_ADDRESSES) this.#forgetOld(nowMs);
    this.#told.set(key, { atMs: nowMs, untold: 0 });
    this.#options.log.warn(
      { address, code, more },
      `a login from ${address} failed${more > 0 ? `, and ${more} more since the last such line` : ''}`,
    );
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { atMs }] of this.#told) if (nowMs - atMs > TELL_EVERY_MS) this.#told.delete(key);
    // So many at once: better a line too many than memory for every address in the world.
    if (this.#told.size >= TOLD_ADDRESSES) this.#told.clear();
  }
}

export function rateLimited(message: string, waitMs: number): PayflowError {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new PayflowError('RATE_LIMITED', `${message}; try again in ${retryAfterSeconds} s`, {
    details: { retryAfterSeconds },
  });
}
