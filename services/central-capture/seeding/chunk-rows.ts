/** How the rows of a chunk go out, inside the transaction of its high watermark. */
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from '../routing/routes.ts';
import type { RowRouter } from '../routing/row-router.ts';
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

/** All parents at once: one by one they would cost a query a row. */
export async function loadParents(rows: RowRouter, route: Route, read: readonly Tuple[]): Promise<void> {
  if (route.scope.kind !== 'via') return;
  const { cache } = rows.routes;
  const { parent } = route.scope;
  const ids = new Set(read.map((row) => row.text(route.scopeIndex)).filter((id) => id !== null));
  const unknown = [...ids].filter((id) => cache.get(parent, id) === undefined);
  if (unknown.length > 0) await cache.load(parent, unknown);
}

/** Each row takes a number, sent or not. Stale ones went out by themselves, newer. */
export async function emitRows(
  { rows, writer }: Pick<ReadingParts, 'rows' | 'writer'>,
  route: Route,
  read: readonly Tuple[],
  isStale: (centralId: string) => boolean,
): Promise<void> {
  await loadParents(rows, route, read);
  for (const row of read) {
    writer.nextSeq();
    if (isStale(route.encoder.centralId(row))) continue;
    await rows.route(route, { op: 'r', before: null, beforeIsKey: false, after: row });
  }
}
