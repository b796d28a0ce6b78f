import { randomFillSync } from 'node:crypto';

const UUID_BYTES = 16;
/** Drawn together: a draw costs more than the rest of the row's UUID. */
const DRAWN_AT_ONCE = 256;
const LAST_COUNT = 0xfff;

/**
 * UUIDs of version 7 (RFC 9562 §5.7): ms since 1970, then a counter within the ms, then random bits. Unlike
 * wholly random ones they grow, so that a batch of rows touches a few pages of the app's index on them, not
 * every page.
 */
export class UuidMinter {
  readonly #random = Buffer.allocUnsafe(UUID_BYTES * DRAWN_AT_ONCE);
  #used = this.#random.length;
  #ms = 0;
  #count = 0;

  /** @param nowMs ms since 1970; a clock that goes back does not make smaller ones */
  mint(nowMs: number): string {
    if (nowMs > this.#ms) {
      this.#ms = nowMs;
      this.#count = 0;
    } else if (this.#count === LAST_COUNT) {
      this.#ms += 1;
      this.#count = 0;
    } else {
      this.#count += 1;
    }
    const bytes = this.#draw();
    bytes.writeUIntBE(this.#ms, 0, 6);
    bytes.writeUInt16BE(0x7000 | this.#count, 6);
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  #draw(): Buffer {
    if (this.#used === this.#random.length) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    this.#used += UUID_BYTES;
    return this.#random.subarray(this.#used - UUID_BYTES, this.#used);
  }
}
