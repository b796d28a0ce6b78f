import { randomFillSync } from 'node:crypto';

/** What is random of each: 62 bits in 16 digits, of which the first keeps two bits for the variant. */
const RANDOM_DIGITS = 16;
/** Drawn, and written as text, together: one by one either costs more than the rest of the row's UUID. */
const DRAWN_AT_ONCE = 256;
const VARIANTS = '89ab';
const LAST_COUNT = 0xfff;

/**
 * UUIDs of version 7 (RFC 9562 §5.7): ms since 1970, then a counter within the ms, then random bits. Unlike
 * wholly random ones they grow, so that a batch of rows touches a few pages of the app's index on them, not
 * every page.
 */
export class UuidMinter {
  readonly #bytes = Buffer.allocUnsafe((RANDOM_DIGITS / 2) * DRAWN_AT_ONCE);
  #random = '';
  #used = 0;
  #ms = 0;
  /** `#ms` as it stands in the UUID, with the version's digit. */
  #time = timeText(0);
  #count = 0;

  /** @param nowMs ms since 1970; a clock that goes back does not make smaller ones */
  mint(nowMs: number): string {
    if (nowMs > this.#ms) {
      this.#ms = nowMs;
      this.#time = timeText(nowMs);
      this.#count = 0;
    } else if (this.#count === LAST_COUNT) {
      this.#ms += 1;
      this.#time = timeText(this.#ms);
      this.#count = 0;
    } else {
      this.#count += 1;
    }
    const at = this.#draw();
    const random = this.#random;
    const variant = VARIANTS[random.charCodeAt(at) & 3] ?? '';
    return `${this.#time}${DIGITS[this.#count] ?? ''}-${variant}${random.slice(at + 1, at + 4)}-${random.slice(at + 4, at + RANDOM_DIGITS)}`;
  }

  /** @returns where the digits of this one begin in `#random` */
  #draw(): number {
    if (this.#used === this.#random.length) {
      this.#random = randomFillSync(this.#bytes).toString('hex');
      this.#used = 0;
    }
    this.#used += RANDOM_DIGITS;
    return this.#used - RANDOM_DIGITS;
  }
}

/** The counter's three digits. */
const DIGITS = Array.from({ length: LAST_COUNT + 1 }, (_, count) => count.toString(16).padStart(3, '0'));

function timeText(ms: number): string {
  const text = ms.toString(16).padStart(12, '0');
  return `${text.slice(0, 8)}-${text.slice(8)}-7`;
}
