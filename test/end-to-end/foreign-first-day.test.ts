/**
 * The first day of shops of other styles, by the mapping as it was drafted: both sides have half of the sales already, the
 * agent runs before anybody thinks of bootstrap, and in the end a judge of its own finds both sides equal.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareTill, type Difference } from '../../scripts/support/compare.ts';
import { startPostgres, type RunningPostgres } from '../../scripts/support/postgres.ts';
import { until } from '../../scripts/support/until.ts';
import type { SystemStatus } from '../../services/gateway/status.ts';
import { runCli } from '../../services/cli/program.ts';
import { Output } from '../../services/cli/terminal-output.ts';
import type { Environment } from '../../services/shared/config.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { FRENCH_SHOP } from '../integration/cli/mapping-draft/shops/french.ts';
import { ORM_SHOP } from '../integration/cli/mapping-draft/shops/orm.ts';
import { SEEDED_SHOP } from '../integration/cli/mapping-draft/shops/seeded.ts';
import { payflow } from '../support/cli.ts';

const SHOPS = [
  { name: 'french', shop: FRENCH_SHOP, store: '12', waiting: ['client', 'stock', 'Tickets de caisse'] },
  { name: 'orm', shop: ORM_SHOP, store: '2', waiting: [] },
  { name: 'seeded', shop: SEEDED_SHOP, store: '2', waiting: [] },
];

describe.each(SHOPS)('the $name shop', ({ name, shop, store, waiting }) => {
  let postgres: RunningPostgres;
  let pool: pg.Pool;
  let folder: string;
  let file: string;
  let env: Environment;
  let up: Promise<number> | undefined;
  const stop = new AbortController();
  let printed = '';
  let noted = '';

  beforeAll(async () => {
    postgres = await startPostgres();
    pool = new pg.Pool({ connectionString: postgres.url });
    // One that is still closing when the server stops is no fault of the test.
    pool.on('error', () => undefined);
    await shop.enterCentre(pool);
    folder = mkdtempSync(join(tmpdir(), `payflow-${name}-`));
    file = join(folder, 'payflow.db');
    const db = new Database(file);
    db.transaction(() => shop.enterTill(db))();
    db.close();
    env = {
      DATABASE_URL: postgres.url,
      MAPPING_FILE: join(folder, 'mapping.yaml'),
      DATA_DIR: join(folder, 'data'),
      TOPIC_PREFIX: `day_${name}`,
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

  async function status(): Promise<SystemStatus> {
    const { stdout } = await payflow(['status', '--json'], env);
    return JSON.parse(stdout) as SystemStatus;
  }

  /** Times are left out where the till keeps them in a form of its own: the judge reads UTC, to the microsecond. */
  async function judged(): Promise<readonly Difference[]> {
    const mapping = parseMapping(readFileSync(env['MAPPING_FILE'] ?? '', 'utf8'));
    const { differences } = await compareTill({ pool, mapping, terminalId: 't1', storeId: store, file });
    const times = new Map(
      mapping.tables.map(({ local, columns }) => [
        local,
        [...columns].filter(([, { format }]) => format !== undefined).map(([column]) => column),
      ]),
    );
    return differences.filter(
      ({ table, kind, detail }) =>
        kind !== 'different' || !(times.get(table) ?? []).some((column) => detail.startsWith(`${column}: `)),
    );
  }

  async function start(): Promise<void> {
    const output = new Output({
      out: (text) => (printed += text),
      err: (text) => (noted += text),
      interactive: false,
    });
    up = runCli(['up', '--terminal', `t1=${file}@${store}`], { env, output, signal: stop.signal });
    await until(
      () => printed.includes('till      t1'),
      () => `up is ready: ${noted}`,
      { deadlineMs: 60_000, everyMs: 50 },
    );
  }

  test('is equal on both sides after its first day, and not one row stands twice', async () => {
    const drafted = await payflow(
      ['mapping', 'draft', '--terminal-db', file, '--output', env['MAPPING_FILE'] ?? ''],
      env,
    );
    expect(drafted).toMatchObject({ code: 0 });
    await start();
    expect(printed).toContain('payflow bootstrap --terminal t1');
    // All that the centre has is read, and nobody has bootstrapped.
    await payflow(['sync', '--all', '--direction', 'push', '--wait'], env);
    const { agent } = (await status()).terminals[0] ?? {};
    expect((agent?.earlierRows ?? []).filter(({ waits }) => waits).map(({ table }) => table)).toEqual(
      expect.arrayContaining(waiting),
    );
    const bootstrap = await payflow(['bootstrap'], env);
    expect(bootstrap).toMatchObject({ code: 0 });
    const synced = await payflow(['sync', '--all', '--wait'], env);
    expect(synced).toMatchObject({ code: 0 });
    let differences = await judged();
    await until(
      async () => (differences = await judged()).length === 0,
      () => `both sides are equal: ${JSON.stringify(differences.slice(0, 5))}`,
      { deadlineMs: 20_000, everyMs: 250 },
    );
    let last = await status();
    await until(
      async () => (last = await status()).terminals[0]?.agent?.earlierRows?.length === 0,
      () => `all rows are known: ${JSON.stringify(last.terminals[0]?.agent)}`,
      { deadlineMs: 20_000, everyMs: 250 },
    );
    const { deadLetters, held, conflicts, terminals } = last;
    expect({ deadLetters, held, conflicts, parked: terminals[0]?.agent?.parked }).toEqual({
      deadLetters: 0,
      held: 0,
      conflicts: 0,
      parked: 0,
    });
  });
});
