/**
 * A change that is larger than a record goes up in pieces, each in a part of its unit by itself: the bytes of a record of
 * that change alone, cut where it suits. Whoever has all parts of the unit puts it together again before anything asks
 * what it says. A piece names a table that there is none of, so that a centre of the version before applies none of it.
 */
import { PayflowError } from '../errors.ts';
import { PROTOCOL_VERSION } from './change-record.ts';
import { changeFault } from './unit-bounds.ts';
import { decodeUnitRecord, encodeUnitRecord } from './unit-codec.ts';
import { FIRST_PREVIOUS_HASH, type SqliteValue, type UnitChange } from './unit-record.ts';

/** Far below what a topic of ours takes. */
export const PIECE_BYTES = 4 * 1024 * 1024;
const NO_TABLE = '';
const PIECE = '';

/** @returns the change itself where a record holds it well */
export function piecesOf(change: UnitChange, pieceBytes = PIECE_BYTES): UnitChange[] {
  // A quick look first: nearly every change is small.
  if (mostBytes(change) <= pieceBytes) return [change];
  const bytes = bytesOf(change);
  if (bytes.length <= pieceBytes) return [change];
  const count = Math.ceil(bytes.length / pieceBytes);
  return Array.from({ length: count }, (_, at) => ({
    ...change,
    table: NO_TABLE,
    columns: [
      { name: PIECE, old: `${at + 1}/${count}`, new: bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes) },
    ],
    references: [],
    others: undefined,
  }));
}

/**
 * Changes in their order, those in pieces whole. Pieces that make no change stay as they are, and are refused as rows of no
 * table: some are missing, or whoever sent them means harm.
 */
export function joinPieces(changes: readonly UnitChange[]): UnitChange[] {
  const joined: UnitChange[] = [];
  for (let at = 0; at < changes.length;) {
    const first = changes[at];
    if (first === undefined) break;
    const pieces = isPiece(first) ? piecesFrom(changes, at) : [];
    const whole = pieces.length === 0 ? undefined : changeIn(Buffer.concat(pieces), first.seq);
    joined.push(whole ?? first);
    at += whole === undefined ? 1 : pieces.length;
  }
  return joined;
}

/** The bytes of all pieces of the change whose first stands there; none: some are missing. */
function piecesFrom(changes: readonly UnitChange[], at: number): Buffer[] {
  const first = changes[at];
  const count = Number(/^1\/(\d{1,6})$/.exec(placeOf(first))?.[1] ?? 0);
  const bytes: Buffer[] = [];
  // No further than they fit: whoever means harm says that there are very many.
  for (let index = 0; index < count; index += 1) {
    const piece = changes[at + index];
    if (piece === undefined || !isPiece(piece) || piece.seq !== first?.seq) return [];
    const value = piece.columns[0]?.new;
    if (placeOf(piece) !== `${index + 1}/${count}` || !Buffer.isBuffer(value)) return [];
    bytes.push(value);
  }
  return bytes;
}

function isPiece({ table, columns }: UnitChange): boolean {
  return table === NO_TABLE && columns.length === 1 && columns[0]?.name === PIECE;
}

function placeOf(piece: UnitChange | undefined): string {
  const place = piece?.columns[0]?.old;
  return typeof place === 'string' ? place : '';
}

function bytesOf(change: UnitChange): Buffer {
  const unit = { number: 1, firstSeq: change.seq, lastSeq: change.seq, changes: [change] };
  return encodeUnitRecord({
    protocol: PROTOCOL_VERSION,
    terminal: '',
    incarnation: '',
    databaseId: '',
    mappingVersion: 0,
    keyVersion: 0,
    part: 1,
    parts: 1,
    units: [{ ...unit, hash: FIRST_PREVIOUS_HASH, previousHash: FIRST_PREVIOUS_HASH }],
  });
}

/** undefined: they hold nothing that would have been let in at the door. */
function changeIn(bytes: Buffer, seq: number): UnitChange | undefined {
  try {
    const [change] = decodeUnitRecord(bytes).units.flatMap(({ changes }) => changes);
    return change?.seq === seq && changeFault(change) === null ? change : undefined;
  } catch (error) {
    if (error instanceof PayflowError) return undefined;
    throw error;
  }
}

/** Never less than what it takes. */
function mostBytes({ columns, references, others = [] }: UnitChange): number {
  const all = [...columns, ...others];
  const values = all.reduce((sum, { old, new: now, seen }) => {
    const text = seen === undefined || seen === 'unknown' ? null : seen.text;
    return sum + most(old) + most(now) + most(text);
  }, 0);
  return values + 64 * (all.length + 4 * references.length) + 1024;
}

function most(value: SqliteValue): number {
  if (typeof value === 'string') return 3 * value.length;
  return Buffer.isBuffer(value) ? value.length : 8;
}
