/**
 * A position is a place in the central order: which history (epoch), which commit (its LSN) and which change
 * of that transaction (seq). Positions are made, compared and written down only here.
 *
 * The LSN is that of the commit record itself, which pgoutput already names in Begin, so that a transaction
 * of any size can be sent on while it is still being read. (Acknowledgements use the commit's end LSN.)
 * `seq` counts the WAL changes of the transaction from 1, whether or not they are sent anywhere, so that a
 * resend numbers them alike. An update counts two: where it takes a row away (another key, another store) the
 * delete has the first and what stands afterwards the second, so that no two steps share a place. Not everything
 * that counts is a row: a chunk of seeding has the position of its high watermark, and counts its rows.
 *
 * The record header, in bytes: 16 of position, one of flags (bit 0: last of its transaction in this stream; above
 * it the numbering that made the seq), and on the last record the commit's end LSN (8) and its time in µs (8): by
 * these two a transaction is known again when the slot sends it a second time.
 */
export type Lsn = bigint & { readonly __brand: 'Lsn' };

export interface Position {
  readonly epoch: number;
  readonly lsn: Lsn;
  readonly seq: number;
}

export const POSITION_BYTES = 16;

/** Header name in the down streams. */
export const POSITION_HEADER = 'p';
const FLAG_LAST = 1;
const NUMBERING_SHIFT = 1;
const HEADER_BYTES = POSITION_BYTES + 1;
const ENDED_BYTES = HEADER_BYTES + 16;

/** How changes were numbered: by the first versions an update counted one, like everything else. */
export const ONE_EACH = 0;
/** The numbering in use; one that is higher was made by a later version. */
export const NUMBERING = 1;

/** What tells one commit from any other, also of a history that ran differently from the same disk on. */
export interface CommitEnd {
  readonly endLsn: Lsn;
  readonly commitTimeUs: bigint;
}

export const ZERO_POSITION: Position = { epoch: 0, lsn: 0n as Lsn, seq: 0 };

export function comparePositions(a: Position, b: Position): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  return a.seq === b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

/** 16 bytes, big-endian: memcmp of two of them orders like `comparePositions`, also inside SQLite. */
export function encodePosition(position: Position): Buffer {
  const bytes = Buffer.allocUnsafe(POSITION_BYTES);
  writePosition(bytes, position);
  return bytes;
}

export function decodePosition(bytes: Uint8Array): Position {
  // A view is made only where it has to be: this runs for every record.
  const view = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { epoch: view.readUInt32BE(0), lsn: view.readBigUInt64BE(4) as Lsn, seq: view.readUInt32BE(12) };
}

/** The record header: where the record stands, and whether it ends its transaction in this stream. */
export function encodePositionHeader(position: Position, lastOfTransaction: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES);
  writePosition(bytes, position);
  bytes[POSITION_BYTES] = (NUMBERING << NUMBERING_SHIFT) | (lastOfTransaction ? FLAG_LAST : 0);
  return bytes;
}

/** The header of the record that turned out to be the last of its transaction: that shows only afterwards. */
export function endedHeader(header: Buffer, { endLsn, commitTimeUs }: CommitEnd): Buffer {
  const bytes = Buffer.allocUnsafe(ENDED_BYTES);
  header.copy(bytes, 0, 0, HEADER_BYTES);
  bytes[POSITION_BYTES] = (header[POSITION_BYTES] ?? 0) | FLAG_LAST;
  bytes.writeBigUInt64BE(endLsn, HEADER_BYTES);
  bytes.writeBigInt64BE(commitTimeUs, HEADER_BYTES + 8);
  return bytes;
}

export function decodePositionHeader(bytes: Buffer): { position: Position; lastOfTransaction: boolean } {
  return {
    position: decodePosition(bytes),
    lastOfTransaction: ((bytes[POSITION_BYTES] ?? 0) & FLAG_LAST) !== 0,
  };
}

/** The numbering that a header's seq is of. */
export function numberingOf(header: Buffer): number {
  return (header[POSITION_BYTES] ?? 0) >> NUMBERING_SHIFT;
}

/** undefined: not the last of its transaction, or written by a version that did not say. */
export function commitEndOf(header: Buffer): CommitEnd | undefined {
  if (header.length < ENDED_BYTES) return undefined;
  return {
    endLsn: header.readBigUInt64BE(HEADER_BYTES) as Lsn,
    commitTimeUs: header.readBigInt64BE(HEADER_BYTES + 8),
  };
}

function writePosition(bytes: Buffer, { epoch, lsn, seq }: Position): void {
  bytes.writeUInt32BE(epoch, 0);
  bytes.writeBigUInt64BE(lsn, 4);
  bytes.writeUInt32BE(seq, 12);
}

/** `16/B374D848` as PostgreSQL prints it. @throws RangeError when it is not of that form. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${text}`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** `epoch:lsn:seq`, as status, API and log show it. */
export function formatPosition(position: Position): string {
  return `${position.epoch}:${formatLsn(position.lsn)}:${position.seq}`;
}
