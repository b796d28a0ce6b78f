/**
 * `scripts/bench push|pull|app|crowd|seed|tills|large|watch|verify`: real PostgreSQL, real Kafka, real processes; prints a table and one
 * line of JSON. Floors are ratios to ceilings measured in the same run, for machines differ by the hour.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Pool } from 'pg';
import { withReleasers } from '../../services/shared/lifecycle.ts';
import { startKafka } from '../support/kafka.ts';
import { startPostgres } from '../support/postgres.ts';
import { Site, type TillPlan } from '../support/site.ts';
import { printFigures } from './figures.ts';
import { APPS, benchApp, fillSettings } from './app.ts';
import { benchCrowd } from './crowd.ts';
import { benchLarge } from './large.ts';
import { benchPull } from './pull.ts';
import { benchPush } from './push.ts';
import { benchSeed, fillCentre } from './seed.ts';
import { benchTills, MANY_TILLS } from './tills.ts';
import { benchVerify } from './verify.ts';
import { benchWatch } from './watch.ts';

/** By name: how many rows where the command line does not say. */
const BENCHES = {
  push: 400_000,
  pull: 50_000,
  app: 200_000,
  crowd: 50_000,
  seed: 200_000,
  tills: 200_000,
  large: 0,
  watch: 0,
  verify: 1_000_000,
} as const;
const USAGE = `usage: scripts/bench ${Object.keys(BENCHES).join('|')} [--rows N] [--samples N] [--only TEXT]`;
const ROWS_PER_TRANSACTION = 100;

type Bench = keyof typeof BENCHES;
const PLANS: Partial<Record<Bench, readonly TillPlan[]>> = { tills: MANY_TILLS, app: APPS };
/** What the centre holds when it is set up. */
const FILLS: Partial<Record<Bench, (pool: Pool, rows: number) => Promise<void>>> = {
  seed: fillCentre,
  verify: fillCentre,
  app: fillSettings,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    samples: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
  },
});
const bench = (Object.keys(BENCHES) as Bench[]).find((name) => name === positionals[0]);
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
    tills: PLANS[bench] ?? [{ id: 'T1', store: '1' }],
    tillsStandBack: bench === 'tills',
    beforeSetup: (pool) => FILLS[bench]?.(pool, rows) ?? Promise.resolve(),
    env: { LOG_LEVEL: 'info' },
  });
  onRelease(() => site.stop());
  const { brokers } = kafka;
  const rowsPerTransaction = ROWS_PER_TRANSACTION;
  const run = {
    push: () =>
      benchPush({ site, brokers, rows, rowsPerTransaction, latencySamples: Number(values.samples), say }),
    pull: () => benchPull({ site, rows, say }),
    app: () => benchApp({ site, rows, folder, say }),
    seed: () => benchSeed({ site, rows, say }),
    tills: () => benchTills({ site, rows, say }),
    verify: () => benchVerify({ site, rows, say }),
    large: () => benchLarge({ site, only: values.only, say }),
    crowd: () => benchCrowd({ site, brokers, tills: 200, samples: Number(values.samples), say }),
  };
  const figures = await run[bench]();
  printFigures(bench, figures, { rows, rowsPerTransaction: ROWS_PER_TRANSACTION, schema: 'reference' });
});
