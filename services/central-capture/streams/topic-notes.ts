/** What capture writes down of topics: payflow_sync.topic (where there is something to say), and payflow_sync.schema. */
import type { Pool } from 'pg';
import { inTransaction, wrapPostgresError } from '../../shared/database/postgres.ts';
import type { PayflowError } from '../../shared/errors.ts';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { fingerprintHex } from '../../shared/records/avro-fingerprint.ts';
import type { ChangeSchema } from '../../shared/records/change-schema.ts';
import type { CompiledSchema } from '../../shared/records/envelope.ts';
import { wantSeeding } from '../seeding/wanted.ts';

export interface TopicNotesOptions {
  readonly pool: Pool;
  readonly epoch: number;
}

export interface LostBeginning {
  readonly topic: string;
  /** What it begins with now. */
  readonly first: number;
  readonly tables: readonly string[];
}

export class TopicNotes {
  readonly #options: TopicNotesOptions;
  /** As stored; null before the first look. */
  #told: string | null = null;

  constructor(options: TopicNotesOptions) {
    this.#options = options;
  }

  /** Read each time: setup may change it while we run. */
  async horizonDays(): Promise<number> {
    try {
      const { rows } = await this.#options.pool.query<{ days: number }>(
        'SELECT horizon_days AS days FROM payflow_sync.mapping',
      );
      return rows[0]?.days ?? DEFAULT_HORIZON_DAYS;
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  /** Topics whose rows may have travelled without columns, from whatever session. */
  async limited(): Promise<string[]> {
    try {
      const { rows } = await this.#options.pool.query<{ topic: string }>(
        'SELECT topic FROM payflow_sync.topic WHERE limit_bytes IS NOT NULL',
      );
      return rows.map(({ topic }) => topic);
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  /** Before any row travels by this limit: only so it is known later that some did, whatever crashes. */
  async limit(topic: string, limitBytes: number): Promise<void> {
    try {
      await this.#options.pool.query(
        `INSERT INTO payflow_sync.topic AS t (topic, limit_bytes) VALUES ($1, $2)
         ON CONFLICT (topic) DO UPDATE SET limit_bytes = least(t.limit_bytes, EXCLUDED.limit_bytes)`,
        [topic, limitBytes],
      );
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  /** The limit is as it has to be: what travelled without columns is sent again. */
  async unlimit(topic: string, tables: readonly string[]): Promise<void> {
    const { pool, epoch } = this.#options;
    await inTransaction(pool, async (client) => {
      await wantSeeding(client, epoch, tables);
      await client.query('UPDATE payflow_sync.topic SET limit_bytes = NULL WHERE topic = $1', [topic]);
      await client.query('DELETE FROM payflow_sync.topic WHERE code IS NULL AND limit_bytes IS NULL');
    });
  }

  /** A stream begins later than it did: its tables are seeded again, and what it begins with now is remembered. */
  async lost({ topic, first, tables }: LostBeginning): Promise<void> {
    const { pool, epoch } = this.#options;
    await inTransaction(pool, async (client) => {
      await wantSeeding(client, epoch, tables);
      await client.query('UPDATE payflow_sync.stream SET first_offset = $2 WHERE topic = $1', [topic, first]);
    });
  }

  /** All that ever stood in the schemas topic. */
  async schemas(): Promise<ChangeSchema[]> {
    try {
      const { rows } = await this.#options.pool.query<{ schema: string }>(
        'SELECT schema FROM payflow_sync.schema ORDER BY fingerprint',
      );
      return rows.map(({ schema }) => JSON.parse(schema) as ChangeSchema);
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  async noteSchemas(schemas: readonly Pick<CompiledSchema, 'fingerprint' | 'schema'>[]): Promise<void> {
    try {
      await this.#options.pool.query(
        `INSERT INTO payflow_sync.schema (fingerprint, schema) SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT (fingerprint) DO NOTHING`,
        [
          schemas.map(({ fingerprint }) => fingerprintHex(fingerprint)),
          schemas.map(({ schema }) => JSON.stringify(schema)),
        ],
      );
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  /** All that stands now, for status and /readyz of the gateway. */
  async tell(troubles: ReadonlyMap<string, PayflowError>): Promise<void> {
    const told = JSON.stringify([...troubles].map(([topic, { code, message }]) => [topic, code, message]));
    if (told === this.#told) return;
    await inTransaction(this.#options.pool, async (client) => {
      await client.query(
        'UPDATE payflow_sync.topic SET code = NULL, message = NULL WHERE topic <> ALL ($1::text[])',
        [[...troubles.keys()]],
      );
      await client.query('DELETE FROM payflow_sync.topic WHERE code IS NULL AND limit_bytes IS NULL');
      await client.query(
        `INSERT INTO payflow_sync.topic AS t (topic, code, message)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
         ON CONFLICT (topic) DO UPDATE
           SET since = CASE WHEN t.code IS NULL THEN now() ELSE t.since END,
               code = EXCLUDED.code, message = EXCLUDED.message`,
        [
          [...troubles.keys()],
          [...troubles.values()].map(({ code }) => code),
          [...troubles.values()].map(({ message }) => message),
        ],
      );
    });
    this.#told = told;
  }
}
