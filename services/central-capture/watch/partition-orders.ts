/** What is to be done about partitions, and what is kept of them once it is. Pure. */
import type { Compared } from './differences.ts';
import type { PartitionFacts, SeededPartition } from './table-shape.ts';

export type Kept = ReadonlyMap<number, SeededPartition>;

export type PartitionOrder = {
  /** Of its kind only one is under way. */
  readonly what: string;
  readonly settle: (kept: Kept) => Kept;
} & ({ readonly kind: 'sweep' } | { readonly kind: 'read'; readonly partition: PartitionFacts });

/** Swept first: a key that stood in a partition that is gone may stand in a new one. */
export function partitionOrders(
  table: string,
  partitions: readonly PartitionFacts[],
  { sweep, read }: Pick<Compared, 'sweep' | 'read'>,
): PartitionOrder[] {
  const reads = read.map((partition): PartitionOrder => {
    const settle = (kept: Kept) => new Map(kept).set(partition.oid, partition);
    return { kind: 'read', what: `read ${partition.oid}`, partition, settle };
  });
  if (!sweep) return reads;
  return [{ kind: 'sweep', what: `sweep ${table}`, settle: (kept) => swept(kept, partitions) }, ...reads];
}

export function keptOf(partitions: readonly PartitionFacts[]): Kept {
  return new Map(partitions.map(({ oid, path, file }) => [oid, { path, file }]));
}

/** One that was attached anew is still to be read. */
function swept(kept: Kept, partitions: readonly PartitionFacts[]): Kept {
  const here = new Map(partitions.map((leaf) => [leaf.oid, leaf]));
  return new Map(
    [...kept].flatMap(([oid, { path }]): [number, SeededPartition][] => {
      const leaf = here.get(oid);
      return leaf === undefined ? [] : [[oid, { path, file: leaf.file }]];
    }),
  );
}
