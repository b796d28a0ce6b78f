/** What the watch keeps in payflow_sync: each table as it was seeded, its state, and wishes for seedings. */
import type { Pool } from 'pg';
import { z } from 'zod';
import { readCentralCatalog } from '../../shared/catalog/central-catalog.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { mappedTableNames, SENT_INTERNAL_TABLES } from '../setup/published-tables.ts';
import { sentTables } from '../setup/sent-tables.ts';
import { wantSeeding } from '../seeding/wanted.ts';
import type { StateCode, TableState } from './differences.ts';
import type { SeededPartition, TableShape } from './table-shape.ts';

/** What is known of a watched table. */
export interface Known {
  /** null: not seeded yet. */
  readonly shape: TableShape | null;
  readonly partitions: ReadonlyMap<number, SeededPartition>;
  readonly state: TableState | null;
}

export const UNKNOWN: Known = { shape: null, partitions: new Map(), state: null };

const partitionsSchema = z.array(z.tuple([z.number(), z.string(), z.number()]));

interface StoredRow {
  readonly table_name: string;
  readonly shape: string | null;
  readonly partitions: string | null;
  readonly code: string | null;
  readonly message: string | null;
}

export class WatchStore {
  readonly #pool: Pool;
  readonly #epoch: number;

  constructor(pool: Pool, epoch: number) {
    this.#pool = pool;
    this.#epoch = epoch;
  }

  async load(): Promise<Map<string, Known>> {
    const { rows } = await this.#pool.query<StoredRow>(
      'SELECT table_name, shape, partitions, code, message FROM payflow_sync.watched_table',
    );
    return new Map(rows.map((row) => [row.table_name, knownOf(row)]));
  }

  async save(name: string, { shape, partitions, state }: Known): Promise<void> {
    await this.#pool.query(
      `INSERT INTO payflow_sync.watched_table AS w (table_name, shape, partitions, code, message, since)
       VALUES ($1, $2, $3, $4, $5, CASE WHEN $4::text IS NULL THEN NULL ELSE clock_timestamp() END)
       ON CONFLICT (table_name) DO UPDATE
         SET shape = EXCLUDED.shape, partitions = EXCLUDED.partitions, code = EXCLUDED.code,
             message = EXCLUDED.message, updated_at = clock_timestamp(),
             since = CASE WHEN w.code = EXCLUDED.code THEN w.since ELSE EXCLUDED.since END`,
      [
        name,
        shape === null ? null : JSON.stringify(shape),
        JSON.stringify([...partitions].map(([oid, { path, file }]) => [oid, path, file])),
        state?.code ?? null,
        state?.message ?? null,
      ],
    );
  }

  async forget(names: readonly string[]): Promise<void> {
    await this.#pool.query('DELETE FROM payflow_sync.watched_table WHERE table_name = ANY ($1)', [names]);
  }

  /** Tables whose seeding has begun, or is done: rows of theirs may stand in the streams. */
  async begun(): Promise<Set<string>> {
    const { rows } = await this.#pool.query<{ table_name: string }>(
      `SELECT table_name FROM payflow_sync.seeding
       WHERE epoch = $1 AND NOT (state = 'wanted' AND last_key IS NULL)`,
      [this.#epoch],
    );
    return new Set(rows.map((row) => row.table_name));
  }

  /**
   * Wants seedings anew; the wish travels in the WAL like everybody else's. Tables that setup has not seen are left
   * to it.
   * @param which `reshaped`: only of those that were sent in another shape
   */
  async want(mapping: Mapping, names: readonly string[], which: 'all' | 'reshaped'): Promise<string[]> {
    const all = [...SENT_INTERNAL_TABLES, ...mappedTableNames(mapping)];
    const tables = sentTables(mapping, await readCentralCatalog(this.#pool, all));
    const columns = new Map(tables.map((table) => [table.name, table.columns]));
    return wantSeeding(this.#pool, this.#epoch, names, { columns, onlyReshaped: which === 'reshaped' });
  }
}

function knownOf({ shape, partitions, code, message }: StoredRow): Known {
  return {
    // Written by `save` alone.
    shape: shape === null ? null : (JSON.parse(shape) as TableShape),
    partitions: new Map(
      partitionsSchema
        .parse(JSON.parse(partitions ?? '[]'))
        .map(([oid, path, file]) => [oid, { path, file }]),
    ),
    state: code === null ? null : { code: code as StateCode, message: message ?? '' },
  };
}
