/** What a till's start does with its file and with what belongs to it, before and beside its enrolment. */
import { generateKeyPairSync } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { AgentLock } from '../../../services/terminal-agent/till/agent-lock.ts';
import { payflow } from '../../support/cli.ts';

const NO_BROKER = '127.0.0.1:9';
const SOURCE = readFileSync(schemaFile('mapping.yaml'), 'utf8');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-place-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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

describe('the start of a till', () => {
  it('asks nothing of the centre for a file that is missing, no database, or in use', async () => {
    const asked: string[] = [];
    const centre = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ code: 'ENROLMENT_REFUSED', detail: 'no' }));
    });
    await new Promise<void>((resolve) => centre.listen(0, '127.0.0.1', resolve));
    const enrol = (file: string) =>
      payflow(['run', 'terminal'], {
        DATA_DIR: join(folder, 'not-enrolled'),
        TERMINAL_DB: file,
        ENROLMENT_CODE: 'ABCD-EFGH-JKMN-PQRS',
        GATEWAY_URL: `http://127.0.0.1:${(centre.address() as AddressInfo).port}`,
        LOG_LEVEL: 'silent',
      });
    const text = join(folder, 'no-database.db');
    writeFileSync(
      text,
      'this is a text that is longer than the head of a database file would have to be, it is',
    );
    const used = tillFile('used.db');
    const lock = AgentLock.take(realpathSync(used));
    const codes = [];
    for (const file of [join(folder, 'missing.db'), text, used]) {
      const { code, stderr } = await enrol(file);
      codes.push([code, /^\[(\w+)\]/.exec(stderr)?.[1]]);
    }
    lock.release();
    expect(codes).toEqual([
      [2, 'TERMINAL_DB_MISSING'],
      [2, 'TERMINAL_DB_INVALID'],
      [2, 'TERMINAL_DB_IN_USE'],
    ]);
    expect(asked).toEqual([]);
    expect(await enrol(used)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('REFUSED') as string,
    });
    expect(asked).toEqual(['/api/v1/enroll']);
    await new Promise((resolve) => centre.close(resolve));
  });

  it('refuses a file that is linked with another centre, and names both', async () => {
    const file = tillFile('other-centre.db');
    const stop = new AbortController();
    const first = start(enrolledFolder('t-5'), file, stop.signal);
    const known = () => {
      const db = new Database(file, { readonly: true });
      try {
        return db.prepare("SELECT value FROM sync_meta WHERE name = 'database_id'").pluck().get();
      } catch {
        // Not installed yet.
        return undefined;
      } finally {
        db.close();
      }
    };
    await until(() => known() === 'db', 'the file knows its centre');
    stop.abort();
    await first;
    const dataDir = enrolledFolder('t-5');
    const path = join(dataDir, 'terminal.json');
    const identity = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...identity, databaseId: 'db-elsewhere' }));
    expect(await start(dataDir, file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_OTHER_CENTRE\] .*centre db,.*db-elsewhere/) as string,
    });
  });

  it('moves what an earlier version kept in the folder it was started in', async () => {
    const before = process.cwd();
    const shop = realpathSync(mkdtempSync(join(folder, 'moved-')));
    const file = join(shop, 'payflow.db');
    copyFileSync(tillFile('to-move.db'), file);
    const old = join(shop, 'elsewhere', '.payflow');
    cpSync(enrolledFolder('t-6'), old, { recursive: true });
    process.chdir(join(shop, 'elsewhere'));
    try {
      const stop = new AbortController();
      const env = { TERMINAL_DB: file, KAFKA_BROKERS: NO_BROKER, LOG_LEVEL: 'silent' };
      const running = payflow(['run', 'terminal'], env, stop.signal);
      const place = join(shop, '.payflow', 'terminals', 't-6');
      await until(() => existsSync(join(place, 't-6.agent.db')), 'the agent runs in the new place');
      stop.abort();
      expect(await running).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('was moved from') as string,
      });
      expect(existsSync(join(place, 'terminal.json'))).toBe(true);
      expect(existsSync(join(old, 'terminal.json'))).toBe(false);
    } finally {
      process.chdir(before);
    }
  });
});
