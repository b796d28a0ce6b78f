/**
 * A whole installation under `up` whose till loses its agent file, and goes on by itself; then it is put back from a copy
 * from which that went on: it knows that it is fenced and says so everywhere, an operator lets it go on beside the running
 * `up`, and what was sold meanwhile arrives once.
 */
import { OPEN_ENTRIES_SQL } from '../../../services/terminal-agent/file/outbox-schema.ts';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { runCli } from '../../../services/cli/program.ts';
import { Output } from '../../../services/cli/terminal-output.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { payflow } from '../../support/cli.ts';

let postgres: RunningPostgres;
let pool: pg.Pool;
let folder: string;
let file: string;
let base: Environment;
/** As in a second shell: it knows no more than where the first one was started. */
let beside: Environment;
const before = process.cwd();
let stop = new AbortController();
let up: Promise<number> = Promise.resolve(0);
let noted = '';
let printed = '';
let metricsPort = 0;

const args = () => ['up', '--json', '--terminal', `till-1=${file}@1`];

function startUp(): void {
  stop = new AbortController();
  printed = '';
  const output = new Output({
    out: (text) => (printed += text),
    err: (text) => (noted += text),
    interactive: false,
  });
  up = runCli(args(), { env: base, output, signal: stop.signal });
}

interface Part {
  readonly name: string;
  readonly state: string;
  readonly code?: string;
}

async function parts(): Promise<Part[]> {
  try {
    const response = await fetch(`http://127.0.0.1:${metricsPort}/readyz`);
    return ((await response.json()) as { parts: Part[] }).parts;
  } catch {
    // It does not listen yet.
    return [];
  }
}

const isReady = async () => {
  const all = await parts();
  return all.length > 0 && all.every(({ state }) => state === 'ready');
};

beforeAll(async () => {
  postgres = await startPostgres();
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'payflow-fenced-')));
  pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  // A connection that is still closing when the server stops is no fault of the test.
  pool.on('error', (error) => (noted += error.message));
  await pool.query(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
  for (const name of ['shop', 'first', 'second']) mkdirSync(join(folder, name));
  file = join(folder, 'shop', 'payflow.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
  db.close();
  metricsPort = await freePort();
  const common = { LOG_LEVEL: 'silent', SYNC_SCHEDULE: '', GATEWAY_PORT: '0' };
  base = { ...common, DATABASE_URL: postgres.url, METRICS_PORT: String(metricsPort), TOPIC_PREFIX: 'fenced' };
  beside = { LOG_LEVEL: 'silent', DATABASE_URL: postgres.url };
  process.chdir(join(folder, 'first'));
  startUp();
  await until(isReady, () => `up is ready: ${noted}`);
});

