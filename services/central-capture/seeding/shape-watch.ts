/**
 * ALTER TABLE writes no rows into the WAL: what a new column's default, or a new type, made of them is only
 * seen by reading the table again. So the tables' shapes are compared now and then with those they were last
 * sent in, and a table that differs is wanted anew. The wish travels in the WAL like everybody else's.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { readCentralCatalog } from '../../shared/catalog/central-catalog.ts';
import { sleep, type Service } from '../../shared/lifecycle.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { mappedTableNames, SENT_INTERNAL_TABLES } from '../setup/published-tables.ts';
import { sentTables } from '../setup/sent-tables.ts';

export interface ShapeWatchOptions {
  readonly pool: Pool;
  readonly epoch: number;
  readonly mapping: () => Mapping;
  readonly everyMs: number;
  readonly log: Logger;
}

export class ShapeWatch implements Service {
  readonly name = 'shapes';
  readonly #options: ShapeWatchOptions;
  #hurry = new AbortController();

  constructor(options: ShapeWatchOptions) {
    this.#options = options;
  }

  /** The WAL has just shown another shape: look at once. */
  hurry(): void {
    this.#hurry.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#hurry = new AbortController();
      await this.look();
      await sleep(this.#options.everyMs, AbortSignal.any([signal, this.#hurry.signal]));
    }
  }

  /** Wants what was sent in another shape. Tables that setup has not seen yet are left to it. */
  async look(): Promise<void> {
    const { pool, epoch, mapping, log } = this.#options;
    try {
      const names = [...SENT_INTERNAL_TABLES, ...mappedTableNames(mapping())];
      const tables = sentTables(mapping(), await readCentralCatalog(pool, names));
      const { rows } = await pool.query<{ table_name: string }>(
        `UPDATE payflow_sync.seeding AS s
         SET state = 'wanted', last_key = NULL, rows = 0, columns = now.columns, updated_at = clock_timestamp()
         FROM unnest($1::text[], $2::text[]) AS now (name, columns)
         WHERE s.table_name = now.name AND s.epoch = $3 AND s.columns <> now.columns
         RETURNING s.table_name`,
        [tables.map((table) => table.name), tables.map((table) => table.columns), epoch],
      );
      const changed = rows.map((row) => row.table_name);
      if (changed.length > 0) log.warn({ tables: changed }, 'tables were altered; they are seeded again');
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }
}
