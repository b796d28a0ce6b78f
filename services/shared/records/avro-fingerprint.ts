/** Avro single-object encoding: C3 01, the schema's CRC-64-AVRO fingerprint (little-endian), the value. */
const EMPTY = 0xc15d213aa4d7a795n;
const MARKER = 0xc301;

export const SINGLE_OBJECT_HEADER_BYTES = 10;

const TABLE: readonly bigint[] = Array.from({ length: 256 }, (_, index) => {
  let fingerprint = BigInt(index);
  for (let bit = 0; bit < 8; bit += 1) {
    fingerprint = (fingerprint >> 1n) ^ (EMPTY & -(fingerprint & 1n));
  }
  return fingerprint;
});

/** CRC-64-AVRO (Rabin) of the parsing canonical form. */
export function fingerprintOf(canonicalForm: string): bigint {
  let fingerprint = EMPTY;
  for (const byte of Buffer.from(canonicalForm, 'utf8')) {
    fingerprint = (fingerprint >> 8n) ^ (TABLE[Number((fingerprint ^ BigInt(byte)) & 0xffn)] ?? 0n);
  }
  return fingerprint;
}

export function singleObjectHeader(fingerprint: bigint): Buffer {
  const header = Buffer.allocUnsafe(SINGLE_OBJECT_HEADER_BYTES);
  header.writeUInt16BE(MARKER, 0);
  header.writeBigUInt64LE(fingerprint, 2);
  return header;
}

/** @returns undefined when the bytes are no single object */
export function readFingerprint(bytes: Buffer): bigint | undefined {
  if (bytes.length < SINGLE_OBJECT_HEADER_BYTES || bytes.readUInt16BE(0) !== MARKER) return undefined;
  return bytes.readBigUInt64LE(2);
}

/** As the key in the schemas topic. */
export function fingerprintHex(fingerprint: bigint): string {
  return fingerprint.toString(16).padStart(16, '0');
}
