import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { setupCentre } from '../../../services/central-capture/setup/setup.ts';
import type { Environment } from '../../../services/shared/config.ts';
import { EmbeddedPostgres } from '../../../services/shared/database/embedded-postgres.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { payflow } from '../../support/cli.ts';

const log = pino({ level: 'silent' });
const NO_BROKER = '127.0.0.1:9';
const SOURCE = readFileSync(schemaFile('mapping.yaml'), 'utf8');
let postgres: RunningPostgres;
let folder: string;
let env: Environment;

beforeAll(async () => {
  postgres = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'payflow-run-'));
  env = {
    DATABASE_URL: postgres.url,
    KAFKA_BROKERS: NO_BROKER,
    TOPIC_PREFIX: `run_${Math.random().toString(36).slice(2, 8)}`,
    DATA_DIR: folder,
    LOG_LEVEL: 'silent',
    SYNC_SCHEDULE: '',
  };
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

describe('what a person must mend ends the start with exit 2', () => {
  it.each(['capture', 'apply', 'gateway'])('%s on a centre that is not set up', async (service) => {
    const { code, stderr } = await payflow(['run', service], env);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[DB_NOT_SET_UP\] .+\n$/) as string,
    });
  });

  it.each(['capture', 'apply', 'gateway'])('%s with a wrong password', async (service) => {
    const url = new URL(postgres.url);
    url.password = 'wrong';
    const { code, stderr } = await payflow(['run', service], { ...env, DATABASE_URL: url.href });
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[DB_AUTH\] .+\n$/) as string,
    });
  });

  it('a database that is not there, with the variable that names it', async () => {
    const url = new URL(postgres.url);
    url.pathname = '/none_of_that_name';
    const { code, stderr } = await payflow(['run', 'gateway'], { ...env, DATABASE_URL: url.href });
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[CONFIG_INVALID\] DATABASE_URL: .+\n$/) as string,
    });
  });

  it.each([['up'], ['enroll', '--code', 'ABCD-EFGH-JKMN-PQRS']])(
    '%s with a DATA_DIR that is a file',
    async (...args) => {
      const file = join(folder, 'a-file');
      writeFileSync(file, '');
      expect(await payflow(args, { DATA_DIR: file })).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^\[CONFIG_INVALID\] DATA_DIR .+\n$/) as string,
      });
    },
  );

  it.each(['setup', 'run capture'])('%s with a role that may not replicate', async (command) => {
    await setUp();
    const role = `plain_${env['TOPIC_PREFIX']}_${command.length}`;
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO ${role}`);
    const url = new URL(postgres.url);
    Object.assign(url, { username: role, password: 'secret' });
    const { code, stderr } = await payflow(command.split(' '), { ...env, DATABASE_URL: url.href });
    await sql(`DROP ROLE ${role}`);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[DB_NO_REPLICATION\] .+\n$/) as string,
    });
  });

  it('setup on a server whose wal_level is not logical', async () => {
    const server = await EmbeddedPostgres.start({ flags: ['-c', 'wal_level=replica'] });
    const { code, stderr } = await payflow(['setup'], { ...env, DATABASE_URL: server.url('postgres') });
    await server.stop();
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[DB_WAL_LEVEL\] .+\n$/) as string,
    });
  });

  it('setup with a mapped table that has no key', async () => {
    await setUp();
    await sql('ALTER TABLE audit_logs DROP CONSTRAINT audit_logs_pkey');
    const { code, stderr } = await payflow(['setup'], env);
    await sql('ALTER TABLE audit_logs ADD PRIMARY KEY (id)');
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TABLE_NO_KEY\] .*audit_logs.*\n$/) as string,
    });
  });

  it('a METRICS_PORT or GATEWAY_PORT that is taken', async () => {
    await setUp();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, resolve));
    const port = String((other.address() as AddressInfo).port);
    for (const name of ['METRICS_PORT', 'GATEWAY_PORT']) {
      const { code, stderr } = await payflow(['run', 'gateway'], { ...env, [name]: port });
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(name) as string });
    }
    await new Promise((resolve) => other.close(resolve));
  });
});

async function sql(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

let isSetUp = false;

async function setUp(): Promise<void> {
  if (isSetUp) return;
  isSetUp = true;
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  const eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log });
  await pool.query(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
  const mapping = parseMapping(SOURCE);
  const prefix = env['TOPIC_PREFIX'] ?? '';
  await setupCentre({ pool, eventLog, prefix, mapping, horizonDays: 14, upPartitions: 2 });
  await eventLog.close();
  await pool.end();
}

async function readyParts(port: number): Promise<{ name: string; state: string; code?: string }[]> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`);
    return ((await response.json()) as { parts: { name: string; state: string; code?: string }[] }).parts;
  } catch {
    // It does not listen yet.
    return [];
  }
}

