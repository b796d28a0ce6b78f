/** What capture writes down of topics about which there is something to say: payflow_sync.topic. */
import type { Pool } from 'pg';
import { inTransaction, wrapPostgresError } from '../../shared/database/postgres.ts';
import type { PayflowError } from '../../shared/errors.ts';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import { wantSeeding } from '../seeding/wanted.ts';

export interface TopicNotesOptions {
  readonly pool: Pool;
  readonly epoch: number;
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
  async lost(streams: ReadonlyMap<string, number>, tables: readonly string[]): Promise<void> {
    const { pool, epoch } = this.#options;
    await inTransaction(pool, async (client) => {
      await wantSeeding(client, epoch, tables);
      await client.query(
        `UPDATE payflow_sync.stream AS s SET first_offset = now.first_offset
         FROM unnest($1::text[], $2::bigint[]) AS now (topic, first_offset) WHERE s.topic = now.topic`,
        [[...streams.keys()], [...streams.values()]],
      );
    });
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
