/** Reads again what has no WAL of its own: a partition that was attached, and rows that a predecessor's late append hid. */
import type { Pool } from 'pg';
import { CONTROL_KEY_PREFIX } from '../../shared/log/event-log.ts';
import { parseRowKey, type CentralId } from '../../shared/records/change-record.ts';
import { keyTuple } from '../wal/tuples.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import { partitionBounds } from '../watch/catalog-facts.ts';
import type { PartitionFacts } from '../watch/table-shape.ts';
import { chunkLimit, keyTexts, type RowsFrom } from './chunk-reader.ts';
import { emitRows, type ReadingParts } from './chunk-rows.ts';

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
    const from: RowsFrom = { kind: 'after', key, within };
    const limit = await chunkLimit(parts.pool, route, from);
    const read: readonly Tuple[] = await parts.chunks.run({
      route,
      selection: { ...from, limit },
      emit: (rows, isStale, parents) => emitRows(parts, { route, parents }, rows, isStale),
    });
    const last = read.at(-1);
    if (last !== undefined) key = keyTexts(route, last);
    more = read.length === limit;
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
  const { rows, chunks, writer } = parts;
  for (const [table, ids] of byTable) {
    const route = await rows.routes.forTable(table);
    if (route === undefined) continue;
    await chunks.run({
      route,
      selection: { kind: 'keys', ids: [...ids] },
      emit: async (found, isStale, parents) => {
        await emitRows(parts, { route, parents }, found, isStale);
        const present = new Set<string>(found.map((row) => route.encoder.centralId(row)));
        for (const id of ids) {
          writer.nextSeq();
          if (present.has(id) || isStale(id)) continue;
          const before = keyTuple(route, id);
          await rows.route(route, { op: 'd', before, beforeIsKey: true, after: null });
        }
      },
    });
  }
}
