/** How the rows of a chunk go out, inside the transaction of its high watermark. */
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from '../routing/routes.ts';
import type { RowRouter } from '../routing/row-router.ts';
import type { ParentReading } from '../routing/scope.ts';
import type { DownStreams } from '../streams/down-streams.ts';
import type { StreamWriter } from '../streams/stream-writer.ts';
import type { TransactionWriter } from '../streams/transaction-writer.ts';
import type { ChunkRunner } from './chunks.ts';

/** What every kind of re-reading needs. */
export interface ReadingParts {
  readonly chunks: ChunkRunner;
  readonly rows: RowRouter;
  readonly writer: TransactionWriter;
  readonly streams: DownStreams;
}

/** The streams that a row of this table may stand in. */
export function concernedStreams(streams: DownStreams, route: Route): StreamWriter[] {
  if (route.scope.kind === 'global') return [streams.catalog];
  return route.scope.kind === 'every' ? streams.all() : [...streams.stores.values()];
}

/** Rows of a chunk, with what its snapshot says of their parents. */
export interface ReadOf {
  readonly route: Route;
  readonly parents: ParentReading;
}

/** Each row takes a number, sent or not. Stale ones went out by themselves, newer. */
export async function emitRows(
  { rows, writer }: Pick<ReadingParts, 'rows' | 'writer'>,
  { route, parents }: ReadOf,
  read: readonly Tuple[],
  isStale: (centralId: string) => boolean,
): Promise<void> {
  rows.parents.adopt(parents);
  for (const row of read) {
    writer.nextSeq();
    if (isStale(route.encoder.centralId(row))) continue;
    await rows.route(route, { op: 'r', before: null, beforeIsKey: false, after: row });
  }
  rows.parents.dropChunk();
}
