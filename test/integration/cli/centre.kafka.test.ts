import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startKafka, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { runGateway } from '../../../services/gateway/main.ts';
import { loadConfig, type Environment } from '../../../services/shared/config.ts';
import { createLogger } from '../../../services/shared/logging.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { payflow } from '../../support/cli.ts';

let postgres: RunningPostgres;
let kafka: RunningKafka;
let folder: string;
let env: Environment;
const stopGateway = new AbortController();
let gateway: Promise<void> = Promise.resolve();

beforeAll(async () => {
  [postgres, kafka] = await Promise.all([startPostgres(), startKafka()]);
  folder = mkdtempSync(join(tmpdir(), 'payflow-centre-'));
  await sql(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
  env = {
    DATABASE_URL: postgres.url,
    KAFKA_BROKERS: kafka.brokers,
    TOPIC_PREFIX: `cli_${randomBytes(4).toString('hex')}`,
    DATA_DIR: folder,
    LOG_LEVEL: 'silent',
    GATEWAY_PORT: '0',
    SYNC_SCHEDULE: '',
  };
});

afterAll(async () => {
  stopGateway.abort();
  await gateway;
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
  await kafka.stop();
});

async function sql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(text);
  await client.end();
}

describe('the centre, step by step as in the manual', () => {
  it('setup --check is 1 before setup, 0 after it, and setup can be repeated', async () => {
    expect((await payflow(['setup', '--check'], env)).code).toBe(1);
    const first = await payflow(['setup'], env);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const check = await payflow(['setup', '--check', '--json'], env);
    expect({ code: check.code, answer: JSON.parse(check.stdout) as unknown }).toEqual({
      code: 0,
      answer: { complete: true, missing: [] },
    });
    const again = await payflow(['setup', '--json'], env);
    expect(JSON.parse(again.stdout)).toMatchObject({ changes: [], mappingVersion: 1, epoch: 1 });
  });

  it('refuses a mapped table without a key, a wrong password and an unknown database with exit 2', async () => {
    const url = new URL(postgres.url);
    url.password = 'wrong';
    const denied = await payflow(['setup'], { ...env, DATABASE_URL: url.href });
    expect(denied).toMatchObject({ code: 2 });
    expect(denied.stderr).toMatch(/^\[DB_AUTH\] .+\n$/);
    const unknown = new URL(postgres.url);
    unknown.pathname = '/no_such_database';
    const missing = await payflow(['setup'], { ...env, DATABASE_URL: unknown.href });
    expect(missing).toMatchObject({ code: 2 });
    expect(missing.stderr).toContain('no_such_database');
    await sql('ALTER TABLE audit_logs DROP CONSTRAINT audit_logs_pkey');
    const keyless = await payflow(['setup'], env);
    await sql('ALTER TABLE audit_logs ADD PRIMARY KEY (id)');
    expect(keyless).toMatchObject({ code: 2 });
    expect(keyless.stderr).toMatch(/^\[TABLE_NO_KEY\] .*audit_logs/);
  });

  it('registers tills, one or many, and lists and retires them', async () => {
    const one = await payflow(['terminals', 'register', '--terminal', 'till-1', '--store', 's1'], env);
    expect(one.stdout).toMatch(/^TERMINAL_ID=till-1\nSTORE_ID=s1\nENROLMENT_CODE=\S+\n$/);
    const json = await payflow(
      ['terminals', 'register', '--terminal', 'till-2', '--store', 's1', '--json'],
      env,
    );
    expect(JSON.parse(json.stdout)).toMatchObject({ terminalId: 'till-2', storeId: 's1' });
    expect((await payflow(['terminals', 'retire', 'till-2'], env)).code).toBe(0);
    const list = await payflow(['terminals', 'list', '--json'], env);
    expect(JSON.parse(list.stdout)).toMatchObject([
      { terminalId: 'till-1', status: 'registered' },
      { terminalId: 'till-2', status: 'retired' },
    ]);
    expect((await payflow(['terminals', 'list'], env)).stdout).toMatch(/till-1 +s1 +registered/);
    const unknown = await payflow(['terminals', 'retire', 'nobody'], env);
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toMatch(/^\[TERMINAL_UNKNOWN\]/);
  });

  it('makes a token once, lists it without its secret, and revokes it', async () => {
    const created = await payflow(['token', 'create', '--role', 'viewer', '--name', 'wall'], env);
    expect(created.stdout).toMatch(/^pfu_\S+\n$/);
    const list = await payflow(['token', 'list', '--json'], env);
    expect(list.stdout).not.toContain(created.stdout.trim());
    expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'wall', role: 'viewer', revokedAt: null }]);
    expect((await payflow(['token', 'revoke', 'wall'], env)).code).toBe(0);
    expect((await payflow(['token', 'revoke', 'wall'], env)).code).toBe(3);
  });

  it('finds no mismatch between the reference schemas, and names one that was made', async () => {
    const file = join(folder, 'payflow.db');
    const db = new Database(file);
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    const good = await payflow(['parity', '--terminal-db', file], env);
    expect(good).toMatchObject({ code: 0 });
    db.exec('ALTER TABLE customers RENAME COLUMN full_name TO full_title');
    db.close();
    const bad = await payflow(['parity', '--terminal-db', file, '--json'], env);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('customers');
    expect(await payflow(['parity', '--terminal-db', join(folder, 'none.db')], env)).toMatchObject({
      code: 2,
    });
  });

  it('prints triggers for review without touching the file', async () => {
    const file = join(folder, 'review.db');
    const db = new Database(file);
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    const before = db.prepare('SELECT count(*) FROM sqlite_master').pluck().get();
    const shown = await payflow(['triggers', 'show', '--terminal-db', file], env);
    expect(shown.stdout).toMatch(/CREATE TRIGGER[^;]+products/);
    expect(db.prepare('SELECT count(*) FROM sqlite_master').pluck().get()).toBe(before);
    db.close();
  });

  it('enrols a till through the gateway, shows the status, and leaves a sync of it waiting', async () => {
    const url = await new Promise<string>((resolve, reject) => {
      gateway = runGateway(loadConfig(env), {
        log: createLogger({ level: 'silent' }),
        signal: stopGateway.signal,
        onListening: resolve,
      });
      gateway.catch(reject);
    });
    const linked = { ...env, GATEWAY_URL: url };
    const registered = await payflow(
      ['terminals', 'register', '--terminal', 'till-9', '--store', 's9', '--json'],
      env,
    );
    const { enrolmentCode } = JSON.parse(registered.stdout) as { enrolmentCode: string };
    const till = { DATA_DIR: join(folder, 'till-9'), GATEWAY_URL: url };
    const wrong = await payflow(['enroll', '--code', 'WRONG'], till);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toMatch(/^\[ENROLMENT_REFUSED\]/);
    expect((await payflow(['enroll', '--code', enrolmentCode], till)).stdout).toContain('till-9 of store s9');
    expect((await payflow(['enroll', '--code', enrolmentCode], till)).code).toBe(3);
    const identity = JSON.parse(readFileSync(join(till.DATA_DIR, 'terminal.json'), 'utf8')) as unknown;
    expect(identity).toMatchObject({
      terminalId: 'till-9',
      brokers: kafka.brokers.split(','),
      gatewayUrl: url,
    });

    const status = await payflow(['status', '--json'], linked);
    expect(JSON.parse(status.stdout)).toMatchObject({
      slot: { exists: true, active: false },
      terminals: [
        { terminalId: 'till-1' },
        { terminalId: 'till-2' },
        { terminalId: 'till-9', online: false },
      ],
    });
    expect((await payflow(['status'], linked)).stdout).toContain('NOT CONNECTED');
    const waiting = await payflow(['sync', '--terminal', 'till-9', '--wait', '--json'], linked);
    expect(waiting.code).toBe(1);
    expect(JSON.parse(waiting.stdout)).toMatchObject({ state: 'waiting' });
    const tokens = await payflow(['token', 'list', '--json'], env);
    expect(tokens.stdout).not.toContain('payflow command');
  });
});
