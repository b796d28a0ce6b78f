/**
 * A bucket of tries: full at first, each try takes one, and one comes back every so often. Pure: the time comes
 * from outside.
 */
export interface BucketSize {
  /** As many may come at once. */
  readonly capacity: number;
  /** As many may come in the long run. */
  readonly perMinute: number;
}

const MINUTE_MS = 60_000;
/** Of those that are counted, when there are too many: room for some at once, lest each new one looks again. */
const KEPT = 0.9;

export class TokenBucket {
  readonly #size: BucketSize;
  #left: number;
  #countedMs: number;

  constructor(size: BucketSize, nowMs: number) {
    this.#size = size;
    this.#left = size.capacity;
    this.#countedMs = nowMs;
  }

  /** @returns whether there was one to take */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  isEmpty(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left < 1;
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left >= this.#size.capacity;
  }

  /** Until the next can be taken. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return Math.max(0, ((1 - this.#left) * MINUTE_MS) / this.#size.perMinute);
  }

  #refill(nowMs: number): void {
    const since = Math.max(0, nowMs - this.#countedMs);
    this.#left = Math.min(this.#size.capacity, this.#left + (since * this.#size.perMinute) / MINUTE_MS);
    this.#countedMs = nowMs;
  }
}

/** A bucket per key; a full one need not be kept, since a new one is full. */
export class Buckets {
  readonly #size: BucketSize;
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #mostKeys: number;

  constructor(size: BucketSize, now: () => number, mostKeys = 10_000) {
    this.#size = size;
    this.#now = now;
    this.#mostKeys = mostKeys;
  }

  /** @returns whether there was one to take for this key */
  take(key: string): boolean {
    return this.of(key).take(this.#now());
  }

  of(key: string): TokenBucket {
    const found = this.#buckets.get(key);
    if (found !== undefined) return found;
    if (this.#buckets.size >= this.#mostKeys) this.#makeRoom();
    const bucket = new TokenBucket(this.#size, this.#now());
    this.#buckets.set(key, bucket);
    return bucket;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Full ones first; then the oldest, for memory must not grow with the number of addresses in the world. */
  #makeRoom(): void {
    const nowMs = this.#now();
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(key);
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < this.#mostKeys * KEPT) return;
      this.#buckets.delete(key);
    }
  }
}
