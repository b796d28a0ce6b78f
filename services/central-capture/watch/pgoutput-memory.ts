/**
 * Before version 15, pgoutput decides for a whole replication session whether and as what it sends a table's rows, and
 * an attachment does not make it decide again (rel_sync_cache_relation_cb in PostgreSQL 14's pgoutput.c resets the
 * schema only): rows of a filled table that becomes a partition stay unsent, those of a partition that is taken out go
 * on as rows of its root. Only a session that begins behind the change knows better, so before anything is read or swept
 * for it, such a session has to begin. Outlives sessions.
 */
import { parseLsn, type Lsn } from '../../shared/records/position.ts';
import type { CentreState } from '../centre-state.ts';
import type { Kept } from './partition-orders.ts';
import type { PartitionFacts } from './table-shape.ts';
import type { Known } from './watch-store.ts';

/** The first version whose pgoutput decides again. */
const DECIDES_AGAIN = 150_000;

export class PgoutputMemory {
  /** By partition and attachment: the end of the WAL after the difference was first seen. */
  readonly #seen = new Map<string, Lsn>();
  #version = DECIDES_AGAIN;
  #sessionBegan = 0n as Lsn;

  /** It decodes from what the slot has confirmed. */
  sessionBegins({ serverVersion, confirmed }: Pick<CentreState, 'serverVersion' | 'confirmed'>): void {
    this.#version = serverVersion;
    this.#sessionBegan = confirmed;
  }

  /**
   * @param walEnd asked after the partitions were read
   * @returns where the next session has to begin for these partitions; null: this one knows them as they are
   */
  async staleUntil(
    {
      known,
      partitions,
    }: { readonly known: Known; readonly partitions: readonly PartitionFacts[] | undefined },
    walEnd: () => Promise<string>,
  ): Promise<Lsn | null> {
    if (this.#version >= DECIDES_AGAIN || known.shape === null || partitions === undefined) return null;
    const found = differences(known.partitions, partitions);
    if (found.length === 0) return null;
    const now = parseLsn(await walEnd());
    const last = found.map((difference) => this.#seenAt(difference, now)).reduce((a, b) => (a > b ? a : b));
    return last > this.#sessionBegan ? last : null;
  }

  #seenAt(difference: string, now: Lsn): Lsn {
    const seen = this.#seen.get(difference) ?? now;
    this.#seen.set(difference, seen);
    return seen;
  }
}

function differences(kept: Kept, partitions: readonly PartitionFacts[]): string[] {
  const here = new Map(partitions.map(({ oid, path }) => [oid, path]));
  const come = partitions.filter(({ oid, path }) => kept.get(oid)?.path !== path);
  const gone = [...kept].filter(([oid, { path }]) => here.get(oid) !== path);
  return [
    ...come.map(({ oid, path }) => `come ${oid} ${path}`),
    ...gone.map(([oid, { path }]) => `gone ${oid} ${path}`),
  ];
}
