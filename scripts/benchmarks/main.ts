/**
 * `scripts/bench push|pull|crowd|large [--rows N]`: real PostgreSQL, real Kafka, real processes; prints a table and one
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

const USAGE = 'usage: scripts/bench push|pull|crowd|large [--rows N] [--samples N]';
const ROWS_PER_TRANSACTION = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    samples: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
  },
});
const direction = positionals[0];
if (direction !== 'push' && direction !== 'pull' && direction !== 'crowd' && direction !== 'large') {
  console.error(`[USAGE] ${USAGE}`);
  process.exit(2);
}
const rows = Number(values.rows ?? (direction === 'push' ? 400_000 : 50_000));
const say = (line: string) => console.error(`bench: ${line}`);

await withReleasers(async (onRelease) => {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-bench-'));
  onRelease(() => rmSync(folder, { recursive: true, force: true }));
  say('starting PostgreSQL and Kafka');
  const postgres = await startPostgres();
  onRelease(() => postgres.stop());
  const kafka = await startKafka();
  onRelease(() => kafka.stop());
  const site = await Site.prepare({
    databaseUrl: postgres.url,
    brokers: kafka.brokers,
    folder,
    tills: [{ id: 'T1', store: '1' }],
    env: { LOG_LEVEL: 'info' },
  });
  onRelease(() => site.stop());
  const { brokers } = kafka;
  const rowsPerTransaction = ROWS_PER_TRANSACTION;
  const run = {
    push: () =>
      benchPush({ site, brokers, rows, rowsPerTransaction, latencySamples: Number(values.samples), say }),
    pull: () => benchPull({ site, rows, say }),
    large: () => benchLarge({ site, only: values.only, say }),
    crowd: () => benchCrowd({ site, brokers, tills: 200, samples: Number(values.samples), say }),
  };
  const figures = await run[direction]();
  printFigures(direction, figures, { rows, rowsPerTransaction: ROWS_PER_TRANSACTION, schema: 'reference' });
});