afterAll(async () => {
  stop.abort();
  await up;
  process.chdir(before);
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

const place = () => join(folder, 'shop', '.payflow', 'terminals', 'till-1');

function sell(name: string): void {
  const db = new Database(file);
  db.prepare('INSERT INTO customers (full_name, email) VALUES (?, ?)').run(name, `${name}@example.org`);
  db.close();
}

async function arrived(): Promise<string[]> {
  const { rows } = await pool.query<{ full_name: string }>(
    'SELECT full_name FROM customers ORDER BY full_name',
  );
  return rows.map((row) => row.full_name);
}

const open = () => {
  const db = new Database(file, { readonly: true });
  const count = db.prepare(OPEN_ENTRIES_SQL).pluck().get();
  db.close();
  return Number(count);
};

interface Shown {
  readonly status: string;
  readonly why: string | null;
  readonly incarnations: { readonly incarnation: string; readonly state: string }[];
}

const show = async (): Promise<Shown> =>
  JSON.parse((await payflow(['terminals', 'show', 'till-1', '--json'], beside)).stdout) as Shown;

describe('a till under `up`', () => {
  it('keeps what belongs to it beside its file, wherever up is started', async () => {
    expect(existsSync(join(place(), 'terminal.json'))).toBe(true);
    sell('Ada');
    await until(
      async () => (await arrived()).includes('Ada') && open() === 0,
      'Ada has arrived and is settled',
    );
    stop.abort();
    expect(await up).toBe(0);
    process.chdir(join(folder, 'second'));
    startUp();
    await until(isReady, () => `up is ready again: ${noted}`);
    expect(existsSync(join(folder, 'second', '.payflow', 'terminals'))).toBe(false);
  });

  it('is registered, listed and given tokens by commands beside it, which need nothing but its folder', async () => {
    const registered = await payflow(
      ['terminals', 'register', '--terminal', 'till-2', '--store', '2', '--json'],
      beside,
    );
    expect(registered).toMatchObject({ code: 0, stderr: '' });
    expect((await payflow(['setup', '--check'], beside)).stdout).toBe('complete\n');
    expect((await payflow(['token', 'create', '--role', 'viewer'], beside)).code).toBe(0);
    expect((await payflow(['status'], beside)).stdout).toMatch(/till-1 +1 +enrolled/);
    expect(
      await payflow(['terminals', 'register', '--terminal', 'till-1', '--store', '1'], beside),
    ).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^\[CONFLICT\] .*enrolled already.*--replace/) as string,
    });
  });

  it('is registered with many others by a file; those that were, before one is refused, are told', async () => {
    const { gatewayUrl } = JSON.parse(
      readFileSync(join(folder, 'second', '.payflow', 'up.json'), 'utf8'),
    ) as { gatewayUrl: string };
    const { stdout: token } = await payflow(['token', 'create', '--role', 'operator'], beside);
    const far = {
      LOG_LEVEL: 'silent',
      DATA_DIR: join(folder, 'far'),
      GATEWAY_URL: gatewayUrl,
      PAYFLOW_TOKEN: token.trim(),
    };
    const register = (lines: string, env: Environment, ...more: string[]) => {
      const csv = join(folder, 'tills.csv');
      writeFileSync(csv, lines);
      return payflow(['terminals', 'register', '--from', csv, '--json', ...more], env);
    };
    const storesOf = async () => {
      const { stdout } = await payflow(['terminals', 'list', '--json'], beside);
      const tills = JSON.parse(stdout) as { terminalId: string; storeId: string }[];
      return Object.fromEntries(tills.map(({ terminalId, storeId }) => [terminalId, storeId]));
    };
    const one = await register('terminal;store\ntill-3;2\ntill-1;1\ntill-4;2\n', far);
    expect(one).toMatchObject({ code: 3, stderr: expect.stringMatching(/^\[CONFLICT\] .*till-1/) as string });
    expect(JSON.parse(one.stdout)).toMatchObject([{ terminalId: 'till-3', storeId: '2' }]);
    // With the database at hand it is all or none.
    expect(await register('till-5,2\ntill-1,1\n', beside)).toMatchObject({ code: 3, stdout: '' });
    expect(await storesOf()).toEqual({ 'till-1': '1', 'till-2': '2', 'till-3': '2' });
    for (const [env, store] of [
      [far, '3'],
      [beside, '4'],
    ] as const) {
      expect((await register(`till-3,${store}\n`, env)).stderr).toMatch(/^\[CONFLICT\].*--replace/);
      const moved = await register(`till-3,${store}\ntill-6,2\n`, env, '--replace');
      expect(JSON.parse(moved.stdout)).toMatchObject([
        { terminalId: 'till-3', storeId: store, enrolmentCode: expect.any(String) as string },
        { terminalId: 'till-6', storeId: '2' },
      ]);
      expect(await storesOf()).toMatchObject({ 'till-3': store, 'till-6': '2' });
    }
  });

  it('is not harmed by a second up on the same file', async () => {
    expect(await payflow(args(), { ...base, METRICS_PORT: '0' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[TERMINAL_DB_IN_USE]') as string,
    });
    expect(await isReady()).toBe(true);
  });

  it('that lost its agent file goes on by itself: everything is there once', async () => {
    stop.abort();
    await up;
    const db = new Database(file);
    await db.backup(join(folder, 'kept.db'));
    db.close();
    rmSync(join(place(), 'till-1.agent.db'));
    sell('Grace');
    startUp();
    await until(
      async () => (await arrived()).includes('Grace') && open() === 0,
      'Grace has arrived and is settled',
    );
    await until(isReady, 'everything is ready again');
    expect(await arrived()).toEqual(['Ada', 'Grace']);
    const shown = await show();
    expect(shown).toMatchObject({ status: 'enrolled', why: null });
    expect(shown.incarnations.map(({ state }) => state)).toEqual(['current', 'followed']);
    expect((await pool.query('SELECT FROM payflow_sync.dead_letter')).rowCount).toBe(0);
  });

  it('that is a copy from which another file went on before is fenced, and says so in readyz, status, sync and bootstrap', async () => {
    stop.abort();
    await up;
    rmSync(join(place(), 'till-1.agent.db'));
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    copyFileSync(join(folder, 'kept.db'), file);
    sell('Barbara');
    startUp();
    const standing = async () => (await parts()).find(({ name }) => name === 'till-1 standing');
    await until(
      async () => (await standing())?.code === 'TERMINAL_FENCED',
      'the till knows that it is fenced',
    );
    await until(async () => (await show()).status === 'fenced', 'the centre knows it too');
    await until(() => printed.endsWith('}\n'), 'up says what it is instead of ready');
    expect(JSON.parse(printed)).toMatchObject({
      ready: false,
      waiting: [{ name: 'till-1 standing', state: 'unready', code: 'TERMINAL_FENCED' }],
      tills: [{ terminalId: 'till-1' }],
    });
    printed = '';
    expect((await show()).incarnations.map(({ state }) => state)).toEqual(['current', 'waiting', 'followed']);
    const sync = await payflow(['sync', '--terminal', 'till-1', '--wait'], beside);
    expect(sync).toMatchObject({ code: 3, stderr: expect.stringContaining('[TERMINAL_FENCED]') as string });
    const all = await payflow(['sync', '--all', '--wait', '--json'], beside);
    expect(JSON.parse(all.stdout)).toMatchObject({
      terminals: [{ terminalId: 'till-1', state: 'failed', error: { code: 'TERMINAL_FENCED' } }],
    });
    const bootstrap = await payflow(['bootstrap', '--terminal', 'till-1'], beside);
    expect(bootstrap).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('[TERMINAL_FENCED]') as string,
    });
    expect((await payflow(['status'], beside)).stdout).toMatch(/till-1 +1 +fenced, fenced/);
    expect(await arrived()).toEqual(['Ada', 'Grace']);
  });

  it('goes on when an operator says so: everything is there once, and nothing is a dead letter', async () => {
    const { incarnations } = await show();
    const waiting = incarnations.find(({ state }) => state === 'waiting')?.incarnation ?? '';
    const unfenced = await payflow(['terminals', 'unfence', 'till-1', '--incarnation', waiting], beside);
    expect(unfenced).toMatchObject({ code: 0, stderr: '' });
    await until(
      async () => (await arrived()).includes('Barbara') && open() === 0,
      'Barbara has arrived and is settled',
    );
    await until(isReady, 'everything is ready again');
    await until(() => printed.endsWith('}\n'), 'up says that it is ready');
    expect(JSON.parse(printed)).toMatchObject({ ready: true, waiting: [] });
    expect(await arrived()).toEqual(['Ada', 'Barbara', 'Grace']);
    expect(await show()).toMatchObject({ status: 'enrolled', why: null });
    expect((await pool.query('SELECT FROM payflow_sync.dead_letter')).rowCount).toBe(0);
    expect((await pool.query('SELECT FROM payflow_sync.held')).rowCount).toBe(0);
    expect((await payflow(['sync', '--terminal', 'till-1', '--wait'], beside)).code).toBe(0);
  });

  it('that is retired says so, and what it sells afterwards stays in its file', async () => {
    sell('Joan');
    await until(async () => (await arrived()).includes('Joan'), 'Joan has arrived');
    const retired = await payflow(['terminals', 'retire', 'till-1'], beside);
    expect(retired).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('till-1 is retired') as string,
    });
    const standing = async () => (await parts()).find(({ name }) => name === 'till-1 standing');
    await until(
      async () => (await standing())?.code === 'TERMINAL_RETIRED',
      'the till knows that it is retired',
    );
    sell('Hedy');
    expect((await payflow(['terminals', 'retire', 'till-1'], beside)).code).toBe(0);
    expect(await arrived()).toEqual(['Ada', 'Barbara', 'Grace', 'Joan']);
  });
});
