/** The first day's order on one machine, without Kafka: setup, parity, bootstrap, and then a mode. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTill } from '../../../scripts/support/compare.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { runCli } from '../../../services/cli/program.ts';
import { Output } from '../../../services/cli/terminal-output.ts';
import type { SystemStatus } from '../../../services/gateway/status.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { payflow } from '../../support/cli.ts';
import { SEEDED_SHOP } from './mapping-draft/shops/seeded.ts';

let postgres: RunningPostgres;
let pool: pg.Pool;
let folder: string;
let file: string;
let env: Environment;
const stop = new AbortController();
let up: Promise<number> | undefined;

beforeAll(async () => {
  postgres = await startPostgres();
  pool = new pg.Pool({ connectionString: postgres.url });
  // One that is still closing when the server stops is no fault of the test.
  pool.on('error', () => undefined);
  await SEEDED_SHOP.enterCentre(pool);
  folder = mkdtempSync(join(tmpdir(), 'payflow-one-'));
  file = join(folder, 'payflow.db');
  const db = new Database(file);
  db.transaction(() => SEEDED_SHOP.enterTill(db))();
  db.close();
  env = {
    DATABASE_URL: postgres.url,
    MAPPING_FILE: join(folder, 'mapping.yaml'),
    DATA_DIR: join(folder, 'data'),
    TOPIC_PREFIX: 'one',
    GATEWAY_PORT: '0',
    LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    SYNC_SCHEDULE: '',
  };
});

afterAll(async () => {
  stop.abort();
  await up;
  await pool?.end();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('setup looks, makes the centre ready with the log of this machine, and says which one it is', async () => {
  const output = env['MAPPING_FILE'] ?? '';
  const drafted = await payflow(['mapping', 'draft', '--terminal-db', file, '--output', output], env);
  expect(drafted.code).toBe(0);
  const looked = await payflow(['setup', '--check'], env);
  expect(looked.code).toBe(1);
  expect(looked.stdout).toContain('missing: topic one.catalog');
  expect(existsSync(join(folder, 'data'))).toBe(false);
  const made = await payflow(['setup'], env);
  expect(made.code).toBe(0);
  expect(made.stderr).toContain(`the log is ${join(folder, 'data', 'event-log.db')}`);
  expect(await payflow(['setup', '--check'], env)).toMatchObject({ code: 0, stdout: 'complete\n' });
  const parity = await payflow(['parity', '--terminal-db', file], env);
  expect(parity).toMatchObject({ code: 0 });
});

test('a service apart is told that it needs Kafka, and what does not', async () => {
  const { code, stderr } = await payflow(['run', 'capture'], env);
  expect(code).toBe(2);
  expect(stderr).toMatch(/KAFKA_BROKERS is not set.*payflow up/);
});

test('bootstrap of a till that nothing runs for yet runs all that it takes, and ends', async () => {
  const first = await payflow(['bootstrap', '--terminal', `t1=${file}@2`], env);
  expect(first).toMatchObject({ code: 0 });
  expect(first.stdout).toMatch(/invoices +240 +120 +120 +0 +0/);
  expect(first.stdout).not.toContain('gateway');
  const again = await payflow(['bootstrap', '--terminal', `t1=${file}@2`, '--json'], env);
  expect(JSON.parse(again.stdout)).toMatchObject([{ terminalId: 't1', offered: 0, listed: 0, refused: 0 }]);
});

test('up then goes on from there, in the mode that it is given', async () => {
  let printed = '';
  const output = new Output({ out: (text) => (printed += text), err: () => undefined, interactive: false });
  const args = ['up', '--mode', 'scheduled', '--terminal', `t1=${file}@2`];
  up = runCli(args, { env, output, signal: stop.signal });
  await until(() => printed.includes('till      t1'), 'up is ready', { deadlineMs: 60_000, everyMs: 50 });
  expect(printed).not.toContain('due ');
  expect(await payflow(['sync', '--all', '--wait'], env)).toMatchObject({ code: 0 });
  const { stdout } = await payflow(['status', '--json'], env);
  expect((JSON.parse(stdout) as SystemStatus).terminals).toMatchObject([{ online: true, mode: 'scheduled' }]);
  const mapping = parseMapping(readFileSync(env['MAPPING_FILE'] ?? '', 'utf8'));
  const judged = await compareTill({ pool, mapping, terminalId: 't1', storeId: '2', file });
  expect(judged.differences).toEqual([]);
});
