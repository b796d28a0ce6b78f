/** What one look compares is of one moment, whatever is altered while it reads. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { startPostgres } from '../../../../scripts/support/postgres.ts';
import type * as CatalogFacts from '../../../../services/central-capture/watch/catalog-facts.ts';
import type { TableRules } from '../../../../services/central-capture/watch/differences.ts';
import { keptOf, partitionOrders } from '../../../../services/central-capture/watch/partition-orders.ts';
import {
  lookAt,
  lookAtPublication,
  type Seen,
} from '../../../../services/central-capture/watch/table-look.ts';
import { shapeOf, type PublicationFacts } from '../../../../services/central-capture/watch/table-shape.ts';
import { UNKNOWN, type Known } from '../../../../services/central-capture/watch/watch-store.ts';
import { createPool } from '../../../../services/shared/database/postgres.ts';

const midway = vi.hoisted(() => ({ happens: () => Promise.resolve() }));

vi.mock('../../../../services/central-capture/watch/catalog-facts.ts', async (original) => {
  const facts = await original<typeof CatalogFacts>();
  return {
    ...facts,
    readPartitions: async (...asked: Parameters<typeof facts.readPartitions>) => {
      await midway.happens();
      return facts.readPartitions(...asked);
    },
  };
});

const { readPublication } = await import('../../../../services/central-capture/watch/catalog-facts.ts');
const log = pino({ level: 'silent' });
const rules: TableRules = { name: 'events', isSent: () => true, needsFull: () => false };
let pool: Pool;
let published: PublicationFacts;
let stop: () => Promise<void>;

beforeEach(async () => {
  const postgres = await startPostgres();
  pool = createPool({ connectionString: postgres.url, applicationName: 'test', log });
  stop = () => postgres.stop();
  await pool.query(`
    CREATE TABLE events (id int, month int, what text, PRIMARY KEY (id, month)) PARTITION BY RANGE (month);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (2);
    INSERT INTO events VALUES (1, 1, 'quiet');
    CREATE PUBLICATION p FOR TABLE events`);
  const read = async () => {
    const publication = await readPublication(pool, 'p');
    if (publication === null) throw new Error('no publication');
    return publication;
  };
  published = (await lookAtPublication({ pool, publicationName: 'p', log }, read)).publication;
});
afterEach(async () => {
  midway.happens = () => Promise.resolve();
  await pool.end();
  await stop();
});

async function look(known: Known): Promise<Seen<TableRules>> {
  const whole = { publication: published, isMended: false, refusal: null };
  const [seen] = await lookAt({ pool, publicationName: 'p', log }, whole, [{ rules, known, isTold: false }]);
  if (seen === undefined) throw new Error('not looked at');
  return seen;
}

/** What is kept once all that the look led to is done. */
function settled({ known, now, partitions = [], compared }: Seen<TableRules>): Known {
  if (now === null) throw new Error('the table is gone');
  const shape = shapeOf(now, published, '0/10');
  if (known.shape === null) return { shape, partitions: keptOf(partitions), state: null };
  const orders = partitionOrders('events', partitions, compared);
  return {
    shape,
    partitions: orders.reduce((kept, order) => order.settle(kept), known.partitions),
    state: null,
  };
}

it('values converted by USING in the midst of a look are seen by the next, whatever that look has settled', async () => {
  const seeded = settled(await look(UNKNOWN));
  midway.happens = async () => {
    midway.happens = () => Promise.resolve();
    await pool.query('ALTER TABLE events ALTER what TYPE text USING upper(what)');
  };
  const first = await look(seeded);
  const second = await look(first.compared.reasons.length > 0 ? seeded : settled(first));
  expect([...first.compared.reasons, ...second.compared.reasons]).toContain('rewritten');
});
