/** A stream that nobody knew, and whose beginning is gone, is told from one that was looked at before. */
import type { Pool } from 'pg';
import { expect, it } from 'vitest';
import {
  hasLost,
  rememberStreams,
  type CentreState,
} from '../../../services/central-capture/centre-state.ts';
import type { StreamWriter } from '../../../services/central-capture/streams/stream-writer.ts';
import { ZERO_POSITION } from '../../../services/shared/records/position.ts';

const stream = {
  stream: { topic: 'payflow.store.1', partition: 0 },
  streamId: 'id',
  firstOffset: 5,
  durable: ZERO_POSITION,
};
const writer = (lastOffset: number) => ({ ...stream, lastOffset }) as unknown as StreamWriter;

/** What payflow_sync.stream holds afterwards. */
async function remembered(begin: 'at 0' | 'where they do'): Promise<CentreState> {
  let stored: readonly unknown[][] = [];
  const pool = { query: (_text: string, values: unknown[][]) => Promise.resolve(void (stored = values)) };
  await rememberStreams(pool as unknown as Pool, [writer(8)], { begin });
  const [topics, ids, last, , first] = stored;
  const one = { streamId: ids?.[0], lastOffset: last?.[0], firstOffset: first?.[0] };
  return { remembered: new Map([[topics?.[0], one]]) } as unknown as CentreState;
}

it('a loss is seen by the first session, and by the next, should the first die before it wants its tables again', async () => {
  expect(hasLost(writer(8), { remembered: new Map() } as unknown as CentreState)).toBe(true);
  expect(hasLost(writer(9), await remembered('at 0'))).toBe(true);
});

it('and by none once a heartbeat has noted where it begins, since its tables are wanted by then', async () => {
  expect(hasLost(writer(9), await remembered('where they do'))).toBe(false);
});
