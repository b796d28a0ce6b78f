/**
 * What both sides of a comparison make of a row: a digest over its id and its columns in the centre's texts, and sums of
 * such digests over many rows. PostgreSQL and the agent compute them alike: each rule stands here in both languages.
 *
 *   a column of          | PostgreSQL            | here
 *   ---------------------+-----------------------+-----------------------------------------------------------
 *   numeric              | trim_scale(c)::text   | a decimal without zeros behind
 *   char(n)              | c::text (no padding)  | without padding
 *   inet                 | concat(c): a cast     | as it came
 *                        |   adds the mask        |
 *   everything else      | c::text               | as `central-text.ts` makes it
 *
 * A row's text is its id, a line feed, and the columns as a JSON array of texts and nulls. Rows are summed by buckets, which
 * their ids' hashes choose: neither side needs the other's order of keys. Digests that differ prove nothing yet, for a
 * value may be written in two ways; they only say which rows are worth a look.
 */
import { hash } from 'node:crypto';
import { typeShape } from '../catalog/central-types.ts';
import { formatDecimal, parseDecimal, trimDecimal } from '../values/decimal.ts';
import { withoutPadding } from '../values/padding.ts';

/** About so many rows in each. */
const ROWS_IN_BUCKET = 64;
/** Two bytes of the hash choose. */
export const MOST_BUCKETS = 1 << 16;
/** Of a row's digest; 64 bits tell rows of a few buckets apart, 128 are summed. */
const SUM_WORDS = 4;
const WORD_BYTES = 4;
const SUM_BYTES = SUM_WORDS * WORD_BYTES;
/** Of a row's digest when it is listed by itself. */
export const LISTED_DIGITS = 16;

/** A power of two. */
export function bucketCountFor(rows: number): number {
  let count = 1;
  while (count < MOST_BUCKETS && count * ROWS_IN_BUCKET < rows) count *= 2;
  return count;
}

/** A value's text in a digest. @param text as `column::text` would show it */
export function digestText(type: string): (text: string) => string {
  const { family } = typeShape(type);
  if (family === 'numeric') return bareDecimal;
  return family === 'char' ? withoutPadding : (text) => text;
}

/** SQL of the same. @param column quoted, with its alias */
export function digestTextSql(type: string, column: string): string {
  const { family } = typeShape(type);
  if (family === 'numeric') return `trim_scale(${column})::text`;
  return type.startsWith('inet')
    ? `CASE WHEN ${column} IS NOT NULL THEN concat(${column}) END`
    : `${column}::text`;
}

function bareDecimal(text: string): string {
  const decimal = parseDecimal(text);
  return decimal === null ? text : formatDecimal(trimDecimal(decimal));
}

/** 32 bytes. */
export function rowDigest(id: string, texts: readonly (string | null)[]): Buffer {
  return hash('sha256', `${id}\n${JSON.stringify(texts)}`, 'buffer');
}

/** @param id SQL of the row's id @param texts SQL of its columns' texts */
export function rowDigestSql(id: string, texts: readonly string[]): string {
  return `sha256(convert_to(${id} || E'\\n' || to_json(ARRAY[${texts.join(', ')}]::text[])::text, 'UTF8'))`;
}

/** @param count of `bucketCountFor` */
export function bucketOf(id: string, count: number): number {
  return hash('sha256', id, 'buffer').readUInt16BE(0) & (count - 1);
}

export function bucketSql(id: string, count: number): string {
  const digest = `sha256(convert_to(${id}, 'UTF8'))`;
  return `((get_byte(${digest}, 0) << 8 | get_byte(${digest}, 1)) & ${count - 1})`;
}

/** SQL aggregates of a bucket: two bigints, for `addSum`. */
export function sumsSql(digest: string): string {
  const half = (from: number) =>
    `bit_xor(('x' || encode(substr(${digest}, ${from}, 8), 'hex'))::bit(64)::bigint)`;
  return `${half(1)}, ${half(9)}`;
}

/** Number of rows and sum of digests by bucket. Rows are their own inverse in the sum, and an id comes once. */
export class Buckets {
  readonly count: number;
  rows = 0;
  readonly #rows: Uint32Array;
  readonly #sums: Uint32Array;

  constructor(count: number) {
    this.count = count;
    this.#rows = new Uint32Array(count);
    this.#sums = new Uint32Array(count * SUM_WORDS);
  }

  add(bucket: number, digest: Buffer): void {
    this.#add(bucket, 1, digest);
  }

  /** What PostgreSQL has summed. */
  addSum(bucket: number, rows: number, halves: readonly [bigint, bigint]): void {
    const sum = Buffer.alloc(SUM_BYTES);
    sum.writeBigInt64BE(halves[0], 0);
    sum.writeBigInt64BE(halves[1], SUM_BYTES / 2);
    this.#add(bucket, rows, sum);
  }

  #add(bucket: number, rows: number, sum: Buffer): void {
    this.rows += rows;
    this.#rows[bucket] = (this.#rows[bucket] ?? 0) + rows;
    for (let word = 0; word < SUM_WORDS; word += 1) {
      const at = bucket * SUM_WORDS + word;
      this.#sums[at] = (this.#sums[at] ?? 0) ^ sum.readUInt32BE(word * WORD_BYTES);
    }
  }

  /** Numbers of those that are not the same. */
  differing(other: Buckets): number[] {
    const found: number[] = [];
    for (let bucket = 0; bucket < this.count; bucket += 1) {
      const from = bucket * SUM_WORDS;
      const isSame =
        this.#rows[bucket] === other.#rows[bucket] &&
        this.#sums.subarray(from, from + SUM_WORDS).every((word, at) => word === other.#sums[from + at]);
      if (!isSame) found.push(bucket);
    }
    return found;
  }

  rowsIn(bucket: number): number {
    return this.#rows[bucket] ?? 0;
  }

  /** The same rows in fewer buckets. @param count of `bucketCountFor` */
  folded(count: number): Buckets {
    const few = new Buckets(count);
    few.rows = this.rows;
    for (let bucket = 0; bucket < this.count; bucket += 1) {
      const to = bucket & (count - 1);
      few.#rows[to] = (few.#rows[to] ?? 0) + (this.#rows[bucket] ?? 0);
      for (let word = 0; word < SUM_WORDS; word += 1) {
        const at = to * SUM_WORDS + word;
        few.#sums[at] = (few.#sums[at] ?? 0) ^ (this.#sums[bucket * SUM_WORDS + word] ?? 0);
      }
    }
    return few;
  }

  /** Base64. */
  encode(): string {
    const bytes = Buffer.alloc(this.count * (WORD_BYTES + SUM_BYTES));
    let at = 0;
    for (const word of [...this.#rows, ...this.#sums]) at = bytes.writeUInt32LE(word >>> 0, at);
    return bytes.toString('base64');
  }

  /** @returns undefined: of another form */
  static decode(text: string, count: number): Buckets | undefined {
    const bytes = Buffer.from(text, 'base64');
    if (bytes.length !== count * (WORD_BYTES + SUM_BYTES)) return undefined;
    const buckets = new Buckets(count);
    for (let word = 0; word < count; word += 1) {
      const rows = bytes.readUInt32LE(word * WORD_BYTES);
      buckets.#rows[word] = rows;
      buckets.rows += rows;
    }
    for (let word = 0; word < count * SUM_WORDS; word += 1)
      buckets.#sums[word] = bytes.readUInt32LE((count + word) * WORD_BYTES);
    return buckets;
  }
}
