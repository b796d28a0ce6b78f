/** What a till that reads a stream from its beginning ends up with, and a log that ends a session at any record. */
import type { EventLog } from '../../services/shared/log/event-log.ts';
import type { ChangeRecord } from '../../services/shared/records/change-record.ts';
import { comparePositions, type Position } from '../../services/shared/records/position.ts';
import { wrappedLog } from './wrapped-log.ts';

export type StreamState = ReadonlyMap<string, ChangeRecord['after']>;

/** By `table:id`. As a till does it: an image that is older than the row's position is not applied. */
export function stateOf(changes: readonly ChangeRecord[]): StreamState {
  const rows = new Map<string, { position: Position; after: ChangeRecord['after'] }>();
  for (const { table, id, position, after, omitted } of changes) {
    const key = `${table}:${id}`;
    const known = rows.get(key);
    if (known !== undefined && comparePositions(position, known.position) < 0) continue;
    const kept = Object.fromEntries(omitted.map((column) => [column, known?.after?.[column] ?? null]));
    rows.set(key, { position, after: after === null ? null : { ...after, ...kept } });
  }
  return new Map([...rows].flatMap(([key, { after }]) => (after === null ? [] : [[key, after]])));
}

export interface Cut {
  /** So many records still become durable; then no append is answered. */
  left: number;
}

/** Every record becomes durable on its own, so that a session can end between any two of them. */
export function cuttingLog(log: EventLog, cut: Cut): EventLog {
  return wrappedLog(log, {
    append: async (stream, records, options) => {
      let baseOffset: number | undefined;
      for (const record of records) {
        if (cut.left <= 0) await new Promise(() => undefined);
        cut.left -= 1;
        const appended = await log.append(stream, [record], options);
        baseOffset ??= appended.baseOffset;
      }
      return { baseOffset: baseOffset ?? 0 };
    },
  });
}
