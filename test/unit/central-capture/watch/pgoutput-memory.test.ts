/** What a replication session of PostgreSQL 14 can't tell of partitions that came or went during it. */
import { describe, expect, it } from 'vitest';
import { PgoutputMemory } from '../../../../services/central-capture/watch/pgoutput-memory.ts';
import type {
  PartitionFacts,
  SeededPartition,
} from '../../../../services/central-capture/watch/table-shape.ts';
import type { Known } from '../../../../services/central-capture/watch/watch-store.ts';
import type { Lsn } from '../../../../services/shared/records/position.ts';

const SHAPE = {} as NonNullable<Known['shape']>;

function leaf(oid: number, path: string): PartitionFacts {
  return { oid, path, file: oid, schema: 'public', table: `t${oid}`, identity: 'full', isLogged: true };
}

function kept(...leaves: PartitionFacts[]): Known {
  const partitions = new Map<number, SeededPartition>(
    leaves.map(({ oid, path, file }) => [oid, { path, file }]),
  );
  return { shape: SHAPE, partitions, state: null };
}

function memory(serverVersion: number, confirmed: number): PgoutputMemory {
  const made = new PgoutputMemory();
  made.sessionBegins({ serverVersion, confirmed: BigInt(confirmed) as Lsn });
  return made;
}

const at = (place: string) => () => Promise.resolve(place);

describe('a session of PostgreSQL 14', () => {
  it.each<[what: string, known: Known, now: PartitionFacts[]]>([
    ['came', kept(leaf(1, '/5')), [leaf(1, '/5'), leaf(2, '/6')]],
    ['went', kept(leaf(1, '/5'), leaf(2, '/6')), [leaf(1, '/5')]],
    ['was attached anew', kept(leaf(1, '/5')), [leaf(1, '/9')]],
  ])('can not tell a partition that %s, until one begins behind that', async (_what, known, partitions) => {
    const pgoutput = memory(140_023, 0x10);
    expect(await pgoutput.staleUntil({ known, partitions }, at('0/50'))).toBe(0x50n);
    // Seen first counts, however often it is looked at.
    expect(await pgoutput.staleUntil({ known, partitions }, at('0/90'))).toBe(0x50n);
    pgoutput.sessionBegins({ serverVersion: 140_023, confirmed: 0x4fn as Lsn });
    expect(await pgoutput.staleUntil({ known, partitions }, at('0/99'))).toBe(0x50n);
    pgoutput.sessionBegins({ serverVersion: 140_023, confirmed: 0x50n as Lsn });
    expect(await pgoutput.staleUntil({ known, partitions }, at('0/99'))).toBeNull();
  });

  it('knows partitions as they were seeded, and tables that never were', async () => {
    const pgoutput = memory(140_023, 0x10);
    const partitions = [leaf(1, '/5')];
    expect(await pgoutput.staleUntil({ known: kept(leaf(1, '/5')), partitions }, at('0/50'))).toBeNull();
    const never: Known = { shape: null, partitions: new Map(), state: null };
    expect(await pgoutput.staleUntil({ known: never, partitions }, at('0/50'))).toBeNull();
    expect(
      await pgoutput.staleUntil({ known: kept(leaf(1, '/5')), partitions: undefined }, at('0/50')),
    ).toBeNull();
  });
});

it('a session of PostgreSQL 15 and later tells each partition as it is', async () => {
  const partitions = [leaf(1, '/5'), leaf(2, '/6')];
  expect(
    await memory(150_000, 0x10).staleUntil({ known: kept(leaf(1, '/5')), partitions }, at('0/50')),
  ).toBeNull();
});
