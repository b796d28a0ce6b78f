import { describe, expect, it } from 'vitest';
import { joinPieces, PIECE_BYTES, piecesOf } from '../../../../services/shared/records/change-pieces.ts';
import { boundsFault } from '../../../../services/shared/records/unit-bounds.ts';
import { FIRST_PREVIOUS_HASH, type UnitChange } from '../../../../services/shared/records/unit-record.ts';

const change = (seq: number, note: UnitChange['columns'][number]['new']): UnitChange => ({
  seq,
  entry: String(seq),
  table: 'orders',
  op: 'u',
  capturedAtMs: 1_700_000_000_000,
  row: { identity: `row-${seq}`, centralId: null },
  columns: [
    { name: 'note', old: 'é'.repeat(40), new: note },
    { name: 'shop', old: null, new: 7n },
  ],
  references: [{ column: 'shop', target: { identity: 'a shop', centralId: '7' } }],
});
const asRecord = (changes: readonly UnitChange[]) => ({
  protocol: 1,
  terminal: 'T1',
  incarnation: 'i',
  databaseId: 'd',
  mappingVersion: 1,
  keyVersion: 1,
  part: 1,
  parts: 2,
  units: [
    {
      number: 1,
      firstSeq: 1,
      lastSeq: 9,
      hash: FIRST_PREVIOUS_HASH,
      previousHash: FIRST_PREVIOUS_HASH,
      changes,
    },
  ],
});

describe('a change in pieces', () => {
  const large = change(2, '€'.repeat(1_000));

  it('is whole again, between the changes that it came with', () => {
    for (const pieceBytes of [100, 333, 1_000, 3_000]) {
      const pieces = piecesOf(large, pieceBytes);
      expect(pieces.length).toBeGreaterThan(1);
      expect(joinPieces([change(1, 'a'), ...pieces, change(3, 'b')])).toEqual([
        change(1, 'a'),
        large,
        change(3, 'b'),
      ]);
    }
  });

  it('is in pieces also where what its till saw is what takes the room, which comes whole as well', () => {
    const seen = { text: 'y'.repeat(PIECE_BYTES) };
    const columns = [{ name: 'note', old: null, new: 'short', seen }];
    for (const wide of [
      { ...change(1, 'a'), columns },
      { ...change(1, 'a'), others: columns },
    ]) {
      const pieces = piecesOf(wide);
      expect(pieces).toHaveLength(2);
      expect(pieces.every(({ others }) => others === undefined)).toBe(true);
      expect(joinPieces(pieces)).toEqual([wide]);
    }
  });

  it('is none where a record holds it', () => {
    expect(piecesOf(change(1, Buffer.alloc(PIECE_BYTES - 2_000)))).toHaveLength(1);
    expect(piecesOf(change(1, Buffer.alloc(PIECE_BYTES)))).toHaveLength(2);
    expect(piecesOf(change(1, 'x'.repeat(PIECE_BYTES - 2_000)))).toHaveLength(1);
  });

  it('gets through the door piece by piece, and names no table that there is', () => {
    for (const piece of piecesOf(large, 500)) {
      expect(boundsFault(asRecord([piece]))).toBeNull();
      expect(piece.table).toBe('');
    }
  });

  it('is none while a piece is missing, or where pieces make no change', () => {
    const pieces = piecesOf(large, 500);
    const without = pieces.filter((_, at) => at !== 2);
    expect(joinPieces(without)).toEqual(without);
    const last = pieces.slice(0, -1);
    expect(joinPieces(last)).toEqual(last);
    const swapped = [...pieces.slice(1), ...pieces.slice(0, 1)];
    expect(joinPieces(swapped)).toEqual(swapped);
    const garbage = pieces.map((piece) => ({
      ...piece,
      columns: piece.columns.map((column) => ({ ...column, new: Buffer.alloc(500, 3) })),
    }));
    expect(joinPieces(garbage)).toEqual(garbage);
  });

  it('is looked for no further than its pieces fit, however many somebody says there are', () => {
    let looks = 0;
    const alike = Array.from({ length: 2_000 }, (_, at) => ({
      ...change(at + 1, null),
      get table() {
        looks += 1;
        return '';
      },
      columns: [{ name: '', old: '1/999999', new: Buffer.alloc(1) }],
      references: [],
    }));
    expect(joinPieces(alike)).toHaveLength(2_000);
    expect(looks).toBeLessThan(10 * alike.length);
  });

  it('is none that would not have been let in, or has another number than its pieces', () => {
    const nameless = piecesOf({ ...large, row: { identity: 'a\0b', centralId: null } }, 500);
    expect(joinPieces(nameless)).toEqual(nameless);
    const renumbered = piecesOf(large, 500).map((piece) => ({ ...piece, seq: 5 }));
    expect(joinPieces(renumbered)).toEqual(renumbered);
  });
});
