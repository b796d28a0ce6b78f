/** `doctor` on a running centre with a till: nothing to say where all is well; each fault by its name, with what to do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import type { Finding } from '../../../services/cli/doctor/finding.ts';
import { runCli } from '../../../services/cli/program.ts';
import { Output } from '../../../services/cli/terminal-output.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { payflow } from '../../support/cli.ts';

const CENTRAL = `
CREATE SCHEMA depot;
CREATE TABLE depot.crates (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL UNIQUE,
  weight integer CHECK (weight < 100), updated_at timestamptz);
INSERT INTO depot.crates (code, weight) VALUES ('A', 1), ('B', 2);`;
const LOCAL = `CREATE TABLE boxes (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL, weight INTEGER, updated_at TEXT)`;
const MAPPING = `
version: 1
tables:
  boxes:
    central: depot.crates
    scope: global
    natural_key: [code]`;

/** The gateway counts requests by address. */
const SELDOM = { everyMs: 1_000 };

let postgres: RunningPostgres;
let folder: string;
let file: string;
let env: Environment;
let pool: pg.Pool;
const stop = new AbortController();
let up: Promise<number> | undefined;
let [printed, noted] = ['', ''];

async function doctor(more: Environment = {}) {
  const { code, stdout, stderr } = await payflow(['doctor', '--json'], { ...env, ...more });
  if (stdout === '') throw new Error(stderr);
  const { findings, errors, warnings } = JSON.parse(stdout) as {
    findings: Finding[];
    errors: number;
    warnings: number;
  };
  const bad = findings.filter(({ level }) => level !== 'ok');
  return { code, stderr, errors, warnings, findings, bad };
}

const told = ({ bad }: Awaited<ReturnType<typeof doctor>>) =>
  bad.map(({ area, level, code, message }) => [area, level, code, message]);

async function startUp(): Promise<void> {
  const output = new Output({
    out: (text) => (printed += text),
    err: (text) => (noted += text),
    interactive: false,
  });
  up = runCli(['up', '--json', '--terminal', `till-1=${file}@north`], { env, output, signal: stop.signal });
  await until(
    () => printed.includes('}\n'),
    () => `up is ready: ${noted}`,
  );
  const { gatewayUrl } = JSON.parse(printed) as { gatewayUrl: string };
  env = { ...env, GATEWAY_URL: gatewayUrl };
}

beforeAll(async () => {
  // Of its own: slots that others leave on a shared one are told.
  postgres = await startPostgres({ own: true });
  folder = mkdtempSync(join(tmpdir(), 'payflow-doctor-'));
  pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  // A connection that is still closing when the server stops is no fault of the test.
  pool.on('error', (error) => (noted += error.message));
  await pool.query(CENTRAL);
  file = join(folder, 'payflow.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(LOCAL);
  db.close();
  writeFileSync(join(folder, 'mapping.yaml'), MAPPING);
  env = {
    DATABASE_URL: postgres.url,
    TOPIC_PREFIX: `doc_${Math.random().toString(36).slice(2, 8)}`,
    MAPPING_FILE: join(folder, 'mapping.yaml'),
    DATA_DIR: join(folder, 'data'),
    GATEWAY_PORT: '0',
    LOG_LEVEL: 'silent',
    SYNC_SCHEDULE: '',
  };
});

afterAll(async () => {
  stop.abort();
  await up;
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

describe('before anything is set up', () => {
  it('without a setting it says which one is needed', async () => {
    const { code, stderr } = await payflow(['doctor'], { DATA_DIR: join(folder, 'nothing') });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('DATABASE_URL') as string });
  });

  it('what cannot be asked is said, and what can is looked at', async () => {
    const found = await doctor();
    expect(found.code).toBe(1);
    expect(told(found)).toEqual([
      ['services', 'error', null, 'no central-apply is connected'],
      ['log', 'warning', null, expect.stringContaining('KAFKA_BROKERS')],
      ['tables', 'warning', null, expect.stringContaining('what setup makes was not looked at')],
      ['services', 'error', 'GATEWAY_UNREACHABLE', expect.any(String)],
      ['attention', 'error', 'DB_NOT_SET_UP', expect.any(String)],
    ]);
    expect(found.bad.every(({ remedy }) => remedy !== null)).toBe(true);
  });

  it('a server that is away, and a mapping that is wrong, are named', async () => {
    const found = await doctor({
      DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
      MAPPING_FILE: join(folder, 'none.yaml'),
    });
    expect(found.code).toBe(1);
    expect(found.bad.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['CONFIG_INVALID', 'DB_UNREACHABLE']),
    );
  });
});

