/**
 * Record batches are sent packed with gzip, which every version of ours can read. Read are gzip and, where Node has it
 * (22.15 and later), zstd: a broker may be told to pack anew.
 *
 * Of a packed batch nobody knows what it holds before it is unpacked, so both ends have a bound. A writer packs no
 * batch to less than an eighth: a fetch of a megabyte thus unpacks to eight at most. A reader takes no more than twice
 * what a topic takes for one record; without a bound, 0.8 MB on the wire were 1.6 GB here.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { PayflowError } from '../errors.ts';
import { MAX_RECORD_BYTES } from './topics.ts';

export const NO_CODEC = 0;
export const GZIP = 1;
const ZSTD = 4;
/** Higher levels take three times as long for 5 % less. */
const LEVEL = 1;
/** A heartbeat grows by being packed. */
const WORTH_BYTES = 1024;
/** More than this is packed on another thread, while the next records are encoded. */
const ASIDE_BYTES = 16 * 1024;
const LARGEST_SHARE = 0.9;
const SMALLEST_SHARE = 1 / 8;
export const MAX_UNPACKED_BYTES = 2 * MAX_RECORD_BYTES;

const gzipAside = promisify(zlib.gzip) as (bytes: Buffer, options: zlib.ZlibOptions) => Promise<Buffer>;

export interface Packed {
  readonly codec: number;
  readonly bytes: Buffer;
}

export async function packed(bytes: Buffer): Promise<Packed> {
  const plain = { codec: NO_CODEC, bytes };
  if (bytes.length < WORTH_BYTES) return plain;
  const options = { level: LEVEL };
  const smaller =
    bytes.length < ASIDE_BYTES ? zlib.gzipSync(bytes, options) : await gzipAside(bytes, options);
  const share = smaller.length / bytes.length;
  return share > LARGEST_SHARE || share < SMALLEST_SHARE ? plain : { codec: GZIP, bytes: smaller };
}

/** @param room for what is unpacked; all of a fetch stays in memory together */
export function unpacked(bytes: Buffer, codec: number, room: { bytes: number }): Buffer {
  if (codec === NO_CODEC) return bytes;
  const maxOutputLength = Math.max(1, Math.min(MAX_UNPACKED_BYTES, room.bytes));
  const plain = unpack(bytes, codec, maxOutputLength);
  room.bytes -= plain.length;
  return plain;
}

function unpack(bytes: Buffer, codec: number, maxOutputLength: number): Buffer {
  if (codec === GZIP) return zlib.gunzipSync(bytes, { maxOutputLength });
  if (codec === ZSTD && hasZstd()) return zlib.zstdDecompressSync(bytes, { maxOutputLength });
  throw new PayflowError(
    'RECORD_MALFORMED',
    `the stream holds a record batch compressed with codec ${codec}; set compression.type=producer on the topic`,
  );
}

/** Its types say that it is always there. */
function hasZstd(): boolean {
  return typeof (zlib as Partial<typeof zlib>).zstdDecompressSync === 'function';
}
