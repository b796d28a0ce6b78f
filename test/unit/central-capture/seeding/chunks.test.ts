import type { Pool } from 'pg';
import { pino } from 'pino';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import type { Route } from '../../../../services/central-capture/routing/routes.ts';
import type { ScopeCache } from '../../../../services/central-capture/routing/scope.ts';
import { ChunkRunner } from '../../../../services/central-capture/seeding/chunks.ts';
import { Watermarks } from '../../../../services/central-capture/seeding/watermarks.ts';
import type { Lsn } from '../../../../services/shared/records/position.ts';

const ROUTE = {
  name: 'items',
  table: { schema: 'public', table: 'items', key: ['id'], columns: [{ name: 'id', type: 'integer' }] },
  relation: { columns: [{ name: 'id' }] },
  keyIndexes: [0],
  scope: { kind: 'global' },
} as unknown as Route;

it('a chunk is not done while a parent that its rows wait for is not stored', async () => {
  const marks: string[] = [];
  const query = (asked: unknown, values: string[] = []) => {
    const text = typeof asked === 'string' ? asked : '';
    if (text.includes('pg_logical_emit_message')) marks.push(values[1] ?? '');
    return Promise.resolve({ rows: [], command: text });
  };
  const client = { query, on: () => undefined, off: () => undefined, release: () => undefined };
  const pool = { query, connect: () => Promise.resolve(client) } as unknown as Pool;
  let isUnstored = true;
  const chunks = new ChunkRunner({
    pool,
    watermarks: new Watermarks(),
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    cache: () => ({ ancestorTables: () => [] }) as unknown as ScopeCache,
    isUnstored: () => isUnstored,
  });
  let isDone = false;
  const run = chunks
    .run({ route: ROUTE, selection: { kind: 'keys', ids: [] }, emit: () => Promise.resolve() })
    .then(() => (isDone = true));
  await until(() => marks.length === 2, 'both watermarks are written', { everyMs: 1 });
  chunks.decided(marks[1]?.split(' ')[1] ?? '', 'written', 100n as Lsn);
  // All records are durable: rows that wait have none.
  chunks.durable(100n as Lsn);
  await setImmediate();
  expect(isDone).toBe(false);
  isUnstored = false;
  chunks.durable(100n as Lsn);
  await run;
});
