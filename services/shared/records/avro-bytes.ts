/**
 * Avro's binary forms, written and read by hand: units up and rows down are where a till spends its time, and
 * unions and 64-bit numbers are what a generic library does slowest.
 */
import { PayflowError } from '../errors.ts';

const TWO_32 = 0x1_0000_0000;
/** Of longer records each string is decoded by itself: a short one must not keep all of it in memory. */
const MAX_TEXT_BYTES = 1024;

export class AvroWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 64 * 1024) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** A copy of what was written. */
  toBuffer(from = 0, to = this.#length): Buffer {
    return Buffer.from(this.#bytes.subarray(from, to));
  }

  /** A long whose double a number still holds exactly (up to 2^52). */
  long(value: number): void {
    this.#reserve(10);
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    while (rest >= TWO_32) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    rest >>>= 0;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  bigLong(value: bigint): void {
    if (value >= -0x10_0000_0000_0000n && value <= 0x10_0000_0000_0000n) {
      this.long(Number(value));
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest >= 128n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  string(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.long(bytes);
    this.#reserve(bytes);
    this.#bytes.write(value, this.#length, bytes, 'utf8');
    this.#length += bytes;
  }

  bytes(value: Uint8Array): void {
    this.long(value.length);
    this.fixed(value);
  }

  fixed(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

export class AvroReader {
  readonly #bytes: Buffer;
  #at: number;
  /** The whole record, a letter per byte, once an ASCII string was wanted: a piece of it costs no call into Node. */
  #text: string | null = null;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws PayflowError RECORD_MALFORMED unless all was read */
  end(): void {
    if (!this.done) throw malformed('it is longer than its schema says');
  }

  /** @throws PayflowError RECORD_MALFORMED when it is not a safe integer */
  long(): number {
    let low = 0;
    let factor = 1;
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#byte();
      low += (byte & 127) * factor;
      if (byte < 128) {
        if (low > Number.MAX_SAFE_INTEGER) break;
        return low % 2 === 0 ? low / 2 : -((low + 1) / 2);
      }
      factor *= 128;
    }
    throw malformed('a number is too large');
  }

  bigLong(): bigint {
    const start = this.#at;
    let low = 0;
    let factor = 1;
    // Nearly all there are, points in time too, stay within what a number holds exactly.
    for (let count = 0; count < 8; count += 1) {
      const byte = this.#byte();
      low += (byte & 127) * factor;
      if (byte < 128) {
        if (low > Number.MAX_SAFE_INTEGER) break;
        return BigInt(low % 2 === 0 ? low / 2 : -((low + 1) / 2));
      }
      factor *= 128;
    }
    this.#at = start;
    return this.#wideLong();
  }

  #wideLong(): bigint {
    let rest = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      rest |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, (rest >> 1n) ^ -(rest & 1n));
    }
    throw malformed('a number is too large');
  }

  double(): number {
    return this.#take(8).readDoubleLE(0);
  }

  string(): string {
    const start = this.#pass(this.#size());
    const end = this.#at;
    if (this.#bytes.length > MAX_TEXT_BYTES || !this.#isAscii(start, end)) {
      return this.#bytes.toString('utf8', start, end);
    }
    this.#text ??= this.#bytes.toString('latin1');
    return this.#text.slice(start, end);
  }

  #isAscii(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if ((this.#bytes[at] ?? 0) >= 128) return false;
    return true;
  }

  boolean(): boolean {
    return this.#byte() !== 0;
  }

  /** Of a union of null and one type: whether a value follows. */
  present(): boolean {
    const branch = this.#byte();
    // Zigzag: 0 and 1.
    if (branch !== 0 && branch !== 2) throw malformed('an unknown branch of a union');
    return branch === 2;
  }

  skipLong(): void {
    while (this.#byte() >= 128);
  }

  /** A string or bytes. */
  skipBytes(): void {
    this.#pass(this.#size());
  }

  skip(length: number): void {
    this.#pass(length);
  }

  bytes(): Buffer {
    return Buffer.from(this.#take(this.#size()));
  }

  fixed(length: number): Buffer {
    return Buffer.from(this.#take(length));
  }

  array<T>(item: () => T): T[] {
    const items: T[] = [];
    for (let count = this.long(); count !== 0; count = this.long()) {
      // A negative count is followed by the block's size in bytes.
      if (count < 0) {
        count = -count;
        this.long();
      }
      // Every item takes a byte at least: a count beyond that is no reason to reserve memory.
      if (count > this.#bytes.length - this.#at) throw malformed('an array is longer than the record');
      for (let index = 0; index < count; index += 1) items.push(item());
    }
    return items;
  }

  #size(): number {
    const size = this.long();
    if (size < 0) throw malformed('a negative length');
    return size;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed('it ends too early');
    this.#at += 1;
    return byte;
  }

  #take(length: number): Buffer {
    const start = this.#pass(length);
    return this.#bytes.subarray(start, this.#at);
  }

  /** @returns where it stood */
  #pass(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw malformed('it ends too early');
    this.#at = start + length;
    return start;
  }
}

export function malformed(what: string): PayflowError {
  return new PayflowError('RECORD_MALFORMED', `a record cannot be decoded: ${what}`);
}
