/** Reads again what has no WAL of its own: a partition that was attached, and rows that a predecessor's late append hid. */
import type { Pool } from 'pg';
import { CONTROL_KEY_PREFIX } from '../../shared/log/event-log.ts';
import { parseRowKey, type CentralId } from '../../shared/records/change-record.ts';
import type { Route } from '../routing/routes.ts';
import { keyTuple } from '../wal/tuples.ts';
import { partitionBounds } from '../watch/catalog-facts.ts';
import type { PartitionFacts } from '../watch/table-shape.ts';
import { keyTexts } from './chunk-reader.ts';
import { emitRows, type ReadingParts } from './chunk-rows.ts';
import type { DoneChunk } from './chunks.ts';

/** Rows of any size are read at once, and an append seldom holds many of the largest. */
const ROWS_PER_CHUNK = 16;

/** The rows of one partition, read through its root, whose rights and policies are what counts. */
export async function readPartition(
  parts: ReadingParts & { readonly pool: Pool },
  { table, partition }: { readonly table: string; readonly partition: PartitionFacts },
): Promise<void> {
  const route = await parts.rows.routes.forTable(table);
  if (route === undefined || !route.sent) return;
  const within = await partitionBounds(parts.pool, partition.oid);
  let key: string[] | null = null;
  for (let more = within !== undefined; more;) {
    const read: DoneChunk = await parts.chunks.run({
      route,
      selection: { kind: 'after', key, within },
      emit: (rows, isStale, parents) => emitRows(parts, { route, parents }, rows, isStale),
    });
    const last = read.rows.at(-1);
    if (last !== undefined) key = keyTexts(route, last);
    more = !read.isLast;
  }
}

/**
 * What the table has is written again, what it no longer has is deleted again.
 * @param keys of records
 */
export async function repairRows(parts: ReadingParts, keys: readonly string[]): Promise<void> {
  const byTable = new Map<string, Set<CentralId>>();
  for (const { table, id } of keys.filter((key) => !key.startsWith(CONTROL_KEY_PREFIX)).map(parseRowKey)) {
    const ids = byTable.get(table) ?? new Set();
    byTable.set(table, ids.add(id));
  }
  for (const [table, all] of byTable) {
    const route = await parts.rows.routes.forTable(table);
    if (route === undefined) continue;
    const ids = [...all];
    for (let from = 0; from < ids.length; from += ROWS_PER_CHUNK) {
      await repairChunk(parts, route, ids.slice(from, from + ROWS_PER_CHUNK));
    }
  }
}

async function repairChunk(parts: ReadingParts, route: Route, ids: readonly CentralId[]): Promise<void> {
  const { rows, chunks, writer } = parts;
  await chunks.run({
    route,
    selection: { kind: 'keys', ids },
    emit: async (found, isStale, parents) => {
      await emitRows(parts, { route, parents }, found, isStale);
      const present = new Set<string>(found.map((row) => route.encoder.centralId(row)));
      for (const id of ids) {
        writer.nextSeq();
        if (present.has(id) || isStale(id)) continue;
        const before = keyTuple(route, id);
        await rows.route(route, { op: 'd', before, beforeIsKey: true, after: null, isDeleted: true });
      }
    },
  });
}