describe('where something takes connections and says nothing', () => {
  const silent = createServer();
  let address: string;
  beforeAll(async () => {
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  afterAll(() => silent.close());

  it.each([
    ['PostgreSQL', 'DB_UNREACHABLE', () => ({ DATABASE_URL: `postgres://u:s3cret@${address}/x` })],
    ['Kafka', 'LOG_UNREACHABLE', () => ({ KAFKA_BROKERS: address })],
    ['the gateway', 'GATEWAY_UNREACHABLE', () => ({ GATEWAY_URL: `http://${address}` })],
  ])('%s: it is named, once', async (_what, code, more) => {
    const found = await doctor(more());
    expect(found.code).toBe(1);
    expect(found.bad.filter((each) => each.code === code)).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('s3cret');
  });
});

describe('beside a running centre', () => {
  beforeAll(startUp);
  const clean = async () => {
    let found = await doctor();
    await until(
      async () => (found = await doctor()).bad.length === 0,
      () => `nothing is to be said: ${JSON.stringify(told(found))}`,
      SELDOM,
    );
    return found;
  };

  it('says that all is well, and what it has looked at', async () => {
    const { code, findings } = await clean();
    expect(code).toBe(0);
    expect(findings.map(({ area }) => area)).toEqual(
      expect.arrayContaining([
        'configuration',
        'database',
        'log',
        'tables',
        'services',
        'attention',
        'tills',
      ]),
    );
    const { stdout } = await payflow(['doctor'], env);
    expect(stdout).toContain('1 of 1 tills are well');
    expect(stdout).toMatch(/\n0 errors, 0 warnings\n$/);
  });

  it('a sale that the centre refused, by the till, the command and the sum', async () => {
    const db = new Database(file);
    db.exec(`INSERT INTO boxes (code, weight) VALUES ('heavy', 5000)`);
    db.close();
    await payflow(['sync', '--terminal', 'till-1', '--wait'], env);
    const found = await doctor();
    expect(told(found)).toEqual([
      ['attention', 'error', null, '1 dead letters are open'],
      ['tills', 'error', null, 'till-1 has 1 open dead letters'],
    ]);
    const list = await payflow(['dead-letters', 'list', '--json'], env);
    const [letter] = (JSON.parse(list.stdout) as { deadLetters: { deadLetterId: string }[] }).deadLetters;
    await payflow(['dead-letters', 'discard', letter?.deadLetterId ?? '', '--why', 'a test'], env);
    await clean();
  });

  it('a session that keeps the tills’ sales waiting, by its number', async () => {
    const client = await pool.connect();
    try {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await client.query(`BEGIN; UPDATE depot.crates SET weight = 3 WHERE code = 'A'`);
      const db = new Database(file);
      db.exec(`UPDATE boxes SET weight = 7 WHERE code = 'A'`);
      db.close();
      let found = await doctor();
      const waits = () => found.bad.find(({ message }) => message.includes('of ours waiting'));
      await until(
        async () => {
          found = await doctor();
          return waits() !== undefined;
        },
        () => `it is seen: ${JSON.stringify(told(found))}`,
        SELDOM,
      );
      expect(waits()?.remedy).toContain(`pg_terminate_backend(${rows[0]?.pid})`);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    await clean();
  });

  it('a right that a service lost, by login, service and table', async () => {
    const login = `apply_${Math.random().toString(36).slice(2, 8)}`;
    await pool.query(`CREATE ROLE ${login} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA depot TO ${login};
      GRANT SELECT, INSERT ON depot.crates TO ${login}`);
    const url = new URL(postgres.url);
    [url.username, url.password] = [login, 'pw'];
    const other = new pg.Client({ connectionString: url.href, application_name: 'payflow-apply' });
    await other.connect();
    try {
      const found = await doctor();
      const lines = found.bad.map(({ message }) => message);
      expect(lines).toContain(`${login} (apply) lacks UPDATE, DELETE on depot.crates`);
      expect(lines).toContain(`${login} (apply) lacks USAGE on payflow_sync`);
      expect(lines.join()).not.toContain('(gateway)');
    } finally {
      await other.end();
      await pool.query(`DROP OWNED BY ${login}; DROP ROLE ${login}`);
    }
    await clean();
  });

  it('with a login that may look at nothing it says what that one is not told, and ends', async () => {
    const login = `guest_${Math.random().toString(36).slice(2, 8)}`;
    await pool.query(`CREATE ROLE ${login} LOGIN PASSWORD 'pw'`);
    const url = new URL(postgres.url);
    [url.username, url.password] = [login, 'pw'];
    try {
      const found = await doctor({ DATABASE_URL: url.href });
      expect(found.code).toBe(1);
      const lines = found.bad.map(({ message }) => message).join('\n');
      expect(lines).toContain('this login is not told which sessions');
      expect(found.bad.map(({ code }) => code)).toContain('DB_SCHEMA');
      expect(found.bad.map(({ code }) => code)).not.toContain('INTERNAL');
    } finally {
      await pool.query(`DROP ROLE ${login}`);
    }
  });

  it('a mapping that the till’s tables do not fit', async () => {
    const other = join(folder, 'other.yaml');
    writeFileSync(
      other,
      readFileSync(join(folder, 'mapping.yaml'), 'utf8').replace(
        'natural_key: [code]',
        'rename: {colour: weight}',
      ),
    );
    const found = await doctor({ MAPPING_FILE: other });
    expect(found.code).toBe(1);
    expect(told(found)).toContainEqual([
      'tills',
      'error',
      null,
      expect.stringContaining("till-1 can't sync"),
    ]);
    expect(told(found)).toContainEqual(['tables', 'error', null, expect.stringContaining('mapping')]);
  });
});
