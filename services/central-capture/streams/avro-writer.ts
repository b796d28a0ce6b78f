/**
 * Writes Avro binary straight into large slabs of memory; what is finished is a view into a slab, so that a row
 * costs no allocation of its own but the view. A slab lives until the last record in it is durable.
 */
const SLAB_BYTES = 256 * 1024;
const DIGIT_0 = 0x30;
const MINUS = 0x2d;
/** Up to so many digits a number is exact, also doubled for zigzag. */
const SAFE_DIGITS = 15;
const LONGEST_VARINT = 10;

export class AvroWriter {
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #at = 0;

  /** Begins a value that takes at most `maxBytes`; nothing below checks for room again. */
  begin(maxBytes: number): void {
    if (this.#at + maxBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, maxBytes));
      this.#at = 0;
    }
    this.#start = this.#at;
  }

  /** The bytes written since `begin`. */
  end(): Buffer {
    return this.#slab.subarray(this.#start, this.#at);
  }

  byte(value: number): void {
    this.#slab[this.#at] = value;
    this.#at += 1;
  }

  raw(bytes: Uint8Array): void {
    this.#slab.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  copy(bytes: Buffer, start: number, length: number): void {
    const slab = this.#slab;
    const at = this.#at;
    if (length < 24) {
      // The native copy costs more than it saves on the short texts that most columns are.
      for (let i = 0; i < length; i += 1) slab[at + i] = bytes[start + i] as number;
    } else {
      bytes.copy(slab, at, start, start + length);
    }
    this.#at = at + length;
  }

  /** A whole number that is exact as a double. */
  long(value: number): void {
    this.#unsigned(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  bigLong(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  /** A whole number as PostgreSQL prints it. */
  longText(bytes: Buffer, start: number, length: number): void {
    const negative = bytes[start] === MINUS;
    if (length - (negative ? 1 : 0) > SAFE_DIGITS) {
      this.bigLong(BigInt(bytes.toString('latin1', start, start + length)));
      return;
    }
    let value = 0;
    for (let i = negative ? start + 1 : start; i < start + length; i += 1) {
      value = value * 10 + ((bytes[i] as number) - DIGIT_0);
    }
    this.long(negative ? -value : value);
  }

  /** A float as PostgreSQL prints it, with NaN, Infinity, -Infinity. */
  doubleText(bytes: Buffer, start: number, length: number): void {
    this.#slab.writeDoubleLE(Number(bytes.toString('latin1', start, start + length)), this.#at);
    this.#at += 8;
  }

  /** bytea in its hex form, `\x…`. */
  byteaText(bytes: Buffer, start: number, length: number): void {
    const size = (length - 2) / 2;
    this.long(size);
    this.#slab.write(bytes.toString('latin1', start + 2, start + length), this.#at, size, 'hex');
    this.#at += size;
  }

  /** A string whose UTF-8 bytes are here already. */
  text(bytes: Buffer, start: number, length: number): void {
    this.long(length);
    this.copy(bytes, start, length);
  }

  string(value: string): void {
    const length = Buffer.byteLength(value);
    this.long(length);
    this.#slab.write(value, this.#at, length, 'utf8');
    this.#at += length;
  }

  #unsigned(value: number): void {
    let rest = value;
    while (rest > 0x7fffffff) {
      this.byte((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }
}

/** Most bytes that `string(value)` takes. */
export function maxStringBytes(value: string): number {
  return value.length * 3 + LONGEST_VARINT;
}
