/**
 * What capture tells Prometheus. Everything is read when it is asked for, from counts that cost the WAL's way
 * nothing; what only PostgreSQL knows is one query a scrape.
 */
import type { Pool } from 'pg';
import { counter, gauge, type Registry } from '../shared/metrics.ts';
import type { StateOfTable } from './watch/catalog-watch.ts';
import { formatLsn, type Lsn } from '../shared/records/position.ts';

/** Since the process started, across sessions. */
export interface CaptureCounts {
  transactions: number;
  records: number;
}

/** The session that runs now. */
export interface Measured {
  readonly pool: Pool;
  readonly epoch: number;
  readonly acknowledged: Lsn;
  /** Commit time of the newest transaction that was read from the WAL; 0 before the first. */
  readonly newestCommitMs: number;
  /** Rows that went nowhere, by table. */
  readonly unscoped: ReadonlyMap<string, number>;
}

interface ServerFacts {
  readonly lag_bytes: number;
  readonly tables: readonly { name: string; rows: number; done: boolean }[] | null;
}

/** @param session undefined while there is none: then only the counts are told */
export function captureMetrics(
  registry: Registry,
  counts: CaptureCounts,
  session: () => Measured | undefined,
  states: () => readonly StateOfTable[],
): void {
  const total = (name: string, help: string, value: () => number) =>
    counter(registry, {
      name,
      help,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  total('payflow_capture_transactions_total', 'Transactions read from the WAL.', () => counts.transactions);
  total('payflow_capture_records_total', 'Records made durable in the streams.', () => counts.records);
  gauge(registry, {
    name: 'payflow_capture_table_state',
    help: '1 for each table that needs a person, with the code that says why.',
    labelNames: ['table', 'code'],
    collect() {
      this.reset();
      for (const { table, code } of states()) this.set({ table, code }, 1);
    },
  });
  tellPlace(registry, session);
  tellServerFacts(registry, session);
}

function tellPlace(registry: Registry, session: () => Measured | undefined): void {
  gauge(registry, {
    name: 'payflow_capture_acknowledged_lsn_bytes',
    help: 'WAL position up to which PostgreSQL may forget.',
    collect() {
      const now = session();
      if (now !== undefined) this.set(Number(now.acknowledged));
    },
  });
  gauge(registry, {
    name: 'payflow_capture_unscoped_rows',
    help: 'Row changes that went nowhere because their store is unknown.',
    labelNames: ['table'],
    collect() {
      for (const [table, count] of session()?.unscoped ?? []) this.set({ table }, count);
    },
  });
}

function tellServerFacts(registry: Registry, session: () => Measured | undefined): void {
  let asked: Promise<ServerFacts | undefined> | undefined;
  // A scrape collects all metrics at once: they share one query. An outage is told by /readyz.
  const facts = () =>
    (asked ??= serverFacts(session())
      .catch(() => undefined)
      .finally(() => (asked = undefined)));
  gauge(registry, {
    name: 'payflow_capture_lag_bytes',
    help: 'WAL that is not acknowledged.',
    async collect() {
      const known = await facts();
      if (known !== undefined) this.set(known.lag_bytes);
    },
  });
  gauge(registry, {
    name: 'payflow_capture_lag_seconds',
    help: 'Age of the newest transaction read, while there is WAL that is not acknowledged.',
    async collect() {
      const bytes = (await facts())?.lag_bytes ?? 0;
      const newestMs = session()?.newestCommitMs ?? 0;
      this.set(bytes > 0 && newestMs > 0 ? Math.max(0, Date.now() - newestMs) / 1000 : 0);
    },
  });
  gauge(registry, {
    name: 'payflow_capture_seeding_rows',
    help: 'Rows that the seeding of a table has sent.',
    labelNames: ['table'],
    async collect() {
      for (const { name, rows } of (await facts())?.tables ?? []) this.set({ table: name }, rows);
    },
  });
  gauge(registry, {
    name: 'payflow_capture_seeding_done',
    help: '1 once a table is seeded.',
    labelNames: ['table'],
    async collect() {
      for (const { name, done } of (await facts())?.tables ?? []) this.set({ table: name }, done ? 1 : 0);
    },
  });
}

async function serverFacts(session: Measured | undefined): Promise<ServerFacts | undefined> {
  if (session === undefined) return undefined;
  const { rows } = await session.pool.query<ServerFacts>(
    `SELECT greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), $1::pg_lsn))::float8 AS lag_bytes,
            (SELECT json_agg(json_build_object('name', table_name, 'rows', rows, 'done', state = 'done'))
             FROM payflow_sync.seeding WHERE epoch = $2) AS tables`,
    [formatLsn(session.acknowledged), session.epoch],
  );
  return rows[0];
}
