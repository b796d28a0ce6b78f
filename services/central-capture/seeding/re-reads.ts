/** Writes rows again that a predecessor's late append hid. */
import { CONTROL_KEY_PREFIX } from '../../shared/log/event-log.ts';
import { parseRowKey, type CentralId } from '../../shared/records/change-record.ts';
import { keyTuple } from '../wal/tuples.ts';
import { emitRows, type ReadingParts } from './chunk-rows.ts';

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
