/**
 * Texts of a till's file, to the byte. SQLite stores any bytes as a text, and hands them out as UTF-8, in silence: the
 * driver puts U+FFFD in the place of what is none, and of half a letter in a UTF-16 file SQLite makes, together with
 * what stands behind it, a letter above U+FFFF. So a text that comes with one of these is read a second time as bytes:
 *
 *   read as text                 | its bytes are             | it is
 *   -----------------------------+---------------------------+------------------------------------------------
 *   with no such letter          | not asked for             | that text
 *   with U+FFFD, or above U+FFFF | a text in the file's form | that text: the app wrote the letter itself
 *   with U+FFFD, or above U+FFFF | anything else             | these bytes, as a Buffer
 *
 * No other value costs more than a look for the letters. Columns with `charset` are read as bytes from the first.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { utf8Text } from '../../shared/values/charset.ts';
import { quoteName } from './local-schema.ts';

/** In JavaScript's form a letter above U+FFFF is two units of these. */
const DOUBTFUL = /[\ufffd\ud800-\udfff]/;
const HALF_LETTER = /\p{Surrogate}/u;

/** Whether the driver may have put something else in the place of bytes. */
export function mayBeReplaced(value: SqliteValue | undefined): boolean {
  return typeof value === 'string' && DOUBTFUL.test(value);
}

interface Stored {
  readonly storage: 'text' | 'blob';
  readonly bytes: Buffer;
}

/** What bytes were in the file: only what was read there is known, and it may be written back as it was. */
const STORED_AS = new WeakMap<Buffer, Stored>();

function readAs(value: Buffer, stored: Stored): Buffer {
  STORED_AS.set(value, stored);
  return value;
}

/** A value as the driver read it, no column of which was cast: bytes are a BLOB. */
export function asStored(value: SqliteValue): SqliteValue {
  return Buffer.isBuffer(value) ? readAs(value, { storage: 'blob', bytes: value }) : value;
}

/** What is bound for such a value. */
export function storedValue(value: SqliteValue): SqliteValue {
  return Buffer.isBuffer(value) ? (STORED_AS.get(value)?.bytes ?? value) : value;
}

/** SQL for a value that goes back into the column where it, or its like, was read. */
export function storedSql(
  value: SqliteValue | undefined,
  { hasCharset }: { readonly hasCharset: boolean },
): string {
  if (!Buffer.isBuffer(value)) return '?';
  return (STORED_AS.get(value)?.storage ?? (hasCharset ? 'text' : 'blob')) === 'text'
    ? 'CAST(? AS TEXT)'
    : '?';
}

export type ExactText = (bytes: unknown) => SqliteValue;

/** What `CAST(x AS BLOB)` of a text means in this file, which may keep its texts as UTF-16. */
export function exactText(db: SqliteDatabase): ExactText {
  const encoding = String(db.pragma('encoding', { simple: true }));
  if (encoding === 'UTF-8')
    return (bytes) =>
      Buffer.isBuffer(bytes) ? (utf8Text(bytes) ?? readAs(bytes, { storage: 'text', bytes })) : null;
  return (bytes) => {
    if (!Buffer.isBuffer(bytes)) return null;
    // A last byte that makes no unit is none for SQLite either.
    const units = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
    const text = (encoding === 'UTF-16be' ? units.swap16() : units).toString('utf16le');
    // Half of a letter, which UTF-8 has no bytes for: told by bytes that no reader takes for UTF-8.
    if (!HALF_LETTER.test(text)) return text;
    return readAs(Buffer.concat([...text].map(letterBytes)), { storage: 'text', bytes });
  };
}

function letterBytes(letter: string): Buffer {
  if (!HALF_LETTER.test(letter)) return Buffer.from(letter);
  const unit = letter.charCodeAt(0);
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)]);
}

/** SQL with which a column is read: the texts of one with `charset` as their bytes. */
export function readSql({ local, options }: Pick<BoundColumn, 'local' | 'options'>): string {
  const name = quoteName(local);
  return options.charset === undefined
    ? name
    : `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`;
}

/** SQL for the value that is bound to a column: bytes of a text are stored as a text. */
export function boundSql({ options }: Pick<BoundColumn, 'options'>): string {
  return options.charset === undefined ? '?' : 'CAST(? AS TEXT)';
}

const ASCII = /^[\0-\x7f]*$/;

/** What goes up of a column: of a text in another character set its bytes, unless they are the same in all of them. */
export function asSent(value: SqliteValue, charset: string | undefined): SqliteValue {
  if (charset === undefined || typeof value !== 'string' || ASCII.test(value)) return value;
  return Buffer.from(value, 'utf8');
}

/** A stored text in the form in which columns with `charset` are read and written. */
export function asRead(value: SqliteValue, { options }: Pick<BoundColumn, 'options'>): SqliteValue {
  return options.charset !== undefined && typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}
