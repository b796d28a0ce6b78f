/**
 * Texts whose bytes are of an older character set, as apps of the nineties wrote them into SQLite, which takes any
 * bytes for a text. Only sets of one byte per letter: they can be told both ways by one table of 256 letters.
 */

/** Other names of iso-8859-1: to the letter, not the windows-1252 for which browsers take it. */
const LATIN1: readonly string[] = ['latin1', 'latin-1', 'iso-8859-1'];

/** As the mapping names them. */
export const CHARSETS = [
  'latin1',
  'latin-1',
  'iso-8859-1',
  'cp1252',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1257',
  'windows-1258',
  'iso-8859-2',
  'iso-8859-5',
  'iso-8859-7',
  'iso-8859-15',
  'koi8-r',
  'ibm866',
] as const;
export type Charset = (typeof CHARSETS)[number];

export interface Codec {
  /** @returns null where a byte stands for nothing in this set */
  readonly decode: (bytes: Buffer) => string | null;
  /** @returns null where the set has no such letter */
  readonly encode: (text: string) => Buffer | null;
}

const NO_LETTER = '\ufffd';
const BYTES = 256;

/** Making one takes a table; a column makes it once. */
export function codecOf(charset: Charset): Codec {
  const letters = LATIN1.includes(charset)
    ? Array.from({ length: BYTES }, (_, byte) => String.fromCharCode(byte))
    : [...new TextDecoder(charset).decode(Uint8Array.from({ length: BYTES }, (_, byte) => byte))];
  const bytesOf = new Map(letters.map((letter, byte) => [letter, byte]));
  bytesOf.delete(NO_LETTER);
  return {
    decode: (bytes) => {
      let text = '';
      for (const byte of bytes) text += letters[byte] ?? NO_LETTER;
      return text.includes(NO_LETTER) ? null : text;
    },
    encode: (text) => {
      const bytes: number[] = [];
      for (const letter of text) {
        const byte = bytesOf.get(letter);
        if (byte === undefined) return null;
        bytes.push(byte);
      }
      return Buffer.from(bytes);
    },
  };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns null where these bytes are no UTF-8; nothing is ever put in the place of a byte */
export function utf8Text(bytes: Buffer): string | null {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