describe('what comes back is waited for', () => {
  it.each(['capture', 'apply'])('%s stays up, alive but unready, while Kafka is away', async (service) => {
    const port = await freePort();
    const stop = new AbortController();
    const running = payflow(['run', service], { ...env, METRICS_PORT: String(port) }, stop.signal);
    const ready = async () => {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`);
        return { status: response.status, text: await response.text() };
      } catch (error) {
        return { status: 0, text: String(error) };
      }
    };
    await until(
      async () => (await ready()).text.includes('LOG_UNREACHABLE'),
      async () => `unready for LOG_UNREACHABLE: ${JSON.stringify(await ready())}`,
    );
    expect((await ready()).status).toBe(503);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('payflow_');
    stop.abort();
    expect(await running).toMatchObject({ code: 0 });
  });

  it('a till without its gateway waits to be enrolled', async () => {
    const stop = new AbortController();
    new Database(join(folder, 'new.db')).exec('CREATE TABLE t (id INTEGER)').close();
    const till = {
      ENROLMENT_CODE: 'ABCD-EFGH-JKMN-PQRS',
      GATEWAY_URL: 'http://127.0.0.1:9',
      DATA_DIR: join(folder, 'new-till'),
      TERMINAL_DB: join(folder, 'new.db'),
      LOG_LEVEL: 'silent',
      METRICS_PORT: String(await freePort()),
    };
    const running = payflow(['run', 'terminal'], till, stop.signal);
    await until(async () => {
      try {
        return (await (await fetch(`http://127.0.0.1:${till.METRICS_PORT}/readyz`)).text()).includes(
          'GATEWAY_UNREACHABLE',
        );
      } catch {
        return false;
      }
    }, 'unready for GATEWAY_UNREACHABLE');
    stop.abort();
    expect(await running).toMatchObject({ code: 0 });
  });
});

/** Permissions do not bind root: the same as somebody who is not. */
async function asNobody<T>(body: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return body();
  process.seteuid?.(65534);
  try {
    return await body();
  } finally {
    process.seteuid?.(0);
  }
}

describe('run terminal', () => {
  function enrolledFolder(terminalId: string): string {
    const dataDir = join(folder, terminalId);
    mkdirSync(dataDir, { recursive: true });
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(dataDir, 'terminal.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const identity = {
      terminalId,
      storeId: '1',
      token: 'pft_none',
      databaseId: 'db',
      prefix: 'payflow',
      partition: 0,
      streams: { catalog: 'payflow.catalog', store: 'payflow.store.1', up: 'payflow.up' },
      mapping: { version: 1, source: SOURCE },
      keyVersion: 1,
      gatewayUrl: 'http://127.0.0.1:9',
    };
    writeFileSync(join(dataDir, 'terminal.json'), JSON.stringify(identity));
    return dataDir;
  }

  function tillFile(name: string): string {
    const file = join(folder, name);
    const db = new Database(file);
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    db.close();
    return file;
  }

  const start = (dataDir: string, file: string, signal?: AbortSignal, metricsPort = 0) =>
    payflow(
      ['run', 'terminal'],
      {
        DATA_DIR: dataDir,
        TERMINAL_DB: file,
        KAFKA_BROKERS: NO_BROKER,
        LOG_LEVEL: 'silent',
        METRICS_PORT: String(metricsPort),
      },
      signal,
    );

  it('ends with 2 for a file that is missing, or no database, or not named at all', async () => {
    const dataDir = enrolledFolder('t-1');
    const text = join(folder, 'text.db');
    writeFileSync(text, 'this is a text that is longer than the head of a database file would have to be');
    expect(await start(dataDir, text)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_DB_INVALID\] .+\n$/) as string,
    });
    expect(await start(dataDir, join(folder, 'none.db'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_DB_MISSING\] .+\n$/) as string,
    });
    const unnamed = await start(dataDir, '');
    expect(unnamed).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('TERMINAL_DB is not set') as string,
    });
  });

  it('ends with 2 for a file that cannot be written', async () => {
    const file = tillFile('read-only.db');
    const dataDir = enrolledFolder('t-2');
    // Somebody who is not root may do everything here but write the file.
    for (const path of [folder, dataDir]) chmodSync(path, 0o777);
    chmodSync(file, 0o444);
    expect(await asNobody(() => start(dataDir, file))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_DB_READ_ONLY\] .+\n$/) as string,
    });
  });

  it('waits, alive but unready, for a file that another program holds', async () => {
    const file = tillFile('busy.db');
    const app = new Database(file);
    app.exec('BEGIN EXCLUSIVE');
    const stop = new AbortController();
    const port = await freePort();
    const running = start(enrolledFolder('t-4'), file, stop.signal, port);
    const state = async (name: string) => {
      const parts = await readyParts(port);
      return parts.find((part) => part.name === name);
    };
    await until(
      async () => (await state('till file'))?.code === 'TERMINAL_DB_BUSY',
      'the file is waited for',
    );
    app.exec('ROLLBACK');
    app.close();
    await until(async () => (await state('till file'))?.state === 'ready', 'the file is opened');
    stop.abort();
    expect(await running).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends with 2 when another agent has the file, and waits for Kafka where it has it', async () => {
    const file = tillFile('shared.db');
    const stop = new AbortController();
    const first = start(enrolledFolder('t-3'), file, stop.signal);
    const isInstalled = () => {
      const db = new Database(file, { readonly: true });
      const found = db.prepare("SELECT count(*) FROM sqlite_master WHERE name = 'sync_outbox'").pluck().get();
      db.close();
      return found === 1;
    };
    await until(isInstalled, 'the first agent has the file');
    expect(await start(enrolledFolder('t-3'), file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_DB_IN_USE\] .+\n$/) as string,
    });
    stop.abort();
    expect(await first).toMatchObject({ code: 0, stderr: '' });
  });
});
