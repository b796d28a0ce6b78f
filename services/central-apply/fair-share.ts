/**
 * Which partitions one of several processes should hold. Pure. Each process decides for itself, from what all of
 * them can see; a partition changes hands only when somebody holds too many or nobody holds it.
 */
export interface ShareView {
  readonly partitions: readonly number[];
  /** The processes at work, each by a number of its own. */
  readonly members: readonly number[];
  readonly self: number;
  /** Partitions that this process reads. */
  readonly read: readonly number[];
  /** Partitions that some process holds, this one included. */
  readonly held: ReadonlySet<number>;
}

export interface ShareDecision {
  readonly give: readonly number[];
  readonly take: readonly number[];
}

export function fairShare({ partitions, members, self, read, held }: ShareView): ShareDecision {
  const sorted = [...members].sort((a, b) => a - b);
  const rank = sorted.indexOf(self);
  const count = Math.max(sorted.length, 1);
  const quota = Math.floor(partitions.length / count) + (rank < partitions.length % count ? 1 : 0);
  const free = partitions.filter((partition) => !held.has(partition));
  return { give: read.slice(quota), take: free.slice(0, Math.max(0, quota - read.length)) };
}
