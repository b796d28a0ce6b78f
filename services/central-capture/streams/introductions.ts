/**
 * What a stream is told before its first row: the mapping in force, and which tables are complete in it
 * already (a store that is new has all its rows from the WAL). Of a stream that was lost nothing is complete
 * before it is seeded again: tills that believed it would delete their rows.
 */
import type { Pool } from 'pg';
import { MAPPING_TABLE } from '../../shared/records/change-record.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { ZERO_POSITION } from '../../shared/records/position.ts';
import { readChunk } from '../seeding/chunk-reader.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route, Routes } from '../routing/routes.ts';
import type { StreamWriter } from './stream-writer.ts';
import { NO_ORIGINS, type TransactionWriter } from './transaction-writer.ts';

interface Introduction {
  readonly stream: StreamWriter;
  readonly route: Route;
  readonly mapping: readonly Tuple[];
  readonly complete: readonly string[];
}

interface IntroductionsOptions {
  readonly pool: Pool;
  readonly epoch: number;
  readonly writer: TransactionWriter;
  /** Whether the stream once held rows that it has no more. */
  readonly hasLost: (stream: StreamWriter) => boolean;
}

export class Introductions {
  readonly #options: IntroductionsOptions;
  readonly #seen = new Set<StreamWriter>();
  #pending: Introduction[] = [];

  constructor(options: IntroductionsOptions) {
    this.#options = options;
  }

  /** To be called for each stream that was opened; does something for those that hold nothing yet. */
  async prepare(stream: StreamWriter, routes: Routes): Promise<void> {
    if (this.#seen.has(stream)) return;
    this.#seen.add(stream);
    if (stream.newest.lsn !== ZERO_POSITION.lsn) return;
    const route = await routes.forTable(MAPPING_TABLE);
    if (route === undefined) return;
    const { rows } = await readChunk({
      pool: this.#options.pool,
      route,
      cache: routes.cache,
      selection: { kind: 'after', key: null },
    });
    const complete = this.#options.hasLost(stream) ? [] : await this.#completeTables(routes);
    this.#pending.push({ stream, route, mapping: rows, complete });
  }

  /** Writes what was prepared, at the head of the transaction that is open. */
  write(): void {
    if (this.#pending.length === 0) return;
    const { writer } = this.#options;
    const pending = this.#pending;
    this.#pending = [];
    writer.atHead(() => {
      for (const { stream, route, mapping, complete } of pending) {
        for (const after of mapping) {
          const change = { op: 'r', before: null, beforeIsKey: false, after, origins: NO_ORIGINS } as const;
          writer.change(stream, route, change);
        }
        for (const table of complete) writer.control(stream, { kind: 'seed-complete', table });
      }
    });
  }

  async #completeTables(routes: Routes): Promise<string[]> {
    try {
      const { rows } = await this.#options.pool.query<{ table_name: string }>(
        `SELECT table_name FROM payflow_sync.seeding WHERE epoch = $1 AND state = 'done'`,
        [this.#options.epoch],
      );
      const names = rows.map((row) => row.table_name);
      return names.filter((name) => (routes.scopes.get(name)?.kind ?? 'global') !== 'global');
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }
}
