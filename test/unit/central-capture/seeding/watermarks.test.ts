import { describe, expect, it } from 'vitest';
import { tupleOf } from '../../../../services/central-capture/wal/tuples.ts';
import {
  MOST_KEY_BYTES,
  parseSnapshot,
  Watermarks,
  type Chunk,
} from '../../../../services/central-capture/seeding/watermarks.ts';

function chunk(snapshot: string, emitted: string[] = []): Chunk {
  return {
    id: 'c1',
    table: 'products',
    rows: [tupleOf(['1']), tupleOf(['2'])],
    snapshot: parseSnapshot(snapshot),
    emit: async (rows, isStale) => {
      for (const row of rows) {
        const id = row.text(0) ?? '';
        if (!isStale(id)) emitted.push(id);
      }
    },
  };
}

describe('a chunk between its watermarks', () => {
  it('leaves out the rows that the WAL changed in between, and only those', async () => {
    const watermarks = new Watermarks();
    const emitted: string[] = [];
    watermarks.expect(chunk('100:100:', emitted));
    watermarks.changed('products', () => '1');
    watermarks.low('c1');
    watermarks.changed('products', () => '2');
    watermarks.changed('orders', () => '1');
    expect(await watermarks.high('c1')).toBe('written');
    expect(emitted).toEqual(['1']);
  });

  it.each([
    ['in its list', '90:101:95', 95],
    ['behind its end', '90:95:', 95],
    ['behind its end, across the turn of the 32 bits', '4294967290:4294967295:', 3],
  ])('is read again when a commit decoded before was not visible to it: %s', async (_, snapshot, xid) => {
    const watermarks = new Watermarks();
    watermarks.committed(xid);
    watermarks.expect(chunk(snapshot));
    watermarks.low('c1');
    expect(await watermarks.high('c1')).toBe('again');
  });

  it('is true when such a commit was decoded between the watermarks: its rows are left out then', async () => {
    const watermarks = new Watermarks();
    watermarks.expect(chunk('90:101:95'));
    watermarks.low('c1');
    watermarks.committed(95);
    expect(await watermarks.high('c1')).toBe('written');
  });

  it('is true when what it could not see was not committed before either', async () => {
    const watermarks = new Watermarks();
    watermarks.committed(89);
    watermarks.expect(chunk('90:101:95'));
    watermarks.low('c1');
    expect(await watermarks.high('c1')).toBe('written');
  });

  it('doubts what a predecessor may have decoded and nobody sees yet', async () => {
    const watermarks = new Watermarks([95]);
    watermarks.expect(chunk('90:101:95'));
    watermarks.low('c1');
    expect(await watermarks.high('c1')).toBe('again');
  });

  it('is read again after a TRUNCATE in between', async () => {
    const watermarks = new Watermarks();
    watermarks.expect(chunk('90:90:'));
    watermarks.low('c1');
    watermarks.truncated('products');
    expect(await watermarks.high('c1')).toBe('again');
  });

  it('is read again when more rows changed in between than can be remembered', async () => {
    const watermarks = new Watermarks();
    watermarks.expect(chunk('90:90:'));
    watermarks.low('c1');
    for (let row = 0; row < MOST_KEY_BYTES / 64; row += 1) watermarks.changed('products', () => `id ${row}`);
    expect(await watermarks.high('c1')).toBe('again');
  });

  it('of somebody else is nobody’s', async () => {
    const watermarks = new Watermarks();
    watermarks.low('other');
    expect(await watermarks.high('other')).toBeUndefined();
  });
});
