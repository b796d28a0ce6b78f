/**
 * What looking at the catalog costs the centre: the processor time of the connection that looks (round trips where the
 * system does not tell), with nothing changed between looks, as it nearly always is.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { setupCentre } from '../../services/central-capture/setup/setup.ts';
import { CatalogWatch } from '../../services/central-capture/watch/catalog-watch.ts';
import { PgoutputMemory } from '../../services/central-capture/watch/pgoutput-memory.ts';
import { publicationName } from '../../services/shared/database/slot-names.ts';
import { withReleasers } from '../../services/shared/lifecycle.ts';
import { EmbeddedLog } from '../../services/shared/log/embedded-log.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { startPostgres } from '../support/postgres.ts';
import { median, type Figure } from './figures.ts';

export interface WatchOptions {
  readonly folder: string;
  readonly say: (line: string) => void;
}

interface Centre {
  readonly name: string;
  readonly sql: readonly string[];
  readonly tables: readonly string[];
}

const TABLES = 200;
const PARTITIONS = 4_000;
/** As many as fit into the lock table of one transaction. */
const MADE_AT_ONCE = 500;
const PREFIX = 'payflow';
/** Of a heartbeat of ten seconds. */
const LOOKS_A_MINUTE = 6;
/** The processor's time comes in pieces of 10 ms. */
const MINUTES_A_SAMPLE = 10;
const SAMPLES = 5;
const CLOCK_TICK_MS = 10;

export async function benchWatch({ folder, say }: WatchOptions): Promise<Figure[]> {
  const log = pino({ level: 'silent' });
  const measured = (centre: Centre) =>
    withReleasers(async (onRelease) => {
      say(`a centre with ${centre.name}`);
      const postgres = await startPostgres();
      onRelease(() => postgres.stop());
      const pool = new pg.Pool({ connectionString: postgres.url, max: 1 });
      onRelease(() => pool.end());
      for (const sql of centre.sql) await pool.query(sql);
      const eventLog = new EmbeddedLog({ file: join(folder, `${centre.tables.length}.db`), log });
      onRelease(() => eventLog.close());
      const mapping = parseMapping(mappingOf(centre.tables));
      await setupCentre({ pool, eventLog, prefix: PREFIX, mapping, upPartitions: 1 });
      // As a capture leaves it that has seeded everything.
      await pool.query(`UPDATE payflow_sync.seeding SET state = 'done'`);
      const watch = new CatalogWatch({
        pool,
        epoch: 1,
        publication: publicationName(PREFIX),
        mapping: () => mapping,
        pgoutput: new PgoutputMemory(),
        everyMs: 10_000,
        onStates: () => undefined,
        onSweep: () => undefined,
        onPartition: () => undefined,
        onStale: () => undefined,
        log,
      });
      await watch.start();
      await minutes(watch, 2);
      say('looking');
      return costOfAMinute(pool, watch);
    });
  const plain = await measured(manyTables());
  const partitioned = await measured(manyPartitions());
  return [
    { name: `a heartbeat, ${TABLES} tables`, value: plain / LOOKS_A_MINUTE, unit: 'ms', most: 5 },
    { name: `a minute, ${PARTITIONS} partitions`, value: partitioned, unit: 'ms', most: 20 },
  ];
}

function manyTables(): Centre {
  const columns = Array.from({ length: 19 }, (_, n) => `c${n} ${n % 3 === 0 ? 'numeric(12,2)' : 'text'}`);
  const tables = Array.from({ length: TABLES }, (_, n) => `t${n}`);
  const sql = tables.map((name) => `CREATE TABLE ${name} (id bigint PRIMARY KEY, ${columns.join()})`);
  return { name: `${TABLES} tables`, sql: [sql.join(';')], tables };
}

function manyPartitions(): Centre {
  const make = (first: number) =>
    `DO $$ BEGIN FOR n IN ${first}..${first + MADE_AT_ONCE - 1} LOOP
       EXECUTE format('CREATE TABLE t_%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', n, n, n + 1);
     END LOOP; END $$`;
  const firsts = Array.from({ length: PARTITIONS / MADE_AT_ONCE }, (_, n) => n * MADE_AT_ONCE);
  const root = 'CREATE TABLE t (id bigint PRIMARY KEY, name text) PARTITION BY RANGE (id)';
  return { name: `${PARTITIONS} partitions`, sql: [root, ...firsts.map(make)], tables: ['t'] };
}

function mappingOf(tables: readonly string[]): string {
  return `version: 1\ntables:\n${tables.map((name) => `  ${name}: { scope: global }\n`).join('')}`;
}

async function minutes(watch: CatalogWatch, count: number): Promise<void> {
  for (let look = 0; look < count * LOOKS_A_MINUTE; look += 1) await watch.look();
}

async function costOfAMinute(pool: pg.Pool, watch: CatalogWatch): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const pid = rows[0]?.pid ?? 0;
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const before = spentMs(pid);
    await minutes(watch, MINUTES_A_SAMPLE);
    samples.push((spentMs(pid) - before) / MINUTES_A_SAMPLE);
  }
  return median(samples);
}

/** Processor time of the server's process, in and for it; else the time that has passed. */
function spentMs(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return performance.now();
  // The name, which may hold spaces, ends with the last bracket; utime and stime are the 14th and 15th fields.
  const fields = readFileSync(file, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}
