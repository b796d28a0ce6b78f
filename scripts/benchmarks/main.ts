/**
 * `scripts/bench push|pull|crowd|seed|tills|large|watch`: real PostgreSQL, real Kafka, real processes; prints a table and one
 * line of JSON. Floors are ratios to ceilings measured in the same run, for machines differ by the hour.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withReleasers } from '../../services/shared/lifecycle.ts';
import { startKafka } from '../support/kafka.ts';
import { startPostgres } from '../support/postgres.ts';
import { Site } from '../support/site.ts';
import { printFigures } from './figures.ts';
import { benchCrowd } from './crowd.ts';
import { benchLarge } from './large.ts';
import { benchPull } from './pull.ts';
import { benchPush } from './push.ts';
import { benchSeed, fillCentre } from './seed.ts';
import { benchTills, MANY_TILLS } from './tills.ts';
import { benchWatch } from './watch.ts';

/** By name: how many rows where the command line does not say. */
const BENCHES = {
  push: 400_000,
  pull: 50_000,
  crowd: 50_000,
  seed: 200_000,
  tills: 200_000,
  large: 0,
  watch: 0,
} as const;
const USAGE = `usage: scripts/bench ${Object.keys(BENCHES).join('|')} [--rows N] [--samples N] [--only TEXT]`;
const ROWS_PER_TRANSACTION = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    samples: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
  },
});
const bench = (Object.keys(BENCHES) as (keyof typeof BENCHES)[]).find((name) => name === positionals[0]);
if (bench === undefined) {
  console.error(`[USAGE] ${USAGE}`);
  process.exit(2);
}
const rows = Number(values.rows ?? BENCHES[bench]);
const say = (line: string) => console.error(`bench: ${line}`);

await withReleasers(async (onRelease) => {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-bench-'));
  onRelease(() => rmSync(folder, { recursive: true, force: true }));
  if (bench === 'watch') {
    printFigures(bench, await benchWatch({ folder, say }), {});
    return;
  }
  say('starting PostgreSQL and Kafka');
  const postgres = await startPostgres();
  onRelease(() => postgres.stop());
  const kafka = await startKafka();
  onRelease(() => kafka.stop());
  const site = await Site.prepare({
    databaseUrl: postgres.url,
    brokers: kafka.brokers,
    folder,
    tills: bench === 'tills' ? MANY_TILLS : [{ id: 'T1', store: '1' }],
    tillsStandBack: bench === 'tills',
    beforeSetup: bench === 'seed' ? (pool) => fillCentre(pool, rows) : undefined,
    env: { LOG_LEVEL: 'info' },
  });
  onRelease(() => site.stop());
  const { brokers } = kafka;
  const rowsPerTransaction = ROWS_PER_TRANSACTION;
  const run = {
    push: () =>
      benchPush({ site, brokers, rows, rowsPerTransaction, latencySamples: Number(values.samples), say }),
    pull: () => benchPull({ site, rows, say }),
    seed: () => benchSeed({ site, rows, say }),
    tills: () => benchTills({ site, rows, say }),
    large: () => benchLarge({ site, only: values.only, say }),
    crowd: () => benchCrowd({ site, brokers, tills: 200, samples: Number(values.samples), say }),
  };
  const figures = await run[bench]();
  printFigures(bench, figures, { rows, rowsPerTransaction: ROWS_PER_TRANSACTION, schema: 'reference' });
});
